"""The web UI as a person uses it: `make dev` started, a headless Chromium on its pages, `make dev` stopped.

What the tests of the UI and the pictures in the documents share. Where a page would have to be read, the
server is asked instead: which runs there are, and how they ended.

Not here: inputs to work on (`ui_samples`), what must hold (`tests/ui`), which pictures (`screenshots`).
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from playwright.sync_api import Browser, Error, Locator, Response, expect, sync_playwright

from scripts.dagster_home import ROOT
from scripts.dev import LOOPBACK, any_free_port
from scripts.web_server import LOADED, PATIENCE_S, ask, shown_locations

SIZE: Final = (1280, 800)
INSTALL: Final = "Chromium is not installed: apt-get install chromium"
RUN_PATIENCE_S: Final = 900.0

T = TypeVar("T")

_KEPT_VARIABLES: Final = ("PATH", "HOME", "LANG", "TMPDIR", "JAVA_HOME")
_CHROMIUM_FLAGS: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_RUN: Final = """query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"""
_BACKFILL: Final = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status } } }"""
_SENSOR_RUNS: Final = """query($tags: [ExecutionTag!]) { runsOrError(filter: {tags: $tags}) {
    ... on Runs { results { status jobName tags { key value } } } } }"""
_SENSORS: Final = "/locations/quintet/sensors"
_PARTITION_STATUSES: Final = ("Failed", "Materialized", "Materializing", "Missing")
# Not the last of a row: until its state has come, the row has a box and no switch.
_SWITCH: Final = 1
_START: Final = re.compile(r"Start \d+ automations?")
_ENDS: Final = {"SUCCESS", "FAILURE", "CANCELED"}
_BACKFILL_ENDS: Final = {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "COMPLETED", "FAILED", "CANCELED"}


class UIFailed(Exception):
    """The UI did not start, or something that was waited for did not come."""


def chromium() -> Path | None:
    """Debian's Chromium, or another one on the path; None if there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    return Path(found) if found else None


@contextmanager
def served(home: Path) -> Iterator[str]:
    """Run `make dev` on a QUINTET_HOME for the block, its output in `dev.log` there; the address.

    Of the variables of this process it sees those that any program needs and none of a deployment.

    Raises:
        UIFailed: it ended, or did not show its code location in time; with its output.
    """
    address = f"http://{LOOPBACK}:{any_free_port()}"
    environ = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    command = [sys.executable, "-m", "scripts.dev", "--port", address.rpartition(":")[2]]
    home.mkdir(parents=True, exist_ok=True)
    log = home / "dev.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**environ, "QUINTET_HOME": str(home)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        with _explained(log):
            wait_until(lambda: _is_loaded(process, address), "the code location", PATIENCE_S)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _explained(log: Path) -> Iterator[None]:
    try:
        yield
    except UIFailed as failure:
        raise UIFailed(f"{failure}\n{log.read_text(errors='replace')}") from None


def _is_loaded(process: subprocess.Popen[bytes], address: str) -> bool:
    if process.poll() is not None:
        raise UIFailed(f"`make dev` ended with {process.returncode}.")
    shown = shown_locations(address)
    if shown and {*shown.values()} != {LOADED}:
        raise UIFailed(f"The code location does not load: {shown}")
    return shown is not None


def wait_until(condition: Callable[[], T | None], what: str, patience_s: float = RUN_PATIENCE_S) -> T:
    """Ask twice a second until the answer counts as true, and return it.

    Raises:
        UIFailed: it never did.
    """
    deadline = time.monotonic() + patience_s
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise UIFailed(f"{what} did not come in {patience_s:.0f} s; the last answer was {answer!r}.")
        time.sleep(0.5)
    return answer


@contextmanager
def browser(executable: Path) -> Iterator[Browser]:
    """A headless Chromium for the block; what is expected of its pages is waited for as long as pages are."""
    expect.set_options(timeout=PATIENCE_S * 1000)
    # Chromium refuses to sandbox what root runs.
    flags = [*_CHROMIUM_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable, args=flags)
        try:
            yield running
        finally:
            running.close()


class WebUI:
    """One page of the browser on a served UI.

    `problems` are errors of the page and of its console, refused requests, and GraphQL answers with errors.
    """

    def __init__(self, running: Browser, address: str) -> None:
        self.address = address
        self.page = running.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, timezone_id="UTC")
        self.page.set_default_timeout(PATIENCE_S * 1000)
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(f"page: {error}"))
        self.page.on(
            "console",
            lambda message: (
                self.problems.append(f"console: {message.text}") if message.type == "error" else None
            ),
        )
        self.page.on("response", self._judge)

    def _judge(self, response: Response) -> None:
        if response.status >= 400:
            self.problems.append(f"{response.status}: {response.url}")
        elif "/graphql" in response.url:
            with suppress(Error, ValueError):  # The answer to a page that has been left.
                if errors := response.json().get("errors"):
                    self.problems.append(f"{response.url}: {errors}")

    def open(self, path: str) -> None:
        """Go to a page."""
        self.page.goto(f"{self.address}{path}")

    def dialog(self) -> Locator:
        """The dialog on top."""
        return self.page.get_by_role("dialog").last

    # ---- launching ----

    def materialise(self, path: str) -> None:
        """On the page of an asset, group or job, press the button that materialises what it shows."""
        self.open(path)
        self.page.get_by_role("button", name=re.compile(r"\bMaterialize( all.*)?…?$")).click()

    def type_partitions(self, partitions: str, *, are_old: bool = False) -> None:
        """Choose partitions that are time windows, as `first` or `[first...last]`; old ones are hidden."""
        if are_old:
            self.dialog().get_by_text("Show all partitions").click()
        box = self.dialog().get_by_placeholder("ex: ")
        box.fill(partitions)
        box.press("Enter")

    def tick_partition(self, key: str) -> None:
        """Choose a partition of those that were added."""
        self.dialog().get_by_text("Select a partition or create one").click()
        self.page.get_by_title(key, exact=True).click()
        self.page.keyboard.press("Escape")

    def add_partition(self, key: str) -> None:
        """Add a partition, which chooses it."""
        self.dialog().get_by_text("Add a partition").click()
        adding = self.page.get_by_role("dialog").filter(has_text="Partition name")
        adding.get_by_role("textbox").fill(key)
        with self.page.expect_response(_operation("AddDynamicPartition")):
            adding.get_by_role("button", name="Save").click()
        adding.wait_for(state="detached")

    def launch_run(self) -> str:
        """Press the dialog's button for one run; the run's id."""
        return self._launched("Launch 1 run", "LaunchPipelineExecution")["run"]["id"]

    def launch_asset(self, path: str) -> str:
        """Materialise an asset without partitions, which asks nothing; the run's id."""
        with self.page.expect_response(_operation("LaunchPipelineExecution")) as waited:
            self.materialise(path)
        return _answer(waited.value)["run"]["id"]

    def launch_backfill(self) -> str:
        """Press the dialog's button for several partitions; the backfill's id."""
        return self._launched("Launch backfill", "LaunchPartitionBackfill")["backfillId"]

    def _launched(self, button: str, operation: str) -> dict[str, Any]:
        with self.page.expect_response(_operation(operation)) as waited:
            self.dialog().get_by_role("button", name=button).click()
        return _answer(waited.value)

    # ---- waiting ----

    def run_end(self, run_id: str) -> str:
        """How a run ended, once it has."""

        def end() -> str | None:
            status = ask(self.address, _RUN, id=run_id)["runOrError"]["status"]
            return status if status in _ENDS else None

        return wait_until(end, f"The end of run {run_id}")

    def backfill_end(self, backfill_id: str) -> str:
        """How a backfill ended, once it has."""

        def end() -> str | None:
            status = ask(self.address, _BACKFILL, id=backfill_id)["partitionBackfillOrError"]["status"]
            return status if status in _BACKFILL_ENDS else None

        return wait_until(end, f"The end of backfill {backfill_id}")

    def runs_of_sensor(self, sensor: str) -> list[tuple[str, str | None, str]]:
        """Job, partition and status of the runs that a sensor has asked for."""
        tags = [{"key": "dagster/sensor_name", "value": sensor}]
        runs = ask(self.address, _SENSOR_RUNS, tags=tags)["runsOrError"]["results"]
        return [(run["jobName"], _tags(run).get("dagster/partition"), run["status"]) for run in runs]

    # ---- looking ----

    def open_partition(self, asset: str, partition: str) -> None:
        """The page of a partition of an asset."""
        self.open(f"/assets/{asset}?view=partitions&partition={quote(partition)}")

    def show_partitions(self, status: str) -> Locator:
        """On the page of an asset's partitions, list those of a status alone; `title` is the key of each."""
        for other in _PARTITION_STATUSES:
            if other != status:
                self.page.get_by_text(re.compile(rf"^{other} \(\d+\)$")).click()
        return self.page.locator("[data-tooltip] > [title]")

    def open_picture(self, label: str) -> Locator:
        """Of the metadata on the page, open the markdown with this label; the picture in it."""
        row = self.page.get_by_role("row").filter(has=self.page.get_by_text(label, exact=True))
        row.get_by_text("[Show Markdown]").first.click()
        return self.dialog().locator("img")

    def close_dialog(self) -> None:
        """Close the dialog that shows something."""
        self.dialog().get_by_role("button", name="Close").click()
        self.page.get_by_role("dialog").wait_for(state="detached")

    # ---- automation ----

    def commit_look(self, sensor: str) -> str:
        """On the page of a sensor, have it look now and keep what it saw; the cursor."""
        self.open(f"{_SENSORS}/{sensor}")
        self.page.get_by_role("button", name="Preview tick result").click()
        self.dialog().get_by_role("button", name="Continue").click()
        with self.page.expect_response(_operation("SetSensorCursor")) as waited:
            self.dialog().get_by_role("button", name="Commit tick result").click()
        return json.loads(waited.value.request.post_data or "")["variables"]["cursor"]

    def set_cursor(self, sensor: str, cursor: str) -> None:
        """On the page of a sensor, replace what it remembers."""
        self.open(f"{_SENSORS}/{sensor}")
        self.page.get_by_role("button", name="Edit").click()
        self.dialog().get_by_role("textbox").fill(cursor)
        with self.page.expect_response(_operation("SetSensorCursor")):
            self.dialog().get_by_role("button", name="Set cursor value").click()

    def schedules(self) -> list[str]:
        """The schedules on the Automation page, once it has some."""
        links = self.page.locator("a[href*='/schedules/']")
        links.first.wait_for()
        return [(link.get_attribute("href") or "").rpartition("/")[2] for link in links.all()]

    def choose_automation(self, name: str) -> None:
        """On the Automation page, tick the box before a sensor or schedule, or untick it."""
        self._automation(name).locator("label").first.click()

    def switch_automation(self, name: str) -> Locator:
        """On the Automation page, press the switch of a sensor or schedule, and return it."""
        row = self._automation(name)
        row.locator("label").nth(_SWITCH).click()
        return row.get_by_role("checkbox").nth(_SWITCH)

    def _automation(self, name: str) -> Locator:
        return self.page.locator(f"a[href$='/sensors/{name}'], a[href$='/schedules/{name}']").locator("..")

    def start_chosen(self) -> None:
        """On the Automation page, start what is chosen; it is done one by one, while the page stays open."""
        self.page.get_by_role("button", name="Actions").click()
        self.page.get_by_role("menuitem", name=_START).click()
        self.dialog().get_by_role("button", name=_START).click()
        self.dialog().get_by_role("button", name="Done").click()


def _operation(name: str) -> Callable[[Response], bool]:
    return lambda response: f"op={name}" in response.url


def _answer(response: Response) -> dict[str, Any]:
    """The one field of what a mutation answered."""
    (field,) = response.json()["data"].values()
    return field


def _tags(run: Mapping[str, Any]) -> dict[str, str]:
    entries: Sequence[Mapping[str, str]] = run["tags"]
    return {entry["key"]: entry["value"] for entry in entries}
