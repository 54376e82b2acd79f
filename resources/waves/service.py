"""Talking to Waves over HTTP: the login, the token, redirects, retries, and a count of every request.

Nothing secret leaves this module but to the host that was configured: no exception is raised with a client's
exception behind it, which holds headers, and httpcore's log of response headers is kept back. Not here: what
the service is asked, and what its answers mean (`remote`).
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self, TypeAlias, cast

import httpx
from tenacity import AsyncRetrying, Future, RetryCallState, retry_if_result, stop_after_attempt

from resources.waves.errors import IdentityUnavailable, WavesMisconfigured, WavesRefused, WavesUnavailable
from resources.waves.journal import Journal

RETRIES = 3  # After pauses of 1, 2 and 4 s.
REFRESHES = 2
LONGEST_PAUSE = 60.0
MOST_REDIRECTS = 10
CONNECT_SECONDS = 30.0  # A request may take 15 minutes to answer; a host that is there is found sooner.

TokenProvider: TypeAlias = Callable[[], str]
"""Gives an identity token for the service, or raises `IdentityUnavailable`."""

Sleep: TypeAlias = Callable[[float], Awaitable[None]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a request: a result, since an exception of httpx would carry headers.

    `status` is None if no whole answer came. `problem` says without a full stop what went wrong; it is None
    for 200 only. `pause` is what the server asks for, in seconds.
    """

    status: int | None
    content: bytes = b""
    problem: str | None = None
    pause: float = 0.0
    sets_cookie: bool = False

    @property
    def may_be_repeated(self) -> bool:
        """Whether the same request may succeed in a moment."""
        return self.status is None or self.status == 429 or 500 <= self.status <= 599


class Service:
    """One conversation: `async with` logs in, and raises what `errors` lists; from then on nothing raises."""

    def __init__(
        self,
        address: httpx.URL,
        journal: Journal,
        timeout_s: float,
        *,
        password: str | None = None,
        token: TokenProvider | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._address = address
        self._journal = journal
        self._timeout_s = timeout_s
        self._password = password
        self._token = token
        self._sleep = sleep
        self._authorization: dict[str, str] = {}
        self._logins = 0
        self._login_lock = asyncio.Lock()
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(None, connect=min(CONNECT_SECONDS, timeout_s)),
            limits=httpx.Limits(max_connections=None),
        )

    async def __aenter__(self) -> Self:
        try:
            reply = await self._patiently(self._log_in)
            if reply.problem and reply.may_be_repeated:
                raise WavesUnavailable(f"Waves cannot be used: {reply.problem}; try again later.")
            if reply.problem:
                raise WavesRefused(
                    f"Waves cannot be used: {reply.problem}; check AIM_WAVES_URL and AIM_SERVICE_PASSWORD."
                )
        except BaseException:
            await self._client.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def ask(self, method: str, path: str, **content: Any) -> Reply:
        """Send a request as often as the policy allows; `content` is for httpx (params, content, headers).

        A 401 is answered with a new login and token, 2 times, which takes no attempt. No answer, 429 and 5xx
        are tried again 3 times.
        """
        refreshes = 0

        async def attempt() -> Reply:
            nonlocal refreshes
            while True:
                logins = self._logins
                reply = await self._send(method, path, **content)
                if reply.status != 401 or refreshes == REFRESHES:
                    return reply
                refreshes += 1
                renewal = await self._renew(logins)
                if renewal.problem:
                    # With a status that is not tried again: a login that fails fails the request.
                    return Reply(401, problem=f"{reply.problem}, and {renewal.problem}")

        return await self._patiently(attempt)

    async def _patiently(self, attempt: Callable[[], Awaitable[Reply]]) -> Reply:
        repeated = AsyncRetrying(
            retry=retry_if_result(lambda reply: reply.may_be_repeated),
            stop=stop_after_attempt(1 + RETRIES),
            wait=_pause,
            sleep=self._sleep,
            retry_error_callback=_give_up,
        )
        return await repeated(attempt)

    async def _renew(self, logins: int) -> Reply:
        """Log in again, unless another request has done so since this one was sent."""
        async with self._login_lock:
            return await self._log_in() if self._logins == logins else Reply(200)

    async def _log_in(self) -> Reply:
        await self._fetch_token()
        reply = Reply(200)
        if self._password is not None:
            form = {"password": self._password}
            reply = await self._send("POST", "/login", data=form, has_secret_body=True)
            if not reply.problem and not reply.sets_cookie:
                reply = replace(reply, problem="POST /login set no cookie")
        if not reply.problem:
            self._logins += 1
        return reply

    async def _fetch_token(self) -> None:
        if self._token is None:
            return
        try:
            self._authorization = {"Authorization": f"Bearer {await asyncio.to_thread(self._token)}"}
        except IdentityUnavailable as error:
            self._authorization = {}
            _log.warning("%s Waves is asked without an identity token.", error)

    async def _send(self, method: str, path: str, *, has_secret_body: bool = False, **content: Any) -> Reply:
        headers = {**self._authorization, **content.pop("headers", {})}
        request = self._client.build_request(method, f"{self._address}{path}", headers=headers, **content)
        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await self._follow(request, has_secret_body)
        except TimeoutError:
            reply = Reply(None, problem=f"was not answered within {self._timeout_s:g} s")
        except httpx.RequestError as error:
            reply = Reply(None, problem=f"got no whole answer ({type(error).__name__})")
        return replace(reply, problem=f"{method} {path} {reply.problem}") if reply.problem else reply

    async def _follow(
        self, request: httpx.Request, has_secret_body: bool, redirects_left: int = MOST_REDIRECTS
    ) -> Reply:
        """Send a request and follow redirects. What is secret stays with our host."""
        response = await self._exchange(request)
        following = response.next_request
        if following is None:
            reply = _reply(response)
        elif not redirects_left:
            reply = Reply(response.status_code, problem=f"was sent on more than {MOST_REDIRECTS} times")
        elif self._is_ours(following.url):
            reply = await self._follow(following, has_secret_body, redirects_left - 1)
        elif has_secret_body and following.method == "POST":
            reply = Reply(response.status_code, problem="was sent on to another host")
        else:
            # httpx has taken out Authorization, but its jar gives cookies to other ports and to subdomains.
            following.headers.pop("Cookie", None)
            reply = await self._follow(following, has_secret_body, redirects_left - 1)
        sets_cookie = self._is_ours(request.url) and bool(response.cookies)
        return replace(reply, sets_cookie=reply.sets_cookie or sets_cookie)

    def _is_ours(self, url: httpx.URL) -> bool:
        """Whether a URL is of our host and port, or of our host once it asks for TLS, both on usual ports."""
        ours = self._address
        turns_to_tls = (ours.scheme, url.scheme, ours.port, url.port) == ("http", "https", None, None)
        return url.host == ours.host and (turns_to_tls or (url.scheme, url.port) == (ours.scheme, ours.port))

    async def _exchange(self, request: httpx.Request) -> httpx.Response:
        status = None
        unlogged = _exchanging.set(True)
        try:
            response = await self._client.send(request)
            status = response.status_code
            return response
        finally:
            _exchanging.reset(unlogged)
            self._journal.requests[request.method, request.url.path, status] += 1


# httpcore logs the headers of every response at level DEBUG, and among them the session cookie.
_exchanging: ContextVar[bool] = ContextVar("exchanging", default=False)
logging.getLogger("httpcore.http11").addFilter(lambda _: not _exchanging.get())


def checked_url(url: str) -> httpx.URL:
    """The address of the service, without a slash at its end; raises `WavesMisconfigured`."""
    try:
        parsed = httpx.URL(url.strip().rstrip("/"))
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.fragment:
        raise WavesMisconfigured(
            "AIM_WAVES_URL is no http or https address of a host, with or without a path."
        )
    if parsed.userinfo:
        raise WavesMisconfigured("AIM_WAVES_URL holds a user or password; give AIM_SERVICE_PASSWORD instead.")
    return parsed


def _reply(response: httpx.Response) -> Reply:
    status = response.status_code
    problem = None if status == 200 else f"answered {status}"
    return Reply(status, response.content, problem, _asked_pause(response))


def _asked_pause(response: httpx.Response) -> float:
    """The pause that the server asks for, in seconds; it may give a number or a date."""
    asked = response.headers.get("Retry-After", "").strip()
    if response.status_code not in (429, 503):
        return 0.0
    if re.fullmatch(r"[0-9]+", asked):
        return min(float(asked), LONGEST_PAUSE)
    try:
        date = parsedate_to_datetime(asked)
    except ValueError:
        return 0.0
    # A date of HTTP is in UTC, said or not.
    seconds = (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_PAUSE)


def _outcome(state: RetryCallState) -> Reply:
    return cast("Future", state.outcome).result()  # tenacity asks after an attempt only.


def _pause(state: RetryCallState) -> float:
    return max(2.0 ** (state.attempt_number - 1), _outcome(state).pause)


def _give_up(state: RetryCallState) -> Reply:
    reply = _outcome(state)
    return replace(reply, problem=f"{reply.problem}, also after {RETRIES} retries")
