"""Every `BEAMS_` variable: its default, what it may be, and the settings that they make together.

Blank means unset. All variables are judged before anything is said, so that one start shows every mistake.

Not here: where the engine, the GPUs and the compute host are (`resources`), the constants of the machines,
which are data with dates (`machines`).
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import SequenceMatcher
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from assets.beams.failures import one_line
from assets.failures import PermanentFailure

if TYPE_CHECKING:
    from assets.beams.case_input import Rules

PREFIX: Final = "BEAMS_"
POLL_SECONDS_LOCAL: Final = 1.0
POLL_SECONDS_REMOTE: Final = 30.0

_DAY: Final = 86_400
_LONGEST_COMPARED: Final = 200  # comparing takes the square of the length
_LONGEST_SHOWN: Final = 100
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")

Engine = Literal["mcsquare", "moqui"]
HostKind = Literal["local", "ssh"]


class Grammar(NamedTuple):
    """How the text of a variable becomes a value; a text that is not allowed raises `ValueError`."""

    allowed: str
    read: Callable[[str], Any]


class Variable(NamedTuple):
    """What is known of a setting besides its field."""

    name: str
    grammar: Grammar
    default: str | None = None
    """As it would be written; with `None` the field is None, or made from the home folder."""


def _number(low: float, high: float) -> Grammar:
    def read(text: str) -> float:
        if not _NUMBER.fullmatch(text) or not low <= float(text) <= high:
            raise ValueError
        return float(text)

    return Grammar(f"a number from {low:g} to {high:g}", read)


def _whole(low: int, high: int) -> Grammar:
    number = _number(low, high).read

    def read(text: str) -> int:
        if not (value := number(text)).is_integer():
            raise ValueError
        return int(value)

    return Grammar(f"a whole number from {low} to {high}", read)


def _seconds(low: float, high: float) -> Grammar:
    number = _number(low, high)
    return Grammar(f"seconds, {number.allowed}", lambda text: timedelta(seconds=number.read(text)))


def _word(*words: str) -> Grammar:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    return Grammar(" or ".join(words), read)


def _gpus(text: str) -> int | Literal["all"]:
    return "all" if text == "all" else _whole(1, 32).read(text)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError
    return text


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, OSError):  # A folder of zones, such as `Europe`, is an OSError.
        raise ValueError from None


def _folder(text: str) -> Path:
    return Path(_printable(text)).expanduser().absolute()


def _remote_folder(text: str) -> PurePosixPath:
    # The engine cuts a value of its input file at a `#`.
    folder = PurePosixPath(_printable(text))
    if not folder.is_absolute() or ".." in folder.parts or "#" in text:
        raise ValueError
    return folder


_TEXT: Final = Grammar("a text without control characters", _printable)
_PATH: Final = Grammar("a path without control characters", _folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class BeamSettings:
    """The settings of beams. None is "not set"; paths of this machine are absolute."""

    scan_root: Annotated[Path, Variable("BEAMS_SCAN_ROOT", _PATH)]
    output_root: Annotated[Path, Variable("BEAMS_OUTPUT_ROOT", _PATH)]
    timezone: Annotated[
        ZoneInfo, Variable("BEAMS_TIMEZONE", Grammar("an IANA name such as Europe/Berlin", _zone), "UTC")
    ]
    fraction_window: Annotated[
        timedelta, Variable("BEAMS_FRACTION_WINDOW_SECONDS", _seconds(60, _DAY), "3600")
    ]
    marker_grace: Annotated[timedelta, Variable("BEAMS_MARKER_GRACE_SECONDS", _seconds(0, _DAY), "900")]
    quiet: Annotated[timedelta, Variable("BEAMS_QUIET_SECONDS", _seconds(0, _DAY), "300")]

    engine: Annotated[Engine, Variable("BEAMS_ENGINE", _word("mcsquare", "moqui"), "mcsquare")]
    primaries: Annotated[int, Variable("BEAMS_PRIMARIES", _whole(1000, 10**9), "20000")]
    threads: Annotated[int, Variable("BEAMS_THREADS", _whole(1, 64), "1")]
    voxel_mm: Annotated[float, Variable("BEAMS_VOXEL_MM", _number(1, 10), "3")]
    run_salt: Annotated[str, Variable("BEAMS_RUN_SALT", _TEXT, "1")]
    mcsquare_home: Annotated[Path | None, Variable("BEAMS_MCSQUARE_HOME", _PATH)]
    moqui_command: Annotated[str | None, Variable("BEAMS_MOQUI_COMMAND", _TEXT)]
    nvidia_smi: Annotated[str, Variable("BEAMS_NVIDIA_SMI", _TEXT, "nvidia-smi")]
    engine_timeout: Annotated[timedelta, Variable("BEAMS_ENGINE_TIMEOUT_SECONDS", _seconds(10, _DAY), "3600")]
    engine_poll_seconds: Annotated[float | None, Variable("BEAMS_ENGINE_POLL_SECONDS", _number(0.1, 60))]
    """None leaves it to where the engine runs: `poll_seconds`."""

    gpus_per_beam: Annotated[
        int | Literal["all"],
        Variable("BEAMS_GPUS_PER_BEAM", Grammar("a whole number from 1 to 32, or all", _gpus), "1"),
    ]
    gpu_min_free_mib: Annotated[int, Variable("BEAMS_GPU_MIN_FREE_MIB", _whole(0, 10**6), "1000")]
    gpu_grace: Annotated[timedelta, Variable("BEAMS_GPU_GRACE_SECONDS", _seconds(0, 3600), "60")]
    gpu_wait: Annotated[timedelta, Variable("BEAMS_GPU_WAIT_SECONDS", _seconds(0, _DAY), "600")]

    compute_host: Annotated[HostKind | None, Variable("BEAMS_COMPUTE_HOST", _word("local", "ssh"))]
    """None leaves it to the deployment."""
    ssh_host: Annotated[str | None, Variable("BEAMS_SSH_HOST", _TEXT)]
    ssh_port: Annotated[int, Variable("BEAMS_SSH_PORT", _whole(1, 65_535), "22")]
    ssh_user: Annotated[str | None, Variable("BEAMS_SSH_USER", _TEXT)]
    ssh_key_file: Annotated[Path | None, Variable("BEAMS_SSH_KEY_FILE", _PATH)]
    ssh_known_hosts: Annotated[Path | None, Variable("BEAMS_SSH_KNOWN_HOSTS", _PATH)]
    ssh_workdir: Annotated[
        PurePosixPath | None,
        Variable("BEAMS_SSH_WORKDIR", Grammar("an absolute path without '..' and '#'", _remote_folder)),
    ]

    max_retries: Annotated[int, Variable("BEAMS_MAX_RETRIES", _whole(0, 10), "3")]
    drain_seconds: Annotated[float, Variable("BEAMS_DRAIN_SECONDS", _number(0, 25), "20")]

    def poll_seconds(self, *, is_remote: bool) -> float:
        """How often a running engine is looked at: as set, else by where it runs."""
        return self.engine_poll_seconds or (POLL_SECONDS_REMOTE if is_remote else POLL_SECONDS_LOCAL)

    def rules(self) -> "Rules":
        """The settings by which a case is judged."""
        from assets.beams.case_input import Rules  # It reads DICOM, which takes 0.4 s to import.

        return Rules(window=self.fraction_window, zone=self.timezone)

    def missing_for_ssh(self) -> tuple[str, ...]:
        """The variables that an SSH host needs and that are not set; a deployment may ask for one, too."""
        return tuple(VARIABLES[field].name for field in _NEEDED_FOR_SSH if getattr(self, field) is None)


VARIABLES: Final[Mapping[str, Variable]] = {
    name: hint.__metadata__[0] for name, hint in get_type_hints(BeamSettings, include_extras=True).items()
}
"""By field of `BeamSettings`, in their order."""

_NEEDED_FOR_SSH: Final = ("ssh_host", "ssh_user", "ssh_key_file", "ssh_known_hosts", "ssh_workdir")
_DEFAULT_FOLDERS: Final = {"scan_root": "beam-logs", "output_root": "beam-output"}


def settings_of(environ: Mapping[str, str], home: Path) -> BeamSettings:
    """The settings that an environment makes.

    Args:
        environ: the environment variables; those of other names are not looked at.
        home: the folder of `QUINTET_HOME`; scan root and output root lie there unless they are set.

    Raises:
        PermanentFailure: values that are not allowed, or that do not go together; all of them, each with its
            variable, the value and what is allowed.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field, variable in VARIABLES.items():
        text = environ.get(variable.name, "").strip() or variable.default
        try:
            values[field] = None if text is None else variable.grammar.read(text)
        except ValueError:
            problems.append(f"{variable.name} is {_shown(text or '')}, allowed is {variable.grammar.allowed}")
    for field, folder in _DEFAULT_FOLDERS.items():
        if values.get(field, "") is None:
            values[field] = home.absolute() / "storage" / folder
    if not problems:
        settings = BeamSettings(**values)
        problems.extend(_contradictions(settings))
        if not problems:
            return settings
    raise PermanentFailure(f"The settings of beams are refused: {'; '.join(problems)}.")


def unknown_variables(environ: Iterable[str]) -> tuple[str, ...]:
    """A sentence for each variable that begins with `BEAMS_` and is none, with the nearest one that is.

    Such a variable changes nothing, which its author has to know: whatever starts shows these as warnings.
    """
    known = [variable.name for variable in VARIABLES.values()]
    return tuple(
        f"The environment variable {_shown(name)} is not known and changes nothing; the nearest known one is"
        f" {_nearest(name, known)}."
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known
    )


def _contradictions(settings: BeamSettings) -> Iterable[str]:
    """What is wrong with values each of which is allowed."""
    scan_root, output_root = settings.scan_root, settings.output_root
    # A link in either path must not hide that results would be taken for input.
    if Path(os.path.realpath(output_root)).is_relative_to(os.path.realpath(scan_root)):
        yield (
            f"BEAMS_OUTPUT_ROOT is {_shown(str(output_root))}, allowed is a folder outside of BEAMS_SCAN_ROOT"
            f" ({_shown(str(scan_root))}), which is never written to"
        )
    if settings.engine == "moqui" and settings.moqui_command is None:
        yield "BEAMS_MOQUI_COMMAND is not set, and BEAMS_ENGINE=moqui needs it: the path of the engine"
    if settings.compute_host == "ssh":
        for name in settings.missing_for_ssh():
            yield f"{name} is not set, and BEAMS_COMPUTE_HOST=ssh needs it"


def _nearest(name: str, known: Iterable[str]) -> str:
    asked = name[:_LONGEST_COMPARED].upper()
    return max(known, key=lambda candidate: SequenceMatcher(None, asked, candidate).ratio())


def _shown(text: str) -> str:
    return f"'{one_line(text if len(text) <= _LONGEST_SHOWN else f'{text[:_LONGEST_SHOWN]}…')}'"
