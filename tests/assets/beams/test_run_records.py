import errno
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assets.beams.failures import BeamFailure
from assets.beams.run_records import RunRecord, digest_of, publish_run, published_dose, stamped
from tests.assets.beams.engine_outputs import mcsquare_output, moqui_plane

KEYS = [
    *("engine", "engine_digest", "command_digest", "seed", "primaries", "salt", "host", "lease_tokens"),
    *("started_at", "ended_at", "exit_code", "completion_line", "output_sha256", "max", "mean"),
    "input_digests",
]


def record_of(**changed: Any) -> RunRecord:
    values: dict[str, Any] = {
        "engine": "mcsquare",
        "engine_digest": "e" * 64,
        "command_digest": "c" * 64,
        "seed": 433038655,
        "primaries": 20000,
        "salt": "1",
        "host": "local",
        "lease_tokens": {},
        "started_at": "2026-03-20T10:00:00.000Z",
        "ended_at": "2026-03-20T10:00:01.500Z",
        "exit_code": 0,
        "completion_line": "Total computation time: 0.55 s",
        "output_sha256": "0" * 64,
        "max": 2.5,
        "mean": 0.1,
        "input_digests": {"config.txt": "a" * 64},
    }
    return RunRecord(**values | changed)


def collected(folder: Path, value: float = 1.0) -> tuple[dict[str, Path], RunRecord]:
    """What an attempt of the CPU engine leaves: its files, and their record."""
    mcsquare_output(folder, np.full((40, 40, 40), value, np.float32), 10.0)
    (folder / "engine.log").write_text("Total computation time: 0.55 s\n")
    files = {name: folder / name for name in ("Dose.mhd", "Dose.raw", "engine.log")}
    return files, record_of(output_sha256=digest_of(folder / "Dose.raw"), max=value)


def test_the_record_has_exactly_its_keys_in_their_order() -> None:
    assert list(json.loads(record_of().as_json())) == KEYS


def test_an_equal_record_has_the_same_bytes_whatever_the_order_of_its_digests() -> None:
    one = record_of(input_digests={"a": "1", "b": "2"}, lease_tokens={"GPU-1": 3, "GPU-2": 4})
    other = record_of(input_digests={"b": "2", "a": "1"}, lease_tokens={"GPU-2": 4, "GPU-1": 3})
    assert one.as_json() == other.as_json()
    assert one.as_json().endswith(b"}\n")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("key", ["max", "mean"])
def test_a_number_that_json_does_not_know_is_never_written(key: str, value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        record_of(**{key: value}).as_json()


@pytest.mark.parametrize(
    ("unix", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (1774000800.25, "2026-03-20T10:00:00.250Z")],
)
def test_a_time_is_utc_to_the_millisecond(unix: float, text: str) -> None:
    assert stamped(unix) == text


def test_a_published_dose_comes_back_with_its_record(tmp_path: Path) -> None:
    files, record = collected(tmp_path / "run")
    publish_run(tmp_path / "Dose" / "002_F2", files, record)
    dose = published_dose(tmp_path / "Dose" / "002_F2")
    assert dose.record == record
    assert dose.output == tmp_path / "Dose" / "002_F2" / "Dose.raw"
    assert dose.grid.values.max() == 1.0
    assert sorted(path.name for path in dose.output.parent.iterdir()) == [
        *("Dose.mhd", "Dose.raw", "engine.log", "run.json")
    ]
    assert not any((tmp_path / "run").iterdir())


def test_the_gpu_engines_dose_is_its_one_raw_file(tmp_path: Path) -> None:
    raw = moqui_plane(tmp_path / "any.raw", np.ones((400, 400)))
    record = record_of(engine="moqui", output_sha256=digest_of(raw), lease_tokens={"GPU-11111111": 7})
    publish_run(tmp_path / "dose", {"any.raw": raw}, record)
    dose = published_dose(tmp_path / "dose")
    assert dose.output.name == "any.raw"
    assert dose.grid.unit == "Gy"
    (tmp_path / "dose/other.raw").write_bytes(b"")
    with pytest.raises(BeamFailure, match="2 files") as failure:
        published_dose(tmp_path / "dose")
    assert failure.value.code == "missing_output"


def test_nothing_of_an_earlier_attempt_stays(tmp_path: Path) -> None:
    folder = tmp_path / "dose"
    publish_run(folder, *collected(tmp_path / "first", 1.0))
    (folder / "RTDOSE_QA0001_beam_1.dcm").write_bytes(b"of the first dose")
    (folder / "parts").mkdir()
    (folder / "parts" / "x").write_bytes(b"")
    (folder / "linked").symlink_to(tmp_path)
    publish_run(folder, *collected(tmp_path / "second", 2.0))
    assert published_dose(folder).record.max == 2.0
    assert {path.name for path in folder.iterdir()} == {"Dose.mhd", "Dose.raw", "engine.log", "run.json"}
    assert (tmp_path / "second").is_dir()


@pytest.mark.parametrize("step", range(4))
def test_a_publication_that_breaks_off_leaves_nothing_that_counts_and_can_be_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    folder = tmp_path / "dose"
    publish_run(folder, *collected(tmp_path / "first", 1.0))
    files, record = collected(tmp_path / "second", 2.0)
    replace, done = Path.replace, []

    def broken(self: Path, target: Path) -> Path:
        if len(done) == step:
            raise OSError(errno.EIO, "the disk broke")
        done.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(OSError, match="broke"):
        publish_run(folder, files, record)
    monkeypatch.undo()
    with pytest.raises(BeamFailure, match=r"has no run\.json") as failure:
        published_dose(folder)
    assert failure.value.code == "missing_output"
    publish_run(folder, *collected(tmp_path / "second", 2.0))
    assert published_dose(folder).record.max == 2.0


def test_files_of_another_file_system_are_copied_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def across(self: Path, target: Path) -> Path:
        if self.parent != target.parent:
            raise OSError(errno.EXDEV, "another device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", across)
    publish_run(tmp_path / "dose", *collected(tmp_path / "run"))
    assert published_dose(tmp_path / "dose").record.max == 1.0
    assert not any((tmp_path / "run").iterdir())


def test_the_output_of_another_beam_or_attempt_cannot_pass_for_the_recorded_one(tmp_path: Path) -> None:
    folder = tmp_path / "dose"
    publish_run(folder, *collected(tmp_path / "first", 1.0))
    other, _ = collected(tmp_path / "second", 1.5)
    other["Dose.raw"].replace(folder / "Dose.raw")
    with pytest.raises(BeamFailure, match=r"'dose'.*'Dose\.raw'") as failure:
        published_dose(folder)
    assert failure.value.code == "stale_output"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", "null", '{"engine": "mcsquare"}', '{"surplus": 1}', "\ufeff{}"]
)
def test_a_record_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    publish_run(tmp_path / "dose", *collected(tmp_path / "run"))
    (tmp_path / "dose/run.json").write_text(content)
    with pytest.raises(BeamFailure, match=r"run\.json that is no record") as failure:
        published_dose(tmp_path / "dose")
    assert failure.value.code == "missing_output"


def test_without_output_there_is_no_dose(tmp_path: Path) -> None:
    publish_run(tmp_path / "dose", *collected(tmp_path / "run"))
    (tmp_path / "dose/Dose.raw").unlink()
    with pytest.raises(BeamFailure, match=r"'Dose\.raw'") as failure:
        published_dose(tmp_path / "dose")
    assert failure.value.code == "missing_output"
