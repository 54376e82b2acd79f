"""What is read beside a job's configuration: its arguments, and its publisher when all else is wrong."""

import pytest

from assets.dwh.routing import (
    EventPublisherConfig,
    JobArguments,
    LoadPromosConfig,
    UsageError,
    readable_publisher,
)


def test_the_arguments_of_a_job_have_the_documented_defaults():
    assert JobArguments.read({"created_by": "ann"}) == JobArguments("ann", None, None, clean_sink=True)


def test_the_arguments_of_a_job_are_read():
    arguments = {
        "created_by": " ann ",
        "start_date": "2025-01-15",
        "end_date": "2025-01-16",
        "clean_sink": "false",
    }
    assert JobArguments.read(arguments) == JobArguments("ann", "2025-01-15", "2025-01-16", clean_sink=False)


@pytest.mark.parametrize("arguments", [{}, {"created_by": None}, {"created_by": ""}, {"created_by": " "}])
def test_a_job_without_a_creator_is_refused(arguments):
    with pytest.raises(ValueError, match=r"^created_by parameter is required$"):
        JobArguments.read(arguments)


@pytest.mark.parametrize(
    ("name", "value"), [("created_by", True), ("start_date", True), ("end_date", True), ("clean_sink", "y")]
)
def test_an_argument_without_a_value_or_with_a_wrong_one_is_refused_by_name(name, value):
    """Defect 4: `--clean_sink false` was truthy."""
    with pytest.raises(UsageError, match=name):
        JobArguments.read({"created_by": "ann", name: value})


@pytest.mark.parametrize(
    ("config", "publisher"),
    [
        ({"typo": 1, "event_publisher_config": {"publisher_type": "LOG"}}, "LOG"),
        ('{"extractor_config": 5, "event_publisher_config": {"publisher_type": "LOG"}}', "LOG"),
        ({"typo": 1}, "NOOP"),
        ({"event_publisher_config": None}, "NOOP"),
        ("not json", None),
        (None, None),
        ({"event_publisher_config": {"publisher_type": "MAIL"}}, None),
        ({"event_publisher_config": ["LOG"]}, None),
    ],
)
def test_the_publisher_is_read_out_of_a_configuration_that_is_otherwise_wrong(config, publisher):
    """Defect 18: failures in the configuration told nobody."""
    found = readable_publisher(LoadPromosConfig, {"load_promos_job": config})
    assert found == (EventPublisherConfig(publisher_type=publisher) if publisher else None)
