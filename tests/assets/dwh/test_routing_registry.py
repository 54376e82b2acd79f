"""The allow-list of jobs: R8, and defect 20 (any importable module could be run)."""

import sys

import pytest

from assets.dwh.routing import REGISTRY, find_job, job_list

DOCUMENTED = [
    (
        "filter_images",
        "dwh.jobs.filter_images.filter_images_job_factory",
        "filter_images_job",
        "dwh/filtered_images",
    ),
    (
        "transform_images",
        "dwh.jobs.transform_images.transform_images_job_factory",
        "transform_images_job",
        "dwh/transformed_images",
    ),
    ("load_promos", "dwh.jobs.load_promos.load_promos_job_factory", "load_promos_job", "dwh/promotions"),
]


def test_the_registry_holds_the_documented_jobs_and_no_other():
    assert [(job.name, job.alias, job.config_key, job.asset_key) for job in REGISTRY.values()] == DOCUMENTED
    assert list(REGISTRY) == [name for name, *_ in DOCUMENTED]


@pytest.mark.parametrize(("name", "alias"), [(name, alias) for name, alias, *_ in DOCUMENTED])
def test_a_job_is_found_by_its_name_and_by_its_alias(name, alias):
    assert find_job(name) is find_job(alias) is REGISTRY[name]


@pytest.mark.parametrize(
    "name", ["no.such.mod", "this", "os", "", "Filter_images", " filter_images", "assets.dwh.routing"]
)
def test_an_unknown_name_is_refused_with_every_known_one_and_imports_nothing(name):
    sys.modules.pop("this", None)
    with pytest.raises(ModuleNotFoundError) as refused:
        find_job(name)
    assert all(known in str(refused.value) for known in REGISTRY)
    assert repr(name) in str(refused.value)
    assert "this" not in sys.modules


def test_the_list_has_a_line_per_job_with_name_alias_and_description():
    lines = job_list().splitlines()
    assert len(lines) == len(REGISTRY)
    for line, job in zip(lines, REGISTRY.values(), strict=True):
        assert line.split(maxsplit=2) == [job.name, job.alias, job.description]
        assert job.description
