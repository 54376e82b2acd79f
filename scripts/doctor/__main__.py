"""The command line: options, exit codes, and which probes there are.

Exit code 0: nothing is wrong, warnings allowed; 1: there is a problem; 2: wrong usage, unknown deployment.
"""

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from typing import Final

from resources.deployments import DEPLOYMENTS, RESOURCES, resources_for
from scripts.doctor import buckets, engines, hosts, ledgers, services, view, warehouses
from scripts.doctor.findings import Finding, ok, problem, sentence_of, warning
from scripts.doctor.installation import PIPELINES, Installation, needs_of
from scripts.doctor.instance import instance
from scripts.doctor.machine import folder, python_and_packages
from scripts.doctor.pipelines import settings
from scripts.doctor.probing import Probe, examine
from scripts.terminal import output
from scripts.terminal.answers import DONE, FAILED

_SECONDS: Final = 10.0
_LOCATION: Final = "code location"
_PATIENCE: Final = {"spark": 3.0}
"""By resource: a Java takes 10 s to start on a busy machine."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine, print, and return the exit code. Wrong usage ends in `SystemExit`, with 2."""
    options = _options(arguments)
    with _answer_alone_on_stdout():
        findings, has_ended = _examined(options)
    findings = [view.without_what_is_secret(finding) for finding in findings]
    output.print_answer(view.document(findings), view.view(findings), as_json=options.json)
    code = FAILED if any(finding.state == "problem" for finding in findings) else DONE
    if not has_ended and __name__ == "__main__":
        # A client that was left behind may hold the process for minutes.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.doctor",
        description="What of a deployment is configured, reachable and writable, and what to do.",
        epilog="It takes away what it writes, and sends nothing unless that is asked for.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--deployment", choices=DEPLOYMENTS, help="default: QUINTET_DEPLOYMENT, and local if that is not set"
    )
    parser.add_argument(
        "--pipeline", choices=PIPELINES, action="append", help="look at this one only; may be repeated"
    )
    parser.add_argument(
        "--timeout", type=_seconds, default=_SECONDS, metavar="SECONDS", help="for each look (default: 10)"
    )
    parser.add_argument("--send-test-alert", action="store_true", help="send one alert")
    parser.add_argument("--json", action="store_true", help="print a JSON list of findings")
    options = parser.parse_args(arguments)
    options.deployment = options.deployment or os.environ.get("QUINTET_DEPLOYMENT", "").strip() or "local"
    if options.deployment not in DEPLOYMENTS:
        choices = ", ".join(DEPLOYMENTS)
        parser.error(
            f"QUINTET_DEPLOYMENT is {options.deployment!r}; choose one of {choices}, or leave it unset"
        )
    return options


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 3600:
        raise ValueError
    return seconds


def _examined(options: argparse.Namespace) -> tuple[list[Finding], bool]:
    findings = list(python_and_packages())
    chosen = tuple(options.pipeline or PIPELINES)
    installation, how = _installation(options.deployment, chosen)
    findings.append(how)
    if installation is None:
        return findings, True
    findings += folder("QUINTET_HOME", installation.home, absent=warning)
    found, has_ended = examine(list(_probes(installation, options)), options.timeout)
    return [*findings, *found], has_ended


def _installation(deployment: str, pipelines: Sequence[str]) -> tuple[Installation | None, Finding]:
    """The installation, and how its code loads. Without its assets every pipeline may need everything."""
    environ = dict(os.environ)
    try:
        resources = resources_for(deployment)
    except Exception as error:  # noqa: BLE001 - a client library that is missing is found, too.
        return None, problem("resources", sentence_of(error))
    needs = dict.fromkeys(PIPELINES, frozenset(RESOURCES))
    try:
        from definitions import build_defs

        made = build_defs(deployment=deployment, resource_overrides=resources)
        repository = made.get_repository_def()
    except Exception as error:  # noqa: BLE001 - whatever keeps the code from loading is what was found.
        return Installation(deployment, environ, resources, needs, pipelines), problem(
            _LOCATION, f"it does not load ({sentence_of(error)})"
        )
    assets, jobs = len(repository.asset_graph.get_all_asset_keys()), len(repository.get_all_jobs())
    how = ok(_LOCATION, f"deployment {deployment}, {assets} assets and {jobs} jobs load")
    return Installation(deployment, environ, resources, needs_of(made), pipelines), how


def _probes(installation: Installation, options: argparse.Namespace) -> Iterator[Probe]:
    yield Probe("Dagster instance", partial(instance, installation))
    for pipeline in installation.pipelines:
        yield Probe(f"{pipeline} settings", partial(settings, installation, pipeline))
    yield from buckets.probes(installation)
    yield from warehouses.probes(installation)
    looks = {
        "spark": engines.spark,
        "compute": engines.compute,
        "waves": services.waves,
        "compute_host": hosts.compute_host,
        "ledger": ledgers.ledgers,
        "http": services.http,
        "notifier": partial(services.notifier, send=options.send_test_alert),
    }
    for key, look in looks.items():
        if installation.is_needed(key):
            matter = installation.matter(key)
            yield Probe(matter, partial(look, matter, installation), _PATIENCE.get(key, 1.0))


@contextmanager
def _answer_alone_on_stdout() -> Iterator[None]:
    """What libraries print goes to standard error, and what they log nowhere: the findings say it."""
    logging.disable(logging.ERROR)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        logging.disable(logging.NOTSET)


if __name__ == "__main__":
    sys.exit(main())
