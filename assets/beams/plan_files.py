"""The one RT Ion Plan of a case folder: found among its DICOM files, and read whole.

Not here: what the plan says (`plan`).
"""

import os
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

import pydicom
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from assets.beams.attributes import PARSING_ERRORS, Item
from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.keys import is_ignored_name, shown

ION_PLAN_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.481.8"
_MODALITY: Final = "RTPLAN"
_REPLACE_IT: Final = "copy the file into the folder again"


def plan_file(case_folder: Path) -> Path:
    """The one file of a case folder that is an RT plan of any kind.

    Links are not followed, and ignored names are passed over.

    Raises:
        BeamFailure: `missing_rtplan`; `multiple_rtplan`; `rtplan_parse_failed`, where a file cannot be read,
            so that it might be a second plan.
        OSError: the folder cannot be listed.
    """
    headers = [(file, _header(file)) for file in _dicom_files(case_folder)]
    plans = [(file, header) for file, header in headers if header.text("Modality") == _MODALITY]
    folder = shown(case_folder.name)
    if not plans:
        raise beam_failure(
            "missing_rtplan",
            f"{folder} has no RT plan among its {len(headers)} DICOM files (*.dcm, no links); copy the plan"
            " into the folder itself.",
        )
    if len(plans) > 1:
        named = ", ".join(f"{shown(file.name)} ({header.text('SOPInstanceUID')})" for file, header in plans)
        raise beam_failure(
            "multiple_rtplan",
            f"{folder} has {len(plans)} RT plans where a case has one: {named}; keep the one delivered.",
        )
    return plans[0][0]


def read_plan_file(file: Path) -> Item:
    """The whole data set of an RT Ion Plan; what is said of it begins with the name of the file.

    Raises:
        BeamFailure: `rtplan_parse_failed`, where it cannot be read or was cut; `not_an_ion_plan`.
    """
    where = shown(file.name)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _unreadable(where, error) from None
    return parsed_plan(content, where)


def parsed_plan(content: bytes, where: str) -> Item:
    """The data set that these bytes of an RT Ion Plan hold.

    Raises:
        BeamFailure: as `read_plan_file`.
    """
    stream = _Content(content)
    try:
        with disable_value_validation():
            plan = Item(pydicom.dcmread(stream, force=False), where)
    except PARSING_ERRORS as error:
        raise _unreadable(where, error) from None
    if stream.is_cut or stream.tell() != len(content):
        raise plan.refused("its last value is cut, or is no DICOM", remedy=_REPLACE_IT)
    storage = plan.text("SOPClassUID")
    if storage != ION_PLAN_STORAGE:
        raise plan.refused(
            f"its SOP class {shown(storage)} is not RT Ion Plan Storage ({ION_PLAN_STORAGE})",
            code="not_an_ion_plan",
            remedy="export the ion plan from the planning system",
        )
    return plan


class _Content(BytesIO):
    """The bytes of a file; pydicom takes a value that is cut off by the end for a whole one, this notes it.

    Of a whole file the last read alone comes back short, and empty: that of an element which is not there. A
    search for a delimiter reads up to the end as well, and then goes back.
    """

    is_cut = False
    _is_at_end = False

    def read(self, size: int | None = -1, /) -> bytes:
        held = super().read(size)
        if size is not None and len(held) < size:
            self.is_cut = self._is_at_end or bool(held)
            self._is_at_end = True
        return held

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self.is_cut = self._is_at_end = False
        return super().seek(offset, whence)


def _dicom_files(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        files = [
            entry.name
            for entry in entries
            if entry.name.casefold().endswith(".dcm")
            and not is_ignored_name(entry.name)
            and entry.is_file(follow_symlinks=False)
        ]
    return [folder / name for name in sorted(files)]


def _header(file: Path) -> Item:
    where = shown(file.name)
    try:
        with file.open("rb") as stream:
            return Item(_identity(stream), where)
    except PARSING_ERRORS as error:
        raise _unreadable(where, error) from None


def _identity(stream: BinaryIO) -> Dataset:
    with disable_value_validation():
        return pydicom.dcmread(
            stream, force=False, stop_before_pixels=True, specific_tags=["Modality", "SOPInstanceUID"]
        )


def _unreadable(where: str, error: Exception) -> BeamFailure:
    # Its own text would tell a person to pass `force=True`.
    reason = "it has no DICM header" if isinstance(error, InvalidDicomError) else str(error)
    return beam_failure(
        "rtplan_parse_failed",
        f"{where} cannot be read as DICOM ({reason or type(error).__name__:.200}); {_REPLACE_IT}.",
    )
