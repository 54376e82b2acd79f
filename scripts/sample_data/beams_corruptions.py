"""What can be wrong with a beams sample: one switch per code of the contract that files can show.

A corruption changes one thing of an otherwise sound draft. Some codes need a plan of some variant or more
than one fraction; `corrupted` asks for what is needed, so that a sound case can be made of the same kind.

Not here: what is wrong with plans (`beams_plan_corruptions`), deliveries and logs
(`beams_delivery_corruptions`), and what engines and GPUs do wrong (`beams_engine`, `beams_nvidia_smi`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from scripts.sample_data.beams_case import Draft, Place, SampleCase, sound_draft
from scripts.sample_data.beams_delivery_corruptions import DELIVERY_EDITS
from scripts.sample_data.beams_fields import Variant
from scripts.sample_data.beams_plan_corruptions import PLAN_EDITS


@dataclass(frozen=True, slots=True)
class Corruption:
    """One thing that can be wrong."""

    summary: str
    """What is wrong, in a sentence."""
    edit: Callable[[Draft], None]
    variants: frozenset[Variant] = frozenset()
    """What the plan must have for it."""
    fractions: int = 1
    """How many there must be at least."""


def _no_marker(draft: Draft) -> None:
    """The case has no marker."""
    draft.marker = None


def _misplaced_marker(draft: Draft) -> None:
    """The marker lies in the folder above, which is that of the room or the root."""
    draft.marker = draft.place.top.parent


def _bad_case_id(draft: Draft) -> None:
    """The name of the case folder has a blank."""
    _move(draft, draft.place.renamed(bad_name(draft.place)))


def _symlinked_case(draft: Draft) -> None:
    """A symbolic link stands where the case should be; the case lies beside it under a hidden name."""
    draft.link_target = hidden_name(draft.place)


def _duplicate_case_key(draft: Draft) -> None:
    """The whole case lies once more, in a room folder if it lies in none, and in none if it lies in one."""
    room = None if draft.place.room else f"G{draft.case.gantry}"
    draft.copies.append(Place(room, draft.place.names))


def _room_mismatch(draft: Draft) -> None:
    """The case lies in the folder of the other room."""
    _move(draft, Place(f"G{3 - draft.case.gantry}", draft.place.names))


def _unreadable_dir(draft: Draft) -> None:
    """Nobody may list a delivery folder (but the superuser, who may always)."""
    draft.closed.append(draft.deliveries[0].folder)


def bad_name(place: Place) -> str:
    """What a case folder is called that no key can be made of."""
    return f"{place.names[-1]} copy"


def hidden_name(place: Place) -> str:
    """What the folder behind a symbolic link is called: a scan passes over it."""
    return f".{place.names[-1]}"


def _move(draft: Draft, place: Place) -> None:
    draft.place, draft.marker = place, place.top


_PLACE_EDITS: Final = (
    _no_marker,
    _misplaced_marker,
    _bad_case_id,
    _symlinked_case,
    _duplicate_case_key,
    _room_mismatch,
    _unreadable_dir,
)
_EDITS: Final[Mapping[str, Callable[[Draft], None]]] = {
    **{edit.__name__.removeprefix("_"): edit for edit in _PLACE_EDITS},
    **PLAN_EDITS,
    **DELIVERY_EDITS,
}
_VARIANTS: Final = {
    "map_length": frozenset({Variant.LINE_MAPS}),
    "map_conflict": frozenset({Variant.BOTH_MAPS}),
}
_FRACTIONS: Final = {"field_number_conflict": 2, "mixed_fraction_reference": 2}


def _corruption(code: str) -> Corruption:
    edit = _EDITS[code]
    return Corruption(
        summary=(edit.__doc__ or "").strip(),
        edit=edit,
        variants=_VARIANTS.get(code, frozenset()),
        fractions=_FRACTIONS.get(code, 1),
    )


CORRUPTIONS: Final[Mapping[str, Corruption]] = {code: _corruption(code) for code in _EDITS}
"""By code: of a failure, of a warning, or of a verdict (`gamma_conditional`, `gamma_failed`)."""


def corrupted(case: SampleCase, code: str) -> SampleCase:
    """The case with one thing wrong, and with the variants and fractions that this needs.

    Raises:
        ValueError: there is no such code.
    """
    if code not in CORRUPTIONS:
        raise ValueError(
            f"'{code}' is nothing that files can show; known are {', '.join(sorted(CORRUPTIONS))}"
        )
    needed = CORRUPTIONS[code]
    return replace(
        case,
        corruption=code,
        variants=case.variants | needed.variants,
        fractions=max(case.fractions, needed.fractions),
    )


def draft_of(case: SampleCase) -> Draft:
    """The draft of a case, with the one thing wrong that it asks for."""
    draft = sound_draft(case)
    if case.corruption is not None:
        CORRUPTIONS[case.corruption].edit(draft)
    return draft
