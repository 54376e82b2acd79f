"""The messages of an mbox file (RFC 4155), one after the other, from any message on.

Not here: what a message says (`mail_message`).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from assets.discovery.strategies.file_prefix import Prefix
from assets.failures import PermanentFailure

# `From address … time … year`, in the many ways that programs write it, or only an address. A sentence that
# happens to begin with "From " after an empty line is neither.
_SEPARATOR: Final = re.compile(rb"From (?:.*\s\d{1,2}:\d{2}.*\s\d{4}\b.*|\S+@\S+)\s*")
_QUOTED: Final = re.compile(rb">+From ")


class MboxFile:
    """An mbox, read from where the last reading ended if it has only grown since, otherwise from the top.

    `offset` is where that was, and `fingerprint` that of the bytes before it.
    """

    def __init__(self, path: Path, file: BinaryIO, offset: int, fingerprint: Any) -> None:
        self._path, self._file = path, file
        self._prefix = Prefix()
        self._prefix.read_to(file, offset)
        if self._prefix.fingerprint != fingerprint or not self._goes_on():
            self._prefix = Prefix()
            file.seek(0)

    @property
    def cursor(self) -> dict[str, Any]:
        """Where the message that was given last ends."""
        return {"offset": self._prefix.size, "fingerprint": self._prefix.fingerprint}

    def messages(self) -> Iterator[tuple[int, bytes]]:
        """Each message and the offset at which it begins, without its separator, and with `>From ` unquoted.

        Raises:
            PermanentFailure: the file does not begin like an mbox.
        """
        lines: list[bytes] = []
        is_after_blank = True
        for line in self._file:
            is_first = self._prefix.size == 0 and not lines and line.startswith(b"From ")
            if is_first or (is_after_blank and _SEPARATOR.fullmatch(line)):
                if lines:
                    yield self._ended(lines)
                lines = [line]
            elif lines:
                lines.append(line)
            elif line.strip():
                raise PermanentFailure(
                    f"The mailbox {self._path} is no mbox: it does not begin with `From address date`; "
                    "correct format in the job."
                )
            else:
                self._prefix.take(line)
            is_after_blank = not line.strip()
        if lines:
            yield self._ended(lines)

    def _ended(self, lines: list[bytes]) -> tuple[int, bytes]:
        """The message that these lines are; the empty line at its end belongs to the separator behind it."""
        offset = self._prefix.size
        for line in lines:
            self._prefix.take(line)
        body = lines[1:-1] if not lines[-1].strip() else lines[1:]
        return offset, b"".join(line[1:] if _QUOTED.match(line) else line for line in body)

    def _goes_on(self) -> bool:
        """Whether nothing or another message follows, and not the rest of one that was half written."""
        here = self._file.tell()
        line = next((line for line in self._file if line.strip()), b"")
        self._file.seek(here)
        return not line or _SEPARATOR.fullmatch(line) is not None
