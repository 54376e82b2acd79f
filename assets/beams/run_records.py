"""What a successful attempt leaves in `Dose/<folder>/`: its output, its log, and `run.json`, the evidence.

An attempt works in folders of its own. Its validated files are moved here, `run.json` last, and that has the
digest of the output. Whoever reads the output takes it from `published_dose`, so that no file of another beam
or attempt and no half a publication can pass for a result.

Not here: whether an attempt succeeded (`evidence`), what the dose is (`dose_grid`).
"""

import errno
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path
from typing import Any, Final

from assets.beams.dose_grid import VALUES, DoseGrid, mcsquare_dose, moqui_dose
from assets.beams.durable_files import sync_folder, write_whole
from assets.beams.engine_log import EngineName
from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.keys import shown

RECORD: Final = "run.json"

_RERUN: Final = "rerun the beam"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A successful attempt; its fields are the keys of `run.json`, in their order."""

    engine: EngineName
    engine_digest: str
    command_digest: str
    seed: int
    primaries: int
    salt: str
    host: str
    lease_tokens: Mapping[str, int]
    """By the UUID of the GPU; empty without one."""
    started_at: str
    """In UTC, ISO 8601 with `Z`, as `ended_at`; `stamped` makes it."""
    ended_at: str
    exit_code: int
    completion_line: str
    output_sha256: str
    """Of the file with the dose."""
    max: float
    mean: float
    """As `max` in the engine's unit."""
    input_digests: Mapping[str, str]
    """SHA-256 of each input, by its name."""

    def as_json(self) -> bytes:
        """The content of `run.json`: an equal record has the same bytes.

        Raises:
            ValueError: a number is not finite.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in _MAPPINGS:
            values[name] = dict(sorted(values[name].items()))
        return (json.dumps(values, indent=2, allow_nan=False) + "\n").encode()


@dataclass(frozen=True, slots=True, eq=False)
class PublishedDose:
    """The dose in the folder of a beam, and where it is from."""

    record: RunRecord
    output: Path
    """The file with the values."""
    grid: DoseGrid


_MAPPINGS: Final = ("lease_tokens", "input_digests")


def stamped(unix_seconds: float) -> str:
    """A time as records have it, to the millisecond."""
    moment = datetime.fromtimestamp(unix_seconds, UTC).isoformat(timespec="milliseconds")
    return f"{moment.removesuffix('+00:00')}Z"


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def publish_run(folder: Path, files: Mapping[str, Path], record: RunRecord) -> None:
    """Move the files of an attempt into the folder of its beam, each under its name there, then the record.

    Whatever else lies there is of an earlier attempt, an RTDOSE of its dose too, and is removed. A crash
    leaves no record, so that nothing there counts; the caller collects the files once more.

    Raises:
        OSError: the folder cannot be written.
    """
    content = record.as_json()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).unlink(missing_ok=True)
    sync_folder(folder)
    for name, source in files.items():
        _move(source, folder / name)
    for entry in folder.iterdir():
        if entry.name not in files:
            _remove(entry)
    write_whole(folder / RECORD, content)


def published_dose(folder: Path) -> PublishedDose:
    """The dose of a beam and its record, if the one is the other's.

    Raises:
        BeamFailure: `missing_output`: no record, none that can be read, or no output; `stale_output`: another
            output than that of the record; `dose_size`.
    """
    record = _read_record(folder)
    output = folder / VALUES if record.engine == "mcsquare" else _only_raw(folder)
    try:
        digest = digest_of(output)
    except FileNotFoundError:
        raise _missing(folder, f"has no {shown(output.name)}") from None
    if digest != record.output_sha256:
        raise beam_failure(
            "stale_output",
            f"{shown(folder.name)}: {shown(output.name)} is not the output of the run in {RECORD}; {_RERUN}.",
        )
    grid = mcsquare_dose(folder) if record.engine == "mcsquare" else moqui_dose(output)
    return PublishedDose(record, output, grid)


def _read_record(folder: Path) -> RunRecord:
    try:
        values: Any = json.loads((folder / RECORD).read_bytes())
        return RunRecord(**values)
    except FileNotFoundError:
        raise _missing(folder, f"has no {RECORD}, so no dose is known to be complete") from None
    except (ValueError, TypeError):
        raise _missing(folder, f"has a {RECORD} that is no record of a run") from None


def _only_raw(folder: Path) -> Path:
    found = sorted(folder.glob("*.raw"))
    if len(found) != 1:
        raise _missing(folder, f"has {len(found)} files '*.raw' where one is due")
    return found[0]


def _missing(folder: Path, problem: str) -> BeamFailure:
    return beam_failure("missing_output", f"The dose folder {shown(folder.name)} {problem}; {_RERUN}.")


def _move(source: Path, target: Path) -> None:
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # Another file system: a copy must not stand under its name before it is whole.
        part = target.with_name(f".{target.name}.part")
        shutil.copyfile(source, part)
        part.replace(target)
        source.unlink()


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()
