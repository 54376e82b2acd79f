"""`python -m scripts.screenshots`: the pictures of the web UI in `docs/images`, taken anew on sample inputs.

Exit codes: 0 done, 1 a picture could not be taken, 2 wrong usage, 130 interrupted.
"""

import argparse
import io
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from playwright.sync_api import Error, expect

from scripts import ui_samples
from scripts.dagster_home import ROOT
from scripts.ui_session import INSTALL, UIFailed, WebUI, browser, chromium, served

IMAGES: Final = ROOT / "docs" / "images"
MOST_BYTES: Final = 150_000
COLOURS: Final = 256
LONGEST_POLL_MS: Final = 20_000

_MONTHS: Final = ("2025-08", "2025-09", "2025-10")
_CUT_MONTH: Final = "2025-09"
_RUN_DATE: Final = "2025-06-10"
_BAD_DAY: Final = "2025-03-12"


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the pictures, on a home of their own."""
    parser = argparse.ArgumentParser(prog="python -m scripts.screenshots", description="Take the pictures.")
    parser.add_argument("--only", action="append", choices=PICTURES, metavar="NAME", help=", ".join(PICTURES))
    wanted: list[str] = parser.parse_args(arguments).only or list(PICTURES)
    executable = chromium()
    if executable is None:
        print(INSTALL, file=sys.stderr)
        return 1
    IMAGES.mkdir(exist_ok=True)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="quintet-") as folder,
            browser(executable) as running,
            served(Path(folder)) as address,
        ):
            for name in wanted:
                ui = WebUI(running, address)
                PICTURES[name](ui, Path(folder))
                settle(ui)
                save(name, ui.page.screenshot())
                ui.page.close()
    except (Error, UIFailed, ui_samples.SampleFailed, AssertionError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def groups(ui: WebUI, _home: Path) -> None:
    """The asset graph, a box for each pipeline."""
    ui.open("/asset-groups")
    for group in ("aim", "beams", "discovery", "dwh", "market"):
        expect(ui.page.get_by_text(group, exact=True).last).to_be_visible()


def graph(ui: WebUI, home: Path) -> None:
    """The assets of aim, of which a date was made."""
    _make_aim(ui, home)
    ui.open("/locations/quintet/asset-groups/aim")
    expect(ui.page.get_by_text("recommendations", exact=True).first).to_be_visible()


def partitions(ui: WebUI, home: Path) -> None:
    """A month that failed among others that were made, by a backfill."""
    for month in _MONTHS:
        ui_samples.market_month(home, month, is_cut=month == _CUT_MONTH)
    ui.materialise("/locations/quintet/asset-groups/market")
    ui.type_partitions(f"[{_MONTHS[0]}...{_MONTHS[-1]}]")
    _require(ui.backfill_end(ui.launch_backfill()), "COMPLETED_FAILED")
    ui.open_partition("market/training_table", _CUT_MONTH)
    expect(ui.page.get_by_role("button", name="View logs")).to_be_visible()


def picture(ui: WebUI, home: Path) -> None:
    """A picture in the metadata of a partition."""
    _make_aim(ui, home)
    ui.open_partition("aim/tyre_scores", _RUN_DATE)
    expect(ui.open_picture("picture")).to_be_visible()


def failed_check(ui: WebUI, home: Path) -> None:
    """A blocking check that failed, with its reason."""
    ui_samples.dwh_day(home, _BAD_DAY, unreadable_lines=200)
    ui.materialise("/assets/dwh/transformed_images")
    ui.type_partitions(_BAD_DAY, are_old=True)
    _require(ui.run_end(ui.launch_run()), "FAILURE")
    ui.open("/assets/dwh/transformed_images?view=checks")
    ui.page.get_by_text("drop_rate_is_acceptable", exact=True).first.click()
    expect(ui.page.get_by_text("records were dropped")).to_be_visible()


def sensors(ui: WebUI, _home: Path) -> None:
    """The sensors, two of them on."""
    ui.open("/automation")
    for sensor in ("aim_feed_sensor", "beam_case_sensor"):
        expect(ui.switch_automation(sensor)).to_be_checked()


PICTURES: Final[dict[str, Callable[[WebUI, Path], None]]] = {
    "groups": groups,
    "graph": graph,
    "partitions": partitions,
    "picture": picture,
    "failed_check": failed_check,
    "sensors": sensors,
}


def _make_aim(ui: WebUI, home: Path) -> None:
    """Have a run date made, if it is not."""
    if (home / "storage" / "aim" / "output").exists():
        return
    ui_samples.aim_day(home, _RUN_DATE)
    ui.materialise("/locations/quintet/asset-groups/aim")
    ui.type_partitions(_RUN_DATE, are_old=True)
    _require(ui.run_end(ui.launch_run()), "SUCCESS")


def _require(end: str, wanted: str) -> None:
    if end != wanted:
        raise UIFailed(f"A run ended with {end}, not with {wanted}.")


def settle(ui: WebUI) -> None:
    """Wait until nothing on the page is still being fetched, as far as a page that asks again ever stops."""
    expect(ui.page.get_by_text("fetching statuses")).to_have_count(0)
    expect(ui.page.get_by_role("progressbar")).to_have_count(0)
    with suppress(Error):
        ui.page.wait_for_load_state("networkidle", timeout=LONGEST_POLL_MS)


def save(name: str, screenshot: bytes) -> None:
    """Write a picture with few colours, and say how large it is."""
    from PIL import Image

    file = io.BytesIO()
    full = Image.open(io.BytesIO(screenshot)).convert("RGB")
    # The other methods give up rare colours first: those of the thin lines between assets.
    few = full.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(file, format="PNG", optimize=True)
    content = file.getvalue()
    if len(content) > MOST_BYTES:
        raise UIFailed(f"{name}.png has {len(content):,} bytes, more than {MOST_BYTES:,}.")
    (IMAGES / f"{name}.png").write_bytes(content)
    print(f"{IMAGES / name}.png: {len(content):,} bytes")


if __name__ == "__main__":
    # Whoever ends it with SIGTERM ends the web UI and the browser as well.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
