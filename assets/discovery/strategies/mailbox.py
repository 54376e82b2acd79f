"""`mailbox`: the messages of a mailbox, and their attachments.

Not here: where a message begins in an mbox (`mbox_file`), and what a message says (`mail_message`).
"""

import mailbox
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar
from zoneinfo import ZoneInfo

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.mail_message import attachment_candidates, message_candidate, parsed
from assets.discovery.strategies.mbox_file import MboxFile
from assets.discovery.strategies.params import MailboxParams
from assets.failures import PermanentFailure


class Mailbox(BaseDiscovery):
    """The messages of an mbox, a maildir, or a folder of `.eml` files (or one such file).

    A message is known by its Message-ID; its attachments, if they are wanted, as `ID#1`, `ID#2`. The cursor
    of an mbox is `{offset, fingerprint}`: what was appended is read from there, a file that changed before it
    from the top. A maildir and a folder are listed anew each time, in the order of their names; what is not
    in them has been filed elsewhere and is not missing.
    """

    name: ClassVar[str] = "mailbox"

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        """Yield the messages; what is no message is rejected.

        Raises:
            PermanentFailure: there is no such mailbox, or it cannot be read.
        """
        params = MailboxParams.model_validate(ask.params)
        path = Path(params.path)
        try:
            if params.format == "mbox":
                yield from _mbox(ask, path, attachments=params.attachments)
                return
            for place, content in _maildir(path) if params.format == "maildir" else _eml_files(path):
                yield from _candidates(ask, place, content, attachments=params.attachments)
            yield Mark(page=1)
        except OSError as error:
            raise PermanentFailure(
                f"The mailbox {path} cannot be read ({error.strerror}); correct path or format in the job, "
                "or the permissions."
            ) from None


def _mbox(ask: Ask, path: Path, *, attachments: bool) -> Iterator[Candidate | Mark]:
    cursor = ask.cursor or {}
    with path.open("rb") as file:
        mbox = MboxFile(path, file, int(cursor.get("offset", 0)), cursor.get("fingerprint"))
        is_empty = True
        for offset, content in mbox.messages():
            is_empty = False
            yield from _candidates(ask, f"byte {offset}", content, attachments=attachments)
            yield Mark(mbox.cursor, page=1)
        if is_empty:
            yield Mark(ask.cursor, ask.validators)


def _maildir(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        maildir = mailbox.Maildir(path, factory=None, create=False)
    except mailbox.NoSuchMailboxError:
        raise PermanentFailure(f"The maildir {path} is no folder; correct path in the job.") from None
    for name in sorted(maildir.keys()):
        with suppress(KeyError, FileNotFoundError):  # It has gone meanwhile.
            yield name, maildir.get_bytes(name)


def _eml_files(path: Path) -> Iterator[tuple[str, bytes]]:
    if not path.is_dir():
        yield path.name, path.read_bytes()
        return
    for file in sorted(path.rglob("*")):
        if file.suffix.lower() == ".eml" and file.is_file() and not file.name.startswith("."):
            with suppress(FileNotFoundError):  # It has gone meanwhile.
                yield file.relative_to(path).as_posix(), file.read_bytes()


def _candidates(ask: Ask, place: str, content: bytes, *, attachments: bool) -> Iterator[Candidate]:
    message = parsed(content)
    if not message.keys():
        ask.reject(place, "it is no mail: it has no header; remove it from the mailbox")
        return
    candidate, problem = message_candidate(message, ZoneInfo(ask.timezone))
    if problem:
        ask.warn(f"The mail {candidate.key} has {problem}; it stays without one.")
    yield candidate
    if attachments:
        yield from attachment_candidates(message, candidate)
