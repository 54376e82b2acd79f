"""`transcript`: the cues of captions and their text, from WebVTT, SRT or plain text.

It takes no parameters. A cue is one caption with its times; plain text has none.
"""

import html
import re
from dataclasses import dataclass, field
from typing import Any, Final

from assets.discovery.contract import Skip, Work
from assets.discovery.stage_input import Document, document_of, own_text
from assets.failures import PermanentFailure

HANDLER_VERSION = 1

_TIME: Final = r"(?:([0-9]{1,6}):)?([0-5]?[0-9]):([0-5]?[0-9])[.,]([0-9]{3})"
_TIMING: Final = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_ARROW: Final = "-->"
_TAG: Final = re.compile(r"</?[A-Za-z0-9][^<>]*>|\{\\[^{}]*\}")
"""Voices, styles and times within a caption; `{\\an8}` is where some programs put one on the screen."""
_NEWLINE: Final = re.compile(r"\r\n|\r")
_OTHER_FORMATS: Final = ("html", "json", "xml")


@dataclass(slots=True)
class _Cue:
    start_ms: int
    end_ms: int
    lines: list[str] = field(default_factory=list)


def handle(work: Work) -> dict[str, Any] | Skip:
    """Give `format` (vtt, srt or text), `cues` with `start_ms`, `end_ms` and `text`, `text`, and `n_broken`.

    `text` has a line for each cue; `n_broken` counts the cues left out because their times cannot be read.
    Skips an item without transcript, or with one that says nothing.

    Raises:
        PermanentFailure: it is in another format, or no cue has times that can be read.
    """
    document = document_of(work) or Document("", own_text(work.data, ("transcript", "text")) or "")
    text = _NEWLINE.sub("\n", document.body).removeprefix("\ufeff")
    if not text.strip():
        return Skip("there is no transcript")
    form = _format(text)
    if form == "text":
        _refuse_other_formats(work, document.type)
        return {"format": form, "cues": [], "text": text.strip(), "n_broken": 0}
    read, n_broken = _read_cues(text)
    cues = [_payload(cue, form) for cue in read]
    if n_broken and not cues:
        raise PermanentFailure(
            f"the transcript of {work.key} has no cue whose times can be read, and {n_broken} without; "
            "write them like 00:00:01.000 --> 00:00:02.500"
        )
    spoken = [cue for cue in cues if cue["text"]]
    if not spoken:
        return Skip("the transcript says nothing")
    if n_broken:
        work.log(f"cues left out because their times cannot be read: {n_broken}", key=work.key)
    return {
        "format": form,
        "cues": spoken,
        "text": "\n".join(cue["text"] for cue in spoken),
        "n_broken": n_broken,
    }


def _format(text: str) -> str:
    """What the text is, by what is in it: types of hosts are often wrong here."""
    if re.match(r"WEBVTT(?=\s|$)", text):
        return "vtt"
    return "srt" if any(_TIMING.fullmatch(line) for line in text.split("\n")) else "text"


def _refuse_other_formats(work: Work, kind: str) -> None:
    if kind.endswith(_OTHER_FORMATS):
        raise PermanentFailure(
            f"the transcript of {work.key} is {kind}; give one in WebVTT, SRT or plain text"
        )


def _read_cues(text: str) -> tuple[list[_Cue], int]:
    """The cues in their order, and how many are broken. One ends at a blank line or where another begins."""
    cues: list[_Cue] = []
    n_broken = 0
    current: _Cue | None = None
    for line in text.split("\n"):
        if _ARROW in line:
            if current is not None and current.lines and current.lines[-1].strip().isdigit():
                current.lines.pop()  # The number of this cue, where the blank line before it got lost.
            current = _begun(line)
            if current is None:
                n_broken += 1
            else:
                cues.append(current)
        elif not line.strip():
            current = None
        elif current is not None:
            current.lines.append(line)
    return cues, n_broken


def _begun(line: str) -> _Cue | None:
    """The cue that this line begins; none if its times cannot be read, or it ends before it begins."""
    timing = _TIMING.fullmatch(line)
    if timing is None:
        return None
    start, end = _milliseconds(*timing.groups()[:4]), _milliseconds(*timing.groups()[4:])
    return _Cue(start, end) if start <= end else None


def _milliseconds(hours: str | None, minutes: str, seconds: str, thousandths: str) -> int:
    return ((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(thousandths)


def _payload(cue: _Cue, form: str) -> dict[str, Any]:
    plain = _TAG.sub("", " ".join(cue.lines))
    if form == "vtt":
        plain = html.unescape(plain)
    return {"start_ms": cue.start_ms, "end_ms": cue.end_ms, "text": " ".join(plain.split())}
