"""What a platform is to be told beyond the job itself: a JSON object in a variable of the environment."""

import json
from collections.abc import Set as AbstractSet
from typing import Any

from resources.compute.errors import ComputeMisconfigured


def parse_launch_options(variable: str, text: str | None, ours: AbstractSet[str]) -> dict[str, Any]:
    """Read the value of a variable; nothing is an empty object. `ours` are the fields that a backend sets.

    Raises:
        ComputeMisconfigured: the text is not a JSON object, or it names a field that is ours.
    """
    try:
        options = json.loads(text or "{}")
    except ValueError as error:
        raise ComputeMisconfigured(f"{variable} is not JSON ({error}); give an object.") from error
    if not isinstance(options, dict):
        raise ComputeMisconfigured(f"{variable} is not a JSON object; give fields by name.")
    if taken := sorted(ours & options.keys()):
        raise ComputeMisconfigured(
            f"{variable} names {' and '.join(taken)}, which the job itself sets; leave that out."
        )
    return options
