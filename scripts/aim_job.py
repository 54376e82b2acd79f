"""The command line of aim: nine stages, or some of them, for one run date.

Exit codes: 0 done, 1 work failed, 2 wrong usage or configuration (then nothing is written). It runs the
stages of the assets without Dagster's instance: a rehearsal leaves nothing on the machine but its own folder.
"""

import argparse
import logging
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from types import FrameType
from typing import Final
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from assets.aim.configuration import ConfigurationError, check_cloud
from assets.aim.job_book import JobBook
from assets.aim.job_files import JOB_STATUS, JobStatus
from assets.aim.partitions import FIRST_RUN_DATE, ZONE
from assets.aim.run_ids import new_run_id
from assets.aim.settings import Settings
from assets.aim.stages.order import STAGES, is_interrupt, perform_all, sentence_of
from assets.aim.stages.outcomes import Outcome
from assets.aim.stages.places import Folder
from assets.aim.stages.run import Run
from assets.aim.stages.sites import BUCKET, WAREHOUSE_FILE, Site, Sources, site_of
from resources.object_store import FolderObjectStore, ObjectStore, StoreBusy, exclusive_folder
from resources.warehouse import DuckDBWarehouse, Warehouse
from resources.waves import EmbeddedWaves, HttpWaves, Waves

PROGRAM: Final = "aim-job/main.py"

_log = logging.getLogger("quintet.aim")


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> int:
    """Carry out one command line and return its exit code."""
    options = _parser().parse_args(arguments)
    stages = options.stage or list(STAGES)
    flags = {"AIM_RUN_MODE": options.run_mode} if options.run_mode else {}
    with _lines_shown(), _interruptible(), ExitStack() as held:
        try:
            sources = Sources(environment, _dotenv(), flags)
            run = _prepared(sources, options.run_date, stages, held)
        except ConfigurationError as wrong:
            return _ended(2, wrong)
        except (Exception, KeyboardInterrupt) as failure:  # noqa: BLE001 (it is told, with its place if need be)
            return _ended(1, failure)
        return _carried_out(run, stages)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Make and publish tyre recommendations. Settings: the environment, see docs/aim.md.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--stage",
        type=_stage,
        action="append",
        metavar="N",
        help="a stage, 1 to 9 (repeatable; default: all)",
    )
    parser.add_argument("--run-mode", metavar="MODE", help="GLOBAL or PER_SEGMENT, before AIM_RUN_MODE")
    parser.add_argument(
        "--run-date", type=_run_date, default=None, metavar="YYYY-MM-DD", help="default: today in London"
    )
    return parser


def _stage(text: str) -> int:
    if text not in map(str, STAGES):
        raise argparse.ArgumentTypeError(f"{text!r} is no stage; give a number from 1 to {max(STAGES)}")
    return int(text)


def _run_date(text: str) -> date:
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            raise ValueError
        day = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; give one such as 2025-06-10") from None
    if day < date.fromisoformat(FIRST_RUN_DATE):
        raise argparse.ArgumentTypeError(f"{text} is before {FIRST_RUN_DATE}, the first run date")
    return day


def _dotenv() -> str | None:
    """The `.env` of the working directory, which fills variables that are not set."""
    path = Path(".env")
    try:
        return path.read_text("utf-8") if path.is_file() else None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path.absolute()} cannot be read ({error}); save it as UTF-8, or remove it"
        ) from None


def _prepared(sources: Sources, run_date: date | None, stages: Sequence[int], held: ExitStack) -> Run:
    """The run, its book opened; what it must hold until it ends is held."""
    settings = sources.read().settings
    store, warehouse, waves = _local(settings, held) if settings.mode == "local" else _cloud(settings, stages)
    site = site_of(sources, store, warehouse)
    started = datetime.now(UTC)
    run_id = new_run_id(started)
    book = JobBook.open(
        run_id,
        mode=site.mode,
        dry_run=site.configuration.settings.dry_run,
        files=site.places.files,
        now=lambda: datetime.now(UTC),
        # The lock on the folder knows better than a heartbeat whether another run lives.
        is_alone=settings.mode == "local",
    )
    _say_settings(site, run_id)
    return Run(
        configuration=site.configuration,
        run_date=run_date or started.astimezone(ZoneInfo(ZONE)).date(),
        run_id=run_id,
        started=started,
        places=site.places,
        warehouse=site.warehouse,
        waves=waves,
        book=book,
        log=_log,
    )


def _local(settings: Settings, held: ExitStack) -> tuple[ObjectStore, Warehouse, Waves]:
    root = Path(settings.local_root).absolute()
    if not root.is_dir():
        raise ConfigurationError(
            f"AIM_LOCAL_ROOT: {root} is no folder; make it, with the inputs in it, or name another"
        )
    store = FolderObjectStore(root=str(root))
    try:
        held.enter_context(exclusive_folder(root))
    except StoreBusy as busy:
        raise StoreBusy(f"{_running(store)}{busy}") from None
    return (
        store,
        DuckDBWarehouse(path=str(root / WAREHOUSE_FILE)),
        _http_waves(settings, google_identity=False) if settings.waves_url else EmbeddedWaves(),
    )


def _running(store: ObjectStore) -> str:
    """The name of the run that holds the folder, as far as it has told."""
    status = JobStatus.stored(Folder(store, BUCKET).read(JOB_STATUS))
    return f"Run {status.run_id} is at work: " if status and status.state == "running" else ""


def _cloud(settings: Settings, stages: Sequence[int]) -> tuple[ObjectStore, Warehouse, Waves]:
    check_cloud(settings, stages)
    from resources.object_store.gcs import GCSObjectStore
    from resources.warehouse.bigquery import BigQueryWarehouse

    warehouse = BigQueryWarehouse(project=settings.project_id)
    return GCSObjectStore(), warehouse, _http_waves(settings, google_identity=True)


def _http_waves(settings: Settings, *, google_identity: bool) -> Waves:
    password = settings.service_password.get_secret_value() if settings.service_password else None
    return HttpWaves(url=settings.waves_url, password=password, google_identity=google_identity)


def _say_settings(site: Site, run_id: str) -> None:
    _log.info("Run %s on %s", run_id, site.places.files.shown(JOB_STATUS).removesuffix(f"/{JOB_STATUS}"))
    for name, (value, origin) in site.configuration.effective().items():
        _log.info("  %s=%s (%s)", name, value, origin)
    for warning in site.configuration.warnings:
        _log.warning("%s", warning)


def _carried_out(run: Run, stages: Sequence[int]) -> int:
    began = time.monotonic()

    def done(number: int, outcome: Outcome) -> None:
        nonlocal began
        now = time.monotonic()
        detail = f", {outcome.line}" if outcome.line else ""
        _log.info("%s: %s rows in %.1f s%s", STAGES[number].name, f"{outcome.rows:,}", now - began, detail)
        began = now

    try:
        perform_all(run, stages, done)
    except (Exception, KeyboardInterrupt) as failure:  # noqa: BLE001 (as above)
        return _ended(1, failure)
    return 0


def _ended(code: int, failure: BaseException) -> int:
    """Say in one sentence what went wrong; a defect of ours also shows where."""
    is_ours = type(failure).__module__.startswith(("assets.", "resources."))
    if not (is_ours or isinstance(failure, OSError) or is_interrupt(failure)):
        traceback.print_exception(failure)
    print(f"{PROGRAM}: {sentence_of(failure)}", file=sys.stderr)
    return code


@contextmanager
def _interruptible() -> Iterator[None]:
    """A schedule that stops the job gets an orderly end: the book says so."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _lines_shown() -> Iterator[None]:
    """Show what runs say: warnings on standard error, the rest on standard output, a bar on a terminal."""
    bar = Progress(
        TextColumn("batches"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True, soft_wrap=True),
        disable=not sys.stderr.isatty(),
        # Lines that go elsewhere than the bar, into a file say, must not be drawn above it instead.
        redirect_stdout=sys.stdout.isatty(),
    )
    lines = _Lines(bar)
    root, level = logging.getLogger(), _log.level
    with bar:
        errors = logging.StreamHandler(sys.stderr)  # Of the bar, which keeps itself below the lines.
        errors.setLevel(logging.WARNING)
        errors.setFormatter(logging.Formatter("warning: %(message)s"))
        root.addHandler(errors)
        _log.addHandler(lines)
        _log.setLevel(logging.INFO)
        try:
            yield
        finally:
            root.removeHandler(errors)
            _log.removeHandler(lines)
            _log.setLevel(level)


class _Lines(logging.Handler):
    """Prints lines below the level of a warning; one that counts batches moves the bar."""

    def __init__(self, bar: Progress) -> None:
        super().__init__()
        self._bar = bar
        self._task = bar.add_task("batches", total=None, visible=False)

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            return
        text = record.getMessage()
        try:
            print(text, flush=True)
        except BrokenPipeError:
            # Whoever read the lines has gone (`| head`); the run goes on, and says them to nobody.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if counted := re.match(r"Processing batch (\d+)/(\d+)", text):
            finished, batches = map(int, counted.groups())
            self._bar.update(self._task, completed=finished, total=batches, visible=True)


if __name__ == "__main__":
    sys.exit(main())
