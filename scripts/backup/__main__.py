"""The command line: options, exit codes, and what goes to which stream."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from resources.home import quintet_home
from scripts.dagster_home import dagster_home
from scripts.terminal.answers import DONE, carried_out, say

if TYPE_CHECKING:
    from scripts.backup.manifest import Manifest

_PROGRAM: Final = "python -m scripts.backup"
_WAIT_S: Final = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command and return its exit code. Wrong usage ends in `SystemExit`, with 2."""
    options = _parser().parse_args(arguments)
    began = time.monotonic()
    return carried_out(
        lambda: _carry_out(options), lambda manifest: _show(options, manifest, time.monotonic() - began)
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM, description="Quintet's home as one file or folder, and back.", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    create = commands.add_parser("create", help="back up QUINTET_HOME and DAGSTER_HOME, while runs go on")
    create.add_argument("target", type=_path, help="a new file NAME.tar.zst, or a new folder")
    create.add_argument(
        "--wait",
        type=float,
        default=_WAIT_S,
        metavar="SECONDS",
        help="how long to wait for a run that writes to the warehouse (default: %(default)g)",
    )
    verify = commands.add_parser("verify", help="read a backup and hold every file against its SHA-256")
    verify.add_argument("source", type=_path)
    restore = commands.add_parser("restore", help="make a new home from a backup")
    restore.add_argument("source", type=_path)
    restore.add_argument("--into", type=_path, required=True, metavar="NEW_HOME", help="absent, or empty")
    for command in (create, verify, restore):
        command.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _carry_out(options: argparse.Namespace) -> "Manifest":
    if options.command == "create":
        from scripts.backup.creation import create

        home = quintet_home(os.environ)
        instance = dagster_home(os.environ, home)
        return create(home, instance, options.target, os.environ, wait_s=options.wait, say=say)
    from scripts.backup.restoring import restore, verify

    if options.command == "verify":
        return verify(options.source)
    return restore(options.source, options.into)


def _show(options: argparse.Namespace, manifest: "Manifest", seconds: float) -> int:
    from scripts.terminal.layout import sentence
    from scripts.terminal.output import print_answer

    place = (
        options.into if options.command == "restore" else getattr(options, "target", None) or options.source
    )
    size = sum(file.size for file in manifest.files)
    document: dict[str, Any] = {
        "command": options.command,
        "place": str(place),
        "created_at": manifest.created_at,
        "files": len(manifest.files),
        "bytes": size,
        "seconds": round(seconds, 1),
        "notes": manifest.notes,
    }
    done = {
        "create": f"{place} holds",
        "verify": f"{place} is whole:",
        "restore": f"{place} is a home of",
    }[options.command]
    held = f"{len(manifest.files):,} files, {size / 2**20:,.1f} MiB, of {manifest.created_at}"
    told = [f"{done} {held}; it took {seconds:.1f} s."]
    if options.command == "restore":
        told.append(f"Use it with QUINTET_HOME={place} and DAGSTER_HOME={place}/dagster.")
    print_answer(document, map(sentence, told), as_json=options.json)
    for note in manifest.notes:
        say(note)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
