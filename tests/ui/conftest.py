"""One `make dev` and one Chromium for the tests of a file; a page of its own for each test.

A failed test leaves a picture of its page, and what the page complained of, in its folder, and says where.
"""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, Error

from scripts.ui_session import INSTALL, WebUI, browser, chromium, served


@pytest.fixture(scope="module")
def running(missing_service: Callable[[str], NoReturn]) -> Iterator[Browser]:
    executable = chromium() or missing_service(INSTALL)
    with browser(executable) as started:
        yield started


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The QUINTET_HOME that is served."""
    return tmp_path_factory.mktemp("quintet")


@pytest.fixture(scope="module")
def address(running: Browser, home: Path) -> Iterator[str]:
    """Where `make dev` serves; the browser is asked for first, which may be missing."""
    with served(home) as address:
        yield address


@pytest.fixture
def ui(running: Browser, address: str) -> Iterator[WebUI]:
    ui = WebUI(running, address)
    yield ui
    ui.page.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    arguments: dict[str, object] = getattr(item, "funcargs", {})
    ui, folder = arguments.get("ui"), arguments.get("tmp_path")
    if report.when == "call" and report.failed and isinstance(ui, WebUI) and isinstance(folder, Path):
        try:
            ui.page.screenshot(path=folder / "page.png")
        except Error as error:
            ui.problems.append(f"no picture: {error}")
        (folder / "page.log").write_text("\n".join([ui.page.url, *ui.problems]))
        report.sections.append(("web UI", f"{folder / 'page.png'}\n{folder / 'page.log'}"))
    return report
