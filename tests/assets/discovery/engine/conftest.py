"""Sources of a test's own, in place of a strategy of the jobs file."""

from collections.abc import Callable

import pytest

from assets.discovery.engine import reading
from tests.assets.discovery.engine.source_runs import Script, Scripted


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], None]:
    """Let every job read what a script yields, whatever its strategy is."""

    def play(script: Script) -> None:
        monkeypatch.setattr(reading, "strategy_class", lambda name: lambda **more: Scripted(script))

    return play
