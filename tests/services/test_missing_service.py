from collections.abc import Callable
from typing import NoReturn

import pytest


@pytest.mark.parametrize("required", [None, "", "0"])
def test_a_missing_service_skips_on_a_laptop(
    missing_service: Callable[[str], NoReturn], required: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QUINTET_REQUIRE_SERVICES", raising=False)
    if required is not None:
        monkeypatch.setenv("QUINTET_REQUIRE_SERVICES", required)
    with pytest.raises(pytest.skip.Exception, match="apt install it"):
        missing_service("It is not installed: apt install it")


def test_a_missing_service_fails_where_all_are_required(
    missing_service: Callable[[str], NoReturn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUINTET_REQUIRE_SERVICES", "1")
    with pytest.raises(pytest.fail.Exception, match="apt install it"):
        missing_service("It is not installed: apt install it")
