"""`python -m scripts.sample_data <pipeline>`: write sample inputs of one pipeline.

Exit codes: 0 done, 1 a file could not be written, 2 wrong usage.
"""

import argparse
from collections.abc import Sequence

from scripts.sample_data import aim, beams, dwh, market

PIPELINES = {"aim": aim, "beams": beams, "dwh": dwh, "market": market}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments` (the process's own by default) and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.sample_data", description="Write sample inputs.")
    subparsers = parser.add_subparsers(title="pipelines", metavar="<pipeline>", required=True)
    for name, pipeline in PIPELINES.items():
        pipeline.register(subparsers.add_parser(name, help=pipeline.SUMMARY))
    parsed = parser.parse_args(arguments)
    return parsed.run(parsed)


if __name__ == "__main__":
    raise SystemExit(main())
