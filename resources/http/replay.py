"""Answers from a folder of recorded ones, without a network.

`FOLDER/index.jsonl` has one JSON object a line: `url`, and as far as they differ from the usual ones `method`
(GET), `status` (200), `headers` (none) and `file` (no body), a path inside the folder. The bodies are what
came over the wire: with a `Content-Encoding` in `headers` they are unpacked.

Everything behind the transport is the real client: redirects, statuses, caps. There is no robots.txt, no
check of addresses, and no file but those of the folder.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import TypeAlias

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resources.http.base import Web
from resources.http.bodies import pieces_of
from resources.http.client import Client, Clock, utc_now
from resources.http.errors import NotRecorded, RecordingBroken, RequestRefused
from resources.http.files import local_path
from resources.http.shown import shown
from resources.http.values import Request, Response

INDEX = "index.jsonl"

Canonical: TypeAlias = Callable[[str], str]
"""Gives URLs that mean the same the same text; raises `ValueError` for what is no URL."""


class Replay(Web):
    """Answers every request from `folder`; requests match by method and canonical URL.

    Several lines for one URL are served in order, the last one for ever; a new object begins anew. Raises
    `RecordingBroken`, naming the line, if the index or a file that it names cannot be used.
    """

    def __init__(self, folder: str | Path, canonical: Canonical, now: Clock = utc_now) -> None:
        self._transport = _Recorded(Path(folder), canonical)
        self._client = Client(lambda _: self._transport, agent="Quintet", now=now)

    def answer(self, request: Request) -> Response:
        """What is recorded for a request; raises `NotRecorded`, naming its URL, if nothing is."""
        if local_path(request.url) is not None:
            raise self._transport.nothing_for(request.method, request.url)
        return self._client.answer(request)


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    url: str
    method: str = "GET"
    status: int = Field(default=200, ge=100, le=599)
    headers: dict[str, str] = {}
    file: str | None = None


class _Recorded(httpx.BaseTransport):
    def __init__(self, folder: Path, canonical: Canonical) -> None:
        self._folder = folder
        self._canonical = canonical
        self._lines: dict[tuple[str, str], list[_Line]] = defaultdict(list)
        self._served: dict[tuple[str, str], int] = defaultdict(int)
        self._lock = Lock()
        for number, text in enumerate(_read(folder / INDEX).splitlines(), start=1):
            if text.strip():
                self._add(text, f"{folder / INDEX}, line {number},")

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The next answer that is recorded for this method and URL."""
        url = str(request.url)
        try:
            key = request.method, self._canonical(url)
        except ValueError:
            raise RequestRefused(f"{shown(url)} is no URL that can be asked for; correct it.") from None
        if key not in self._lines:
            raise self.nothing_for(request.method, url)
        with self._lock:
            lines, served = self._lines[key], self._served[key]
            self._served[key] = served + 1
        line = lines[min(served, len(lines) - 1)]
        body = _Body(self._folder / line.file if line.file else None)
        return httpx.Response(line.status, headers=line.headers, stream=body)

    def nothing_for(self, method: str, url: str) -> NotRecorded:
        """The error about a request without a line."""
        return NotRecorded(f"{self._folder / INDEX} has no line for {method} {shown(url)}; record it there.")

    def _add(self, text: str, where: str) -> None:
        try:
            line = _Line.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(map(str, first["loc"]))
            raise RecordingBroken(f"{where} is wrong: {field or 'JSON'}: {first['msg']}.") from None
        if line.file is not None:
            path = (self._folder / line.file).resolve()
            if not path.is_relative_to(self._folder.resolve()) or not path.is_file():
                raise RecordingBroken(f"{where} names {line.file!r}, which is no file in that folder.")
        try:
            key = line.method.upper(), self._canonical(line.url)
        except ValueError:
            raise RecordingBroken(f"{where} has a url that is none: {shown(line.url)}.") from None
        self._lines[key].append(line)


class _Body(httpx.SyncByteStream):
    def __init__(self, path: Path | None) -> None:
        self._path = path

    def __iter__(self) -> Iterator[bytes]:
        if self._path is not None:
            with self._path.open("rb") as file:
                yield from pieces_of(file)


def _read(index: Path) -> str:
    try:
        return index.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise RecordingBroken(f"{index} cannot be read: {reason}.") from None
