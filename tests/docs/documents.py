"""What the documents contain: fenced blocks, the files they belong to, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)$")
_FILE = re.compile(r"^`(?P<name>[^`\s]+)`:$")
_HEREDOC = re.compile(r"<<-?'?(?P<end>[A-Z]+)'?")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


@dataclass(frozen=True)
class Block:
    """One fenced block; `file` is named by the line before it, `language` is empty for a shell."""

    document: str
    line: int
    language: str
    file: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One command of a shell, as it is written, and where."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def blocks(document: Path) -> Iterator[Block]:
    """Every fenced block of a document, in order."""
    lines = document.read_text("utf-8").splitlines()
    number, said = 0, ""
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        if fence is None:
            said = lines[number].strip() or said
            number += 1
            continue
        opened, indent = number, len(fence["indent"])
        end = next(n for n in range(opened + 1, len(lines)) if lines[n].strip() == "```")
        named = _FILE.match(said)
        body = "\n".join(line[indent:] for line in lines[opened + 1 : end])
        yield Block(document.name, opened + 1, fence["language"], named and named["name"], f"{body}\n")
        number, said = end + 1, ""


def commands(block: Block) -> list[Command]:
    """The commands of a shell block: continued lines joined, quotes and here-documents kept whole."""
    found: list[Command] = []
    pending, first, until = "", 0, None
    for offset, line in enumerate(block.text.splitlines(), start=1):
        if not pending:
            first = block.line + offset
        pending = f"{pending}\n{line}" if pending else line
        if until is None and (heredoc := _HEREDOC.search(line)):
            until = heredoc["end"]
            continue
        if until is not None:
            if line.strip() != until:
                continue
            until = None
        elif line.endswith("\\") or not _is_whole(pending):
            continue
        if text := _without_comment(pending):
            found.append(Command(f"{block.document}:{first}", text))
        pending = ""
    assert not pending, f"{block} ends in the middle of a command: {pending}"
    return found


def prose(document: Path) -> str:
    """A document without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", document.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def inline_spans(document: Path) -> list[str]:
    """What stands in backticks within sentences and tables."""
    return [span.replace("\\|", "|") for span in re.findall(r"`([^`\n]+)`", prose(document))]


def _is_whole(text: str) -> bool:
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return False
    return True


def _without_comment(text: str) -> str:
    return re.sub(r"(?:^|\s+)#(?:\s.*)?$", "", text, flags=re.MULTILINE).strip() if "<<" not in text else text


def words(command: str) -> list[str]:
    """The words of a command without its assignments and its comment."""
    return [word for word in shlex.split(command, comments=True) if not _ASSIGNMENT.match(word)]
