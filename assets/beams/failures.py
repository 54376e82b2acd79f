"""Every code with which beams can fail, its phase and category, and the three exceptions that carry one.

A category is one of the kinds of `assets.failures`: `permanent` (a person has to change something),
`retryable` (a `TransientFailure`) and `pending` (`NotReady`: nothing failed, something is not there yet).
Warnings are no failures and have no code here.

Not here: which problem of a case counts first, and how failures are kept (the registry).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Final, Literal

from assets.failures import NotReady, PermanentFailure, QuintetFailure, TransientFailure

Phase = Literal["detection", "preparation", "csv", "tps", "transfer", "simulate", "result", "report"]
Category = Literal["pending", "retryable", "permanent"]

STDERR_TAIL_BYTES: Final = 4096

_TABLE: Final[tuple[tuple[Phase, Category, str], ...]] = (
    ("detection", "pending", "no_marker content_changing unreadable_dir"),
    ("detection", "permanent", "bad_case_id symlinked_case duplicate_case_key"),
    ("preparation", "permanent", "missing_rtplan multiple_rtplan not_an_ion_plan rtplan_parse_failed"),
    ("preparation", "permanent", "map_length map_conflict zero_expected_beams"),
    ("preparation", "permanent", "gantry_unknown gantry_ambiguous gantry_mixed room_mismatch"),
    ("preparation", "permanent", "missing_deliveries missing_planinfo planinfo_invalid"),
    ("preparation", "permanent", "missing_planrange planrange_invalid"),
    ("preparation", "permanent", "missing_delivery_timestamp timestamp_mismatch patient_id_mismatch"),
    ("preparation", "permanent", "unknown_beam setup_beam_delivered field_number_conflict"),
    ("preparation", "permanent", "delivery_overlap missing_beams"),
    ("preparation", "permanent", "ptn_missing ptn_unlisted layer_number layer_count layer_energy"),
    ("preparation", "permanent", "range_code ptn_length ptn_empty"),
    ("preparation", "pending", "fraction_window_open missing_rtplan"),
    ("preparation", "retryable", "unresolved_folders"),
    ("csv", "retryable", "disk_full"),
    ("csv", "permanent", "layer_word dose_saturated position_out_of_range csv_mismatch"),
    ("tps", "permanent", "tps_invalid"),
    ("transfer", "retryable", "ssh_connect ssh_timeout sftp_eof checksum_mismatch remote_disk_full"),
    ("transfer", "permanent", "host_key_unknown host_key_changed ssh_auth"),
    ("simulate", "pending", "no_gpu"),
    ("simulate", "retryable", "gpu_unknown lease_lost killed_by_signal timeout"),
    ("simulate", "permanent", "engine_failure_line nonzero_exit no_evidence"),
    ("result", "permanent", "missing_output stale_output dose_size non_finite_dose empty_dose"),
    ("report", "retryable", "render_failed"),
)


@dataclass(frozen=True, slots=True)
class CodeRule:
    """What is fixed for a code."""

    phase: Phase
    categories: tuple[Category, ...]
    """The categories it may have, the usual one first; only `missing_rtplan` has two."""
    most_retries: int | None = None
    """How often it may be retried where that is less than for the other retryable codes."""


def _rules() -> dict[str, CodeRule]:
    rules: dict[str, CodeRule] = {}
    for phase, category, codes in _TABLE:
        for code in codes.split():
            before = rules[code].categories if code in rules else ()
            rules[code] = CodeRule(phase, (*before, category), 1 if code == "timeout" else None)
    return rules


CODES: Final[Mapping[str, CodeRule]] = _rules()


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureDetails:
    """What the place of the failure knows about it; `None` where it does not apply."""

    exit_code: int | None = None
    signal: int | None = None
    stderr_tail: str | None = None
    """The end of what the command wrote to stderr; whatever is given, at most 4 KiB of it are kept."""
    log_excerpt: str | None = None
    command_digest: str | None = None
    attempt: int | None = None
    host: str | None = None

    def __post_init__(self) -> None:
        if self.stderr_tail is not None:
            tail = self.stderr_tail.encode("utf-8", "replace")[-STDERR_TAIL_BYTES:]
            object.__setattr__(self, "stderr_tail", tail.decode("utf-8", "ignore"))

    def as_dict(self) -> dict[str, int | str]:
        """The details that are known, for JSON."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in named.items() if value is not None}


NO_DETAILS: Final = FailureDetails()


class BeamFailure(QuintetFailure):
    """A failure of a case or a beam, with its code; made by `beam_failure`, caught by this name or by kind.

    All is positional, so that a failure survives the way out of a worker process.
    """

    category: ClassVar[Category]

    def __init__(
        self,
        code: str,
        message: str,
        details: FailureDetails = NO_DETAILS,
        problems: tuple["BeamFailure", ...] = (),
    ) -> None:
        self.code: Final = code
        self.phase: Final[Phase] = CODES[code].phase
        self.message: Final = one_line(message)
        """One line: the file or folder, the rule, the remedy."""
        self.details: Final = details
        self.problems: Final = problems
        """Every problem where there are several, the one that gave its code and message first; else empty."""
        super().__init__(code, message, details, problems)

    def __str__(self) -> str:
        return self.message


class PermanentBeamFailure(BeamFailure, PermanentFailure):
    """A beam failure of category `permanent`."""

    category = "permanent"


class RetryableBeamFailure(BeamFailure, TransientFailure):
    """A beam failure of category `retryable`."""

    category = "retryable"


class PendingBeamFailure(BeamFailure, NotReady):
    """A beam failure of category `pending`."""

    category = "pending"


_KINDS: Final[Mapping[Category, type[BeamFailure]]] = {
    kind.category: kind for kind in (PermanentBeamFailure, RetryableBeamFailure, PendingBeamFailure)
}


def beam_failure(
    code: str, message: str, *, category: Category | None = None, details: FailureDetails = NO_DETAILS
) -> BeamFailure:
    """The failure of a code, to raise or to collect.

    `category` is needed only for the pending `missing_rtplan` (a young marker): any other code has just one.

    Raises:
        KeyError: there is no such code.
        ValueError: the code never has this category.
    """
    rule = CODES[code]
    if category is not None and category not in rule.categories:
        raise ValueError(f"{code} is {rule.categories[0]}, never {category}")
    return _KINDS[category or rule.categories[0]](code, message, details)


def first_of(problems: Sequence[BeamFailure]) -> BeamFailure:
    """One failure for several problems: code, message and category of the first, all of them listed."""
    first = problems[0]
    return type(first)(first.code, first.message, first.details, tuple(problems))


def one_line(text: str) -> str:
    """A text without anything that could break a line or a terminal: such characters come out escaped."""
    return "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape").decode("ascii") for mark in text
    )
