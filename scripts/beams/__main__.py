"""The command line: options, exit codes, and what goes to which stream.

A command is imported when it is asked for: none has to wait for what another one needs.
"""

import argparse
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Final

from scripts.beams.desk import Desk
from scripts.terminal.answers import FAILED, Answer, carried_out, exit_code, say

_PROGRAM: Final = "python -m scripts.beams"
_COMMANDS: Final[Mapping[str, str]] = {
    "scan": "one tick of the sensor by hand: registers cases and beams, launches nothing",
    "status": "every case and beam of the registry, how far it is, and what is wrong with it",
    "explain": "what cases come to as they lie there, and what is next; writes nothing",
    "rerun": "another attempt of a case or a beam, whose run the next scan asks for",
    "cancel": "the end of a case: its runs stop their engines and give their GPUs back",
    "gpus": "the GPUs of the compute host, and who holds them",
    "archive": "cases whose input is gone for 90 days lose their partitions; their files stay",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line and return its exit code. Wrong usage ends in `SystemExit`, with 2."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    name: str = _commands_parser().parse_args(words[:1]).command
    command = import_module(f"scripts.beams.{name}")
    options = _parser_of(name, command).parse_args(words[1:])
    desk = Desk()
    for sentence in desk.unknown_variables:
        say(sentence)

    def work() -> Answer:
        desk.require_settings()
        return command.carry_out(desk, options)

    return carried_out(
        work,
        lambda answer: _show(command, answer, as_json=options.json),
        code_of=_code_of,
        sentence_of=_sentence,
    )


def _commands_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Cases and beams from the command line. Research use only, not a medical device.",
        epilog=f"`{_PROGRAM} COMMAND --help` explains one.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in _COMMANDS.items():
        commands.add_parser(name, help=summary)
    return parser


def _parser_of(name: str, command: ModuleType) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{_PROGRAM} {name}", description=_COMMANDS[name], allow_abbrev=False
    )
    command.add_options(parser)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document; messages go to standard error"
    )
    return parser


def _code_of(failure: Exception) -> int | None:
    """The exit code of a failure that was foreseen; None for a defect of ours, which is shown whole."""
    from assets.beams.registry.reopening import NoAttempt
    from assets.beams.states import IllegalTransition

    if isinstance(failure, NoAttempt | IllegalTransition):
        return FAILED
    return exit_code(failure)


def _sentence(failure: Exception) -> str:
    if isinstance(failure, sqlite3.DatabaseError):
        return (
            f"The registry of beams cannot be used ({failure}); look at the file beams.sqlite of the ledger."
        )
    return str(failure)


def _show(command: ModuleType, answer: Answer, *, as_json: bool) -> int:
    from scripts.terminal.output import print_answer

    print_answer(answer.document, command.view(answer), as_json=as_json)
    for note in answer.notes:
        say(note)
    return answer.code


if __name__ == "__main__":
    sys.exit(main())
