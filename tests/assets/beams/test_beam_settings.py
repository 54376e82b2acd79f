"""The settings of beams: every documented variable counts, and every mistake is told with its remedy."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path, PurePosixPath
from zoneinfo import ZoneInfo

import pytest

from assets.beams.settings import VARIABLES, BeamSettings, settings_of, unknown_variables
from assets.failures import PermanentFailure

HOME = Path("/srv/quintet")

# What is documented: the variable, its field, what the field is by default, another text and what it makes.
DOCUMENTED: dict[str, tuple[str, object, str, object]] = {
    "BEAMS_SCAN_ROOT": ("scan_root", HOME / "storage" / "beam-logs", "/data/in", Path("/data/in")),
    "BEAMS_OUTPUT_ROOT": ("output_root", HOME / "storage" / "beam-output", "/data/out", Path("/data/out")),
    "BEAMS_TIMEZONE": ("timezone", ZoneInfo("UTC"), "Europe/Berlin", ZoneInfo("Europe/Berlin")),
    "BEAMS_FRACTION_WINDOW_SECONDS": (
        "fraction_window",
        timedelta(hours=1),
        "60",
        timedelta(minutes=1),
    ),
    "BEAMS_MARKER_GRACE_SECONDS": ("marker_grace", timedelta(minutes=15), "0", timedelta()),
    "BEAMS_QUIET_SECONDS": ("quiet", timedelta(minutes=5), "0.5", timedelta(seconds=0.5)),
    "BEAMS_ENGINE": ("engine", "mcsquare", "moqui", "moqui"),
    "BEAMS_PRIMARIES": ("primaries", 20_000, "1e5", 100_000),
    "BEAMS_THREADS": ("threads", 1, "64", 64),
    "BEAMS_VOXEL_MM": ("voxel_mm", 3.0, "2.5", 2.5),
    "BEAMS_RUN_SALT": ("run_salt", "1", "second look", "second look"),
    "BEAMS_MCSQUARE_HOME": ("mcsquare_home", None, "/opt/mc", Path("/opt/mc")),
    "BEAMS_MOQUI_COMMAND": ("moqui_command", None, "/opt/moqui/tps_env", "/opt/moqui/tps_env"),
    "BEAMS_NVIDIA_SMI": ("nvidia_smi", "nvidia-smi", "/usr/bin/smi", "/usr/bin/smi"),
    "BEAMS_ENGINE_TIMEOUT_SECONDS": ("engine_timeout", timedelta(hours=1), "10", timedelta(seconds=10)),
    "BEAMS_ENGINE_POLL_SECONDS": ("engine_poll_seconds", None, "0.1", 0.1),
    "BEAMS_GPUS_PER_BEAM": ("gpus_per_beam", 1, "all", "all"),
    "BEAMS_GPU_MIN_FREE_MIB": ("gpu_min_free_mib", 1000, "0", 0),
    "BEAMS_GPU_GRACE_SECONDS": ("gpu_grace", timedelta(minutes=1), "0", timedelta()),
    "BEAMS_GPU_WAIT_SECONDS": ("gpu_wait", timedelta(minutes=10), "30", timedelta(seconds=30)),
    "BEAMS_COMPUTE_HOST": ("compute_host", None, "local", "local"),
    "BEAMS_SSH_HOST": ("ssh_host", None, "gpu.example", "gpu.example"),
    "BEAMS_SSH_PORT": ("ssh_port", 22, "2222", 2222),
    "BEAMS_SSH_USER": ("ssh_user", None, "beams", "beams"),
    "BEAMS_SSH_KEY_FILE": ("ssh_key_file", None, "/keys/id", Path("/keys/id")),
    "BEAMS_SSH_KNOWN_HOSTS": ("ssh_known_hosts", None, "/keys/hosts", Path("/keys/hosts")),
    "BEAMS_SSH_WORKDIR": ("ssh_workdir", None, "/scratch/beams", PurePosixPath("/scratch/beams")),
    "BEAMS_MAX_RETRIES": ("max_retries", 3, "0", 0),
    "BEAMS_DRAIN_SECONDS": ("drain_seconds", 20.0, "0", 0.0),
}
FOR_MOQUI = {"BEAMS_MOQUI_COMMAND": "/opt/moqui/tps_env"}
FOR_SSH = {
    "BEAMS_SSH_HOST": "gpu.example",
    "BEAMS_SSH_USER": "beams",
    "BEAMS_SSH_KEY_FILE": "/keys/id",
    "BEAMS_SSH_KNOWN_HOSTS": "/keys/hosts",
    "BEAMS_SSH_WORKDIR": "/scratch/beams",
}


def settings(environ: Mapping[str, str] | None = None) -> BeamSettings:
    return settings_of(environ or {}, HOME)


def refusal(environ: Mapping[str, str]) -> str:
    with pytest.raises(PermanentFailure) as refused:
        settings(environ)
    return str(refused.value)


def test_the_documented_variables_are_those_that_are_read() -> None:
    assert {variable.name: field for field, variable in VARIABLES.items()} == {
        name: field for name, (field, *_) in DOCUMENTED.items()
    }


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_documented_variable_has_its_default_and_changes_its_field_alone(name: str) -> None:
    field, default, text, value = DOCUMENTED[name]
    assert getattr(settings(), field) == default
    changed = settings({name: f" {text} ", **(FOR_MOQUI if name == "BEAMS_ENGINE" else {})})
    assert getattr(changed, field) == value
    others = set(VARIABLES) - {field, "moqui_command"}
    assert all(getattr(changed, other) == getattr(settings(), other) for other in others)


@pytest.mark.parametrize("blank", ["", "  ", "\t"])
def test_blank_is_unset(blank: str) -> None:
    assert settings(dict.fromkeys(DOCUMENTED, blank)) == settings()


BOUNDS = {
    "BEAMS_FRACTION_WINDOW_SECONDS": (60, 86_400),
    "BEAMS_PRIMARIES": (1000, 10**9),
    "BEAMS_THREADS": (1, 64),
    "BEAMS_VOXEL_MM": (1, 10),
    "BEAMS_ENGINE_TIMEOUT_SECONDS": (10, 86_400),
    "BEAMS_ENGINE_POLL_SECONDS": (0.1, 60),
    "BEAMS_GPUS_PER_BEAM": (1, 32),
    "BEAMS_GPU_MIN_FREE_MIB": (0, None),
    "BEAMS_GPU_GRACE_SECONDS": (0, 3600),
    "BEAMS_GPU_WAIT_SECONDS": (0, None),
    "BEAMS_MARKER_GRACE_SECONDS": (0, None),
    "BEAMS_QUIET_SECONDS": (0, None),
    "BEAMS_SSH_PORT": (1, 65_535),
    "BEAMS_MAX_RETRIES": (0, 10),
    "BEAMS_DRAIN_SECONDS": (0, 25),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_belong_to_what_is_allowed_and_what_lies_beyond_is_refused(name: str) -> None:
    low, high = BOUNDS[name]
    for bound, beyond in ((low, low - 1), (high, (high or 0) + 1)):
        if bound is None:
            continue
        settings({name: str(bound)})
        said = refusal({name: str(beyond)})
        assert f"{name} is '{beyond}', allowed is " in said
        assert f"from {low}" in said
        assert high is None or f"to {high:g}" in said or f"to {high}" in said


WRONG = {
    "BEAMS_TIMEZONE": ["Mars/Olympus", "Europe", "../etc/passwd", "+01:00"],
    "BEAMS_ENGINE": ["MCSQUARE", "topas"],
    "BEAMS_COMPUTE_HOST": ["slurm", "remote"],
    "BEAMS_GPUS_PER_BEAM": ["ALL", "0", "1.5", "some"],
    "BEAMS_THREADS": ["1.5", "0x2", "one", "1_0", "nan", "inf", "1e999", "1e9999", "٣", "- 1"],
    "BEAMS_VOXEL_MM": ["nan", "inf", "3mm"],
    "BEAMS_SCAN_ROOT": ["/data/in\x07put"],
    "BEAMS_RUN_SALT": ["a\nb"],
    "BEAMS_SSH_WORKDIR": ["beams", "~/beams", "/a/../b", "/a#b"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in WRONG.items() for text in texts])
def test_a_wrong_value_is_named_with_its_variable_and_what_is_allowed(name: str, text: str) -> None:
    said = refusal({name: text})
    assert f"{name} is " in said
    assert f"allowed is {VARIABLES[DOCUMENTED[name][0]].grammar.allowed}" in said
    assert said.isprintable()


def test_every_wrong_value_is_told_at_once() -> None:
    said = refusal({"BEAMS_THREADS": "0", "BEAMS_PRIMARIES": "many", "BEAMS_QUIET_SECONDS": "300"})
    assert "BEAMS_THREADS is '0'" in said
    assert "BEAMS_PRIMARIES is 'many'" in said
    assert "BEAMS_QUIET" not in said


def test_a_long_value_is_cut_in_the_message() -> None:
    assert len(refusal({"BEAMS_THREADS": "7" * 10_000})) < 300


def test_moqui_needs_its_command() -> None:
    assert "BEAMS_MOQUI_COMMAND is not set, and BEAMS_ENGINE=moqui needs it" in refusal(
        {"BEAMS_ENGINE": "moqui"}
    )
    assert settings({"BEAMS_ENGINE": "moqui", **FOR_MOQUI}).engine == "moqui"


@pytest.mark.parametrize("name", FOR_SSH)
def test_ssh_needs_all_of_its_variables_but_the_port(name: str) -> None:
    others = {other: text for other, text in FOR_SSH.items() if other != name}
    assert f"{name} is not set, and BEAMS_COMPUTE_HOST=ssh needs it" in refusal(
        {"BEAMS_COMPUTE_HOST": "ssh", **others}
    )
    # A deployment may choose SSH where no variable does.
    assert settings(others).missing_for_ssh() == (name,)
    assert settings({"BEAMS_COMPUTE_HOST": "ssh", **FOR_SSH}).missing_for_ssh() == ()


def test_the_local_host_needs_no_ssh_variable() -> None:
    assert settings({"BEAMS_COMPUTE_HOST": "local"}).ssh_host is None


@pytest.mark.parametrize(
    ("scan_root", "output_root"),
    [("in", "in"), ("in", "in/out"), ("in", "out/../in/out"), ("in", "linked/out"), ("linked", "in/out")],
)
def test_an_output_root_within_the_scan_root_is_refused_also_through_a_link(
    tmp_path: Path, scan_root: str, output_root: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "in")
    said = refusal(
        {
            "BEAMS_SCAN_ROOT": str(tmp_path / scan_root),
            "BEAMS_OUTPUT_ROOT": f"{tmp_path}/{output_root}",
        }
    )
    assert "BEAMS_OUTPUT_ROOT" in said
    assert "never written to" in said


@pytest.mark.parametrize(("scan_root", "output_root"), [("in", "inside"), ("all/in", "all"), ("a", "b")])
def test_an_output_root_beside_or_above_the_scan_root_is_allowed(
    tmp_path: Path, scan_root: str, output_root: str
) -> None:
    environ = {
        "BEAMS_SCAN_ROOT": str(tmp_path / scan_root),
        "BEAMS_OUTPUT_ROOT": str(tmp_path / output_root),
    }
    assert settings(environ).output_root == tmp_path / output_root


def test_an_unset_root_is_compared_too(tmp_path: Path) -> None:
    with pytest.raises(PermanentFailure, match="BEAMS_OUTPUT_ROOT"):
        settings_of({"BEAMS_SCAN_ROOT": str(tmp_path)}, tmp_path)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("BEAMS_SCANROOT", "BEAMS_SCAN_ROOT"),
        ("BEAMS_QUIET_SECOND", "BEAMS_QUIET_SECONDS"),
        ("BEAMS_GPU_PER_BEAM", "BEAMS_GPUS_PER_BEAM"),
        ("BEAMS_primaries", "BEAMS_PRIMARIES"),
        ("BEAMS_SSH_KEY", "BEAMS_SSH_KEY_FILE"),
    ],
)
def test_an_unknown_variable_is_reported_with_the_nearest_known_one(name: str, nearest: str) -> None:
    (sentence,) = unknown_variables({name: "1", "BEAMS_THREADS": "1", "AIM_MODE": "x"})
    assert sentence == (
        f"The environment variable '{name}' is not known and changes nothing; the nearest known one is"
        f" {nearest}."
    )


def test_known_variables_and_those_of_others_are_not_reported() -> None:
    assert unknown_variables([*DOCUMENTED, "QUINTET_HOME", "AIM_MODE"]) == ()


def test_an_engine_is_looked_at_more_rarely_on_another_machine() -> None:
    assert settings().poll_seconds(is_remote=False) == 1.0
    assert settings().poll_seconds(is_remote=True) == 30.0
    assert settings({"BEAMS_ENGINE_POLL_SECONDS": "5"}).poll_seconds(is_remote=True) == 5.0


def test_a_case_is_judged_by_window_and_zone() -> None:
    rules = settings({"BEAMS_FRACTION_WINDOW_SECONDS": "120", "BEAMS_TIMEZONE": "Asia/Tokyo"}).rules()
    assert (rules.window, rules.zone) == (timedelta(minutes=2), ZoneInfo("Asia/Tokyo"))
