"""What a mail says (RFC 5322, MIME): the thing that it is, and the things attached to it.

Mails in the wild break every rule, so nothing here raises for one. Not here: where mails are kept.
"""

import base64
import email
import email.policy
import re
from collections.abc import Iterator
from datetime import UTC
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Any, Final
from zoneinfo import ZoneInfo

from assets.discovery.contract import Candidate
from assets.discovery.keys import data_key, text_key

_MESSAGE_ID: Final = re.compile(r"<([^<>]+)>")


def parsed(content: bytes) -> Message:
    """The mail in these bytes. The old policy of the library is the one that takes every header as it is."""
    return email.message_from_bytes(content, policy=email.policy.compat32)


def message_candidate(message: Message, zone: ZoneInfo) -> tuple[Candidate, str]:
    """The mail as a thing, and what is wrong with its date; one without a zone is meant in `zone`."""
    sender, date, subject = (_header(message, name) for name in ("From", "Date", "Subject"))
    published_at, problem = _instant(date, zone)
    attached = [_description(part) for part in _attachments(message)]
    data: dict[str, Any] = {
        "message_id": _message_id(message),
        "from": sender,
        "to": _header(message, "To"),
        "cc": _header(message, "Cc"),
        "date": date,
        "subject": subject,
        "text": _text(message, "text/plain"),
        "html": _text(message, "text/html"),
        "attachments": attached,
    }
    is_described = sender or date or subject
    key = data["message_id"] or (text_key(sender, date, subject) if is_described else data_key(data))
    return Candidate(key, data, title=subject or None, published_at=published_at), problem


def attachment_candidates(message: Message, mail: Candidate) -> Iterator[Candidate]:
    """The attachments of a mail, numbered from 1 in the order of the mail; contents in base64."""
    for number, part in enumerate(_attachments(message), start=1):
        description = _description(part)
        data = {
            "message_id": mail.data["message_id"],
            "number": number,
            **description,
            "base64": base64.b64encode(_bytes(part)).decode("ascii"),
        }
        title = description["name"] or mail.title
        yield Candidate(f"{mail.key}#{number}", data, title=title, published_at=mail.published_at)


def _message_id(message: Message) -> str:
    """Without angle brackets and comments."""
    raw = _header(message, "Message-ID")
    match = _MESSAGE_ID.search(raw)
    return (match[1] if match else raw).strip()


def _header(message: Message, name: str) -> str:
    """A header as text on one line; blank if there is none."""
    return " ".join(_words(message.get(name) or "").split())


def _words(raw: Any) -> str:
    """A text with its encoded words decoded, and what is no text in it replaced."""
    try:
        text = str(make_header(decode_header(raw)))
    except (LookupError, ValueError):  # An encoding that nobody knows, or that does not fit.
        text = str(raw)
    return text.encode("utf-8", "replace").decode("utf-8")


def _instant(date: str, zone: ZoneInfo) -> tuple[int | None, str]:
    """Milliseconds UTC, and what is wrong with the date."""
    if not date:
        return None, "no date"
    try:
        instant = parsedate_to_datetime(date)
        if instant.tzinfo is None:
            # RFC 5322: -0000 is UTC whose zone is nobody's business.
            instant = instant.replace(tzinfo=UTC if "-0000" in date else zone)
        return round(instant.timestamp() * 1000), ""
    except (ValueError, OverflowError, IndexError, TypeError):
        return None, f"the date {date!r:.60}, which is none"


def _leaves(part: Message) -> Iterator[Message]:
    """The parts that have content; an attached mail is one of them."""
    if part.get_content_maintype() == "multipart" and isinstance(parts := part.get_payload(), list):
        for inner in parts:
            if isinstance(inner, Message):
                yield from _leaves(inner)
    else:
        yield part


def _attachments(message: Message) -> Iterator[Message]:
    return (part for part in _leaves(message) if part is not message and _is_attachment(part))


def _is_attachment(part: Message) -> bool:
    is_named = part.get_filename() is not None
    return (
        is_named or part.get_content_disposition() == "attachment" or part.get_content_maintype() == "message"
    )


def _description(part: Message) -> dict[str, Any]:
    content = _bytes(part)
    return {
        "name": _words(part.get_filename() or ""),
        "type": part.get_content_type(),
        "bytes": len(content),
        "sha256": sha256(content).hexdigest(),
    }


def _bytes(part: Message) -> bytes:
    if part.get_content_maintype() == "message" and isinstance(inner := part.get_payload(), list):
        return b"\n".join(mail.as_bytes() for mail in inner if isinstance(mail, Message))
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _text(message: Message, type_: str) -> str:
    """The parts of a type that are not attached, one below the other."""
    parts = (part for part in _leaves(message) if part.get_content_type() == type_)
    return "\n".join(_decoded(part) for part in parts if part is message or not _is_attachment(part))


def _decoded(part: Message) -> str:
    content = _bytes(part)
    try:
        return content.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return content.decode("utf-8", "replace")
