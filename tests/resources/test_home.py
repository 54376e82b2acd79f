from pathlib import Path

import pytest

from resources.home import quintet_home

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("environ", [{}, {"QUINTET_HOME": ""}, {"QUINTET_HOME": "  "}])
def test_the_home_is_in_the_repository_unless_it_is_named(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert quintet_home(environ) == REPOSITORY / ".quintet"
    assert (REPOSITORY / "definitions.py").exists()


@pytest.mark.parametrize(
    ("named", "expected"),
    [("/data/quintet", "/data/quintet"), ("here", "{cwd}/here"), ("~/there", "{home}/there")],
)
def test_a_named_home_becomes_absolute(
    named: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert quintet_home({"QUINTET_HOME": named}) == Path(expected.format(cwd=tmp_path, home=Path.home()))


def test_looking_for_the_home_does_not_make_it(isolated_environment: Path) -> None:
    assert quintet_home() == isolated_environment
    assert not isolated_environment.exists()
