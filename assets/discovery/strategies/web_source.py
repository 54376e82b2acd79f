"""The documents that a strategy with a `url` reads: asked for as its job says, unchanged ones told apart.

A strategy opens its `source`, conditionally if it stores validators; a document that is not modified gives
the mark `source.unchanged(document)`, any other its candidates and a mark with `source.validators(document)`.

Not here: how a document is fetched and what can go wrong with that (the `http` resource), and what it says
(the strategies).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Final, Protocol, Self
from urllib.parse import SplitResult, urljoin, urlsplit

from assets.discovery.contract import Ask, Mark
from assets.discovery.credentials import shown, shown_config
from assets.discovery.keys import digest
from assets.discovery.strategies.params import WebOptions
from assets.discovery.web import Answer, failures_of_the_web
from assets.failures import PermanentFailure

_HOW: Final = frozenset(WebOptions.model_fields) - {"drop_params"}
"""The parameters that say how to read, not what."""
_NO_SECRETS: Final = frozenset({"accept", "accept-language", "user-agent"})
_QUESTION: Final = "question"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Document(Answer, Protocol):
    """What was read, all of it here: 2xx, or 304 to a conditional request. `with` lets go of it."""

    @property
    def url(self) -> str:
        """Where it came from in the end: what relative links in it are meant from."""
        ...

    @property
    def status(self) -> int:
        """The status of the answer."""
        ...

    @property
    def file(self) -> IO[bytes]:
        """The body from its first byte, for what need not be in memory as a whole."""
        ...

    @property
    def validators(self) -> dict[str, str]:
        """What asks whether it has changed."""
        ...

    @property
    def not_modified(self) -> bool:
        """Whether it is as it was, and has no body."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class WebSource:
    """The source of one discovery: the `url` of its job, and what that leads to."""

    ask: Ask
    params: WebOptions
    url: str

    @property
    def shown(self) -> str:
        """The source as people may see it."""
        return shown(self.url)

    def open(
        self,
        url: str | None = None,
        *,
        conditional: bool = False,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        gunzip: bool = False,
    ) -> Document:
        """Read the job's `url`, or an absolute one that it led to.

        Only the former may be a file. The job's headers go to its own host alone, for they may be secrets; of
        `headers`, those that the job does not set itself. `conditional` lets the answer be 304, where the
        stored validators are of the same question (`validators`).

        Raises:
            PermanentFailure: it is not there, gone, empty, too large, or must not be read.
            TransientFailure, RateLimited, AuthFailure: as the host says.
        """
        wanted = self.url if url is None else url
        with failures_of_the_web():
            document: Document = self.ask.http.fetch(
                wanted,
                method=method,
                body=body,
                validators=self._stored() if conditional else {},
                gunzip=gunzip,
                allow_files=url is None,
                allow_private=self.params.allow_private,
                robots=self.params.robots,
                headers=self._headers(wanted, headers or {}),
                timeout_s=self.params.timeout_s,
                max_bytes=self.params.max_bytes,
            )
        return document

    def validators(self, document: Document) -> dict[str, str]:
        """What to store of a document, for the same question only.

        A job whose url or params were edited asks anew, though the host may say that nothing has changed.
        """
        return {**document.validators, _QUESTION: self._question()}

    @property
    def cursor(self) -> dict[str, Any]:
        """Where the last reading ended; empty if the job's url or params were edited since."""
        is_of_another = (self.ask.validators or {}).get(_QUESTION, self._question()) != self._question()
        return {} if is_of_another else dict(self.ask.cursor or {})

    def underway(self) -> dict[str, str]:
        """What to store with a cursor before the end: whose it is, and nothing that lets an answer be 304."""
        return {_QUESTION: self._question()}

    def unchanged(self, document: Document) -> Mark:
        """The mark of a document that is as it was: nothing read, the cursor kept."""
        return Mark(self.ask.cursor, self.validators(document))

    def unreadable(self, rule: str) -> PermanentFailure:
        """The failure of a body that is not what it should be; `rule` goes on after the URL."""
        return PermanentFailure(f"{self.shown} {rule}")

    def _stored(self) -> dict[str, Any]:
        stored = dict(self.ask.validators or {})
        return stored if stored.get(_QUESTION) == self._question() else {}

    def _question(self) -> str:
        asked = self.params.model_dump(mode="json", by_alias=True, exclude=set(_HOW))
        return digest(shown_config({**asked, "url": self.url}))[:16]

    def _headers(self, url: str, own: Mapping[str, str]) -> dict[str, str]:
        """The job's headers, as far as they go there, and those of `own` that the job does not set."""
        is_home = _same_host(self.url, url)
        sent = {n: v for n, v in self.params.headers.items() if is_home or n.lower() in _NO_SECRETS}
        set_by_job = {name.lower() for name in self.params.headers}
        return {name: value for name, value in own.items() if name.lower() not in set_by_job} | sent


def json_of(document: Document) -> Any:
    """The JSON value that a document is.

    Raises:
        ValueError: it is none; the text goes on after its name.
    """
    try:
        return json.loads(document.body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"answered what is no JSON ({error}); correct url in the job") from None


def absolute_url(base: str, link: str) -> str | None:
    """A link of a document as an absolute URL; none for what is none."""
    try:
        url = urljoin(base, link.strip())
        return url if urlsplit(url).scheme else None
    except ValueError:
        return None


def _same_host(home: str, url: str) -> bool:
    """Whether both are of one scheme, host and port, or the second is the first by TLS."""
    if home == url:
        return True
    try:
        one, other = urlsplit(home), urlsplit(url)
        turns_to_tls = (one.scheme, other.scheme, one.port, other.port) == ("http", "https", None, None)
        return one.hostname == other.hostname and (turns_to_tls or _place(one) == _place(other))
    except ValueError:
        return False


def _place(parts: SplitResult) -> tuple[str, int | None]:
    return parts.scheme, parts.port or _DEFAULT_PORTS.get(parts.scheme)
