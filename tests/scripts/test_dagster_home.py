import pytest

from scripts.dagster_home import SHIPPED_SETTINGS, prepare_dagster_home


def test_dagster_home_is_taken_as_given_and_made(tmp_path):
    home = tmp_path / "here" / "dagster"
    assert prepare_dagster_home({"DAGSTER_HOME": str(home), "QUINTET_HOME": str(tmp_path / "other")}) == home
    assert home.is_dir()
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("environ", [{}, {"DAGSTER_HOME": ""}])
def test_without_it_the_instance_lies_in_quintets_home(environ, tmp_path):
    home = prepare_dagster_home({**environ, "QUINTET_HOME": str(tmp_path)})
    assert home == tmp_path / "dagster"


def test_a_new_home_gets_the_shipped_settings_and_nothing_else(tmp_path):
    home = prepare_dagster_home({"QUINTET_HOME": str(tmp_path)})
    assert [path.name for path in home.iterdir()] == ["dagster.yaml"]
    assert (home / "dagster.yaml").read_bytes() == SHIPPED_SETTINGS.read_bytes()


def test_settings_that_somebody_made_are_left_alone(tmp_path):
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    home = prepare_dagster_home({"DAGSTER_HOME": str(tmp_path)})
    assert (home / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"


def test_a_relative_home_is_made_absolute_as_dagster_wants_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert prepare_dagster_home({"DAGSTER_HOME": "dagster"}) == tmp_path / "dagster"
