"""The recommendation service, alerts, and who we are on the web."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import dagster as dg

from resources.http import CONTACT_VARIABLE, Http
from resources.notifier import NotificationFailed, Notifier, SnsNotifier, WebhookNotifier
from resources.notifier.webhook import URL_VARIABLE
from resources.waves import HttpWaves, Journal, Waves
from resources.waves.errors import IdentityUnavailable
from resources.waves.identity import google_identity_token
from resources.waves.service import Service, checked_url
from scripts.doctor.findings import Finding, ok, problem, sentence_of, warning
from scripts.doctor.installation import Installation

if TYPE_CHECKING:
    from httpx import URL

    from assets.discovery.job_model import Job

_UI: Final = "QUINTET_UI_URL"
_HEALTH: Final = "/health"
_SECONDS: Final = 5.0


def waves(matter: str, installation: Installation) -> Iterator[Finding]:
    """Log in as a run does, and ask the service how it is."""
    service = installation.resource("waves", Waves)
    if not isinstance(service, HttpWaves):
        yield ok(matter, "recommendations are made in this process")
        return
    url = service.url
    if url is None:
        yield problem(matter, "There is no Waves service to ask: set AIM_WAVES_URL to its address.")
        return
    address, token = checked_url(url), None
    if service.google_identity:
        try:
            token = google_identity_token(str(address))
        except IdentityUnavailable as error:
            yield warning(matter, sentence_of(error))
    reply = asyncio.run(_asked(service, address, token))
    if reply:
        remedy = "check AIM_WAVES_URL, and that the service runs"
        yield problem(matter, f"the service does not answer well: {reply}", remedy)
    else:
        login = "logged in, " if service.password else "no login (AIM_SERVICE_PASSWORD is not set), "
        yield ok(matter, f"{login}GET {_HEALTH} was answered")


async def _asked(waves: HttpWaves, address: "URL", token: str | None) -> str | None:
    """What is wrong with the answer; None if nothing is."""
    password = waves.password.get_value() if isinstance(waves.password, dg.EnvVar) else waves.password
    service = Service(
        address,
        Journal(),
        _SECONDS,
        password=password,
        token=(lambda: token) if token else None,
        sleep=_at_once,
    )
    async with service:
        return (await service.ask("GET", _HEALTH)).problem


async def _at_once(_: float) -> None:
    """The pause between two attempts: whoever asks a doctor does not want to wait."""


def notifier(matter: str, installation: Installation, *, send: bool) -> Iterator[Finding]:
    """Whether there is somebody to tell. Nothing is sent unless that was asked for."""
    alerts = installation.resource("notifier", Notifier)
    missing = f"there is no webhook to notify: set {URL_VARIABLE} to its URL"
    if isinstance(alerts, WebhookNotifier) and not alerts.url:
        if installation.deployment == "aws":
            missing = f"{missing}, or QUINTET_SNS_TOPIC_ARN to a topic"
        yield problem(matter, missing)
        return
    if not installation.setting(_UI):
        yield ok(matter, f"alerts have no link to the failed run, since {_UI} is not set")
    if isinstance(alerts, SnsNotifier):
        yield from _topic(matter, alerts.topic_arn)
    elif isinstance(alerts, WebhookNotifier):
        yield ok(matter, f"the webhook of {URL_VARIABLE}, which was not asked")
    else:
        yield ok(matter, "alerts stay on this machine")
    if send:
        try:
            alerts.notify("Quintet: a test", "The doctor sent this to see whether alerts arrive.")
        except NotificationFailed as error:
            yield problem(matter, sentence_of(error))
        else:
            yield ok(matter, "a test alert was sent")


def _topic(matter: str, arn: str) -> Iterator[Finding]:
    """Whether the topic is there, as far as we may know that: to publish is another permission."""
    import boto3
    from botocore.exceptions import ClientError

    region = arn.split(":")[3] if arn.count(":") == 5 else None
    if not region:
        yield problem(
            matter, f"QUINTET_SNS_TOPIC_ARN is {arn!r}, which is not the ARN of a topic; correct it."
        )
        return
    try:
        boto3.client("sns", region_name=region).get_topic_attributes(TopicArn=arn)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code == "NotFound":
            yield problem(matter, f"there is no topic {arn}", "correct QUINTET_SNS_TOPIC_ARN")
        else:
            yield warning(matter, f"{arn} may not be looked at ({code})", "--send-test-alert tries it")
    else:
        yield ok(matter, f"{arn} is there")


def http(matter: str, installation: Installation) -> Iterator[Finding]:
    """Whether hosts are told whom to write to, without which nothing is asked of the web."""
    contact = (installation.resource("http", Http).contact or "").strip()
    if contact and contact.isascii() and contact.isprintable():
        yield ok(matter, f"hosts are told to write to {contact}")
        return
    if contact:
        yield problem(matter, f"{CONTACT_VARIABLE} cannot be sent in a header; use printable ASCII only.")
        return
    online = _online_jobs(installation)
    found = f"{CONTACT_VARIABLE} is not set, so nothing is asked of the web"
    remedy = f"set {CONTACT_VARIABLE} to a mail address or a page"
    if online:
        yield problem(matter, f"{found}; jobs that ask: {', '.join(online)}", remedy)
    else:
        yield ok(matter, f"{found}; no job asks")


def _online_jobs(installation: Installation) -> list[str]:
    """The enabled jobs that read from the web itself and not from recordings."""
    from assets.discovery.jobs_file import jobs_path
    from assets.discovery.roster import Roster
    from assets.discovery.strategies.params import WebOptions

    def is_online(job: "Job") -> bool:
        params = job.discovery.params
        if not job.enabled or job.replay is not None or not isinstance(params, WebOptions):
            return False
        # `releases` without an address asks the registry; any other address is a file.
        url: str | None = getattr(params, "url", None)
        return url is None or url.startswith(("http://", "https://"))

    return [job.name for job in Roster.load(jobs_path(installation.environ)).jobs if is_online(job)]
