"""Where settings come from: precedence, `.env`, older names, flags, secrets, and what the cloud needs."""

import dataclasses
from typing import Any

import pytest

from assets.aim.configuration import ConfigFile, ConfigurationError, check_cloud, read_configuration
from assets.aim.settings import Settings

SECRET = "hunter2/ä"


def test_a_dotenv_file_fills_only_what_is_unset():
    dotenv = """# settings
export AIM_RUN_MODE='GLOBAL'
AIM_PAGE_SIZE=7 # seven
AIM_SEASON="Winter"
PROJECT_ID=other

AIM_BRAND_ENHANCER=
AIM_MODEL_ENHANCER
"""
    read = read_configuration({"AIM_PAGE_SIZE": "9", "AIM_SEASON": " ", "PROJECT_ID": "p-1"}, dotenv=dotenv)
    assert (read.settings.run_mode, read.settings.page_size, read.settings.season) == ("GLOBAL", 9, "Winter")
    assert (read.settings.project_id, read.settings.brand_enhancer) == ("p-1", None)
    assert (read.origins["AIM_RUN_MODE"], read.origins["AIM_BRAND_ENHANCER"]) == ("env", "default")


def test_a_dotenv_file_is_taken_literally():
    read = read_configuration({"HOME": "/elsewhere"}, dotenv="AIM_LOCAL_ROOT=${HOME}/aim")
    assert read.settings.local_root == "${HOME}/aim"


def test_a_bad_value_of_a_dotenv_file_is_refused_like_one_of_the_environment():
    with pytest.raises(ConfigurationError, match=r"^AIM_BATCH_SIZE in the environment: '0'"):
        read_configuration({}, dotenv="AIM_BATCH_SIZE=0")


def test_the_older_name_of_the_waves_address_is_used_where_the_newer_is_unset():
    older = {"AIM_BASE_URL": "http://older"}
    assert read_configuration(older).settings.waves_url == "http://older"
    assert read_configuration({**older, "AIM_WAVES_URL": "http://newer"}).settings.waves_url == "http://newer"
    assert read_configuration({**older, "AIM_WAVES_URL": " "}).settings.waves_url == "http://older"
    with pytest.raises(ConfigurationError, match=r"^AIM_BASE_URL in the environment: 'x'"):
        read_configuration({"AIM_BASE_URL": "x"})


def test_the_command_line_beats_json_beats_the_environment_beats_the_default():
    sources: list[dict[str, Any]] = [
        {},
        {"environ": {"AIM_RUN_MODE": "GLOBAL", "AIM_TOTAL_OVERALL": "2"}},
        {"config": ConfigFile("c.json", '{"RUN_MODE": "PER_SEGMENT", "TOTAL_OVERALL": 3}')},
        {"flags": {"AIM_RUN_MODE": "GLOBAL", "AIM_TOTAL_OVERALL": "4"}},
    ]
    given_so_far: dict[str, Any] = {"environ": {}}
    expected = [
        ("PER_SEGMENT", 10_000, "default"),
        ("GLOBAL", 2, "env"),
        ("PER_SEGMENT", 3, "json"),
        ("GLOBAL", 4, "flag"),
    ]
    for source, (run_mode, total, origin) in zip(sources, expected, strict=True):
        given_so_far |= source
        read = read_configuration(**given_so_far)
        assert (read.settings.run_mode, read.settings.total_overall) == (run_mode, total)
        assert {read.origins["AIM_RUN_MODE"], read.origins["AIM_TOTAL_OVERALL"]} == {origin}


def test_a_bad_flag_is_refused_and_a_blank_one_is_unset():
    with pytest.raises(
        ConfigurationError, match=r"^AIM_RUN_MODE on the command line: 'x' is not allowed, only GLOBAL"
    ):
        read_configuration({}, flags={"AIM_RUN_MODE": "x"})
    assert (
        read_configuration({"AIM_RUN_MODE": "GLOBAL"}, flags={"AIM_RUN_MODE": ""}).settings.run_mode
        == "GLOBAL"
    )


@pytest.mark.parametrize("variable", ["AIM_RUN_MOD", "AIM_SERVICE_PASSWORD"])
def test_no_flag_is_ignored_and_none_carries_a_secret(variable):
    with pytest.raises(ValueError, match=f"No flag can set {variable}") as refused:
        read_configuration({}, flags={variable: SECRET})
    assert SECRET not in str(refused.value)


def test_secrets_appear_nowhere_but_in_their_own_field():
    read = read_configuration(
        {"AIM_SERVICE_PASSWORD": f" {SECRET} "},
        config=ConfigFile("c.json", f'{{"AIM_SERVICE_PASSWORD": "{SECRET}"}}'),
    )
    password = read.settings.service_password
    assert password is not None
    assert password.get_secret_value() == f" {SECRET} "
    shown = [
        read,
        read.settings,
        read.origins,
        read.warnings,
        read.effective(),
        dataclasses.asdict(read.settings),
    ]
    assert all(SECRET not in text for item in shown for text in (repr(item), str(item)))
    assert read.effective()["AIM_SERVICE_PASSWORD"] == ("set", "env")


@pytest.mark.parametrize(
    "address", [f"https://user:{SECRET}@waves.example", f"https://u:{SECRET}@h/{'x' * 300}"]
)
def test_an_address_with_credentials_is_refused_without_showing_them(address):
    with pytest.raises(ConfigurationError) as refused:
        read_configuration({"AIM_WAVES_URL": address})
    assert SECRET not in str(refused.value)
    assert "hunter" not in str(refused.value)


def test_settings_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().dry_run = True  # pyright: ignore[reportAttributeAccessIssue] -- that is what is tested


CLOUD = {
    "PROJECT_ID": "p-1",
    "AIM_BUCKET_NAME": "aim-bucket",
    "AIM_WAVES_URL": "https://waves.example",
    "TYRESCORE_BUCKET": "feeds",
}


@pytest.mark.parametrize("missing", CLOUD)
def test_what_the_cloud_needs_is_named_when_it_is_missing(missing):
    check_cloud(read_configuration(CLOUD).settings, range(1, 10))
    environ = {name: text for name, text in CLOUD.items() if name != missing}
    with pytest.raises(ConfigurationError, match=f"^AIM_MODE=cloud needs {missing}; "):
        check_cloud(read_configuration(environ).settings, range(1, 10))


def test_only_the_first_stage_needs_the_bucket_of_the_feeds():
    environ = {name: text for name, text in CLOUD.items() if name != "TYRESCORE_BUCKET"}
    check_cloud(read_configuration(environ).settings, [2, 3, 9])
