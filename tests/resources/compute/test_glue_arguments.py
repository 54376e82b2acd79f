"""A command line as Glue takes it: by name, each with a value."""

import pytest

from resources.compute import ComputeMisconfigured
from resources.compute.glue import as_glue_arguments


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ((), {}),
        (("--module_name", "filter_images"), {"--module_name": "filter_images"}),
        (("--filter_images_job", '{"mode": "a=b"}'), {"--filter_images_job": '{"mode": "a=b"}'}),
        (("--mode=recompute=1", "--empty="), {"--mode": "recompute=1", "--empty": ""}),
        (("--verbose", "--has_spark", "true"), {"--verbose": "true", "--has_spark": "true"}),
        (("--shift", "-5", "--last"), {"--shift": "-5", "--last": "true"}),
        (("--a", "1", "--a", "2"), {"--a": "2"}),
    ],
)
def test_names_get_their_values_and_flags_are_true(arguments: tuple[str, ...], given: dict[str, str]) -> None:
    assert as_glue_arguments(arguments) == given


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("filter_images",), "'filter_images': it follows no --name"),
        (("--a", "1", "2"), "'2': it follows no --name"),
        (("--a=--5",), "'--a=--5': a value must not begin with --"),
    ],
)
def test_what_glue_cannot_hand_on_is_refused(arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ComputeMisconfigured, match=sentence):
        as_glue_arguments(arguments)
