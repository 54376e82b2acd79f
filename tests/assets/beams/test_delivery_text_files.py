"""PlanInfo and PlanRange: what is accepted, and that everything else is refused without repeating a value."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.beams.failures import BeamFailure
from assets.beams.plan_info import PlanInfo, read_plan_info
from assets.beams.plan_range import COLUMNS, read_plan_range
from assets.beams.strict_text import LARGEST_BYTES, decimal_number, whole_number
from tests.assets.beams.delivered_cases import row, table_text

INFO = (
    "DICOM_PATIENT_ID,QA0001\nDICOM_BEAM_NUMBER,5\nTCSC_FIELD_NUMBER,105\nSTOP_LAYER_NUMBER,2\n"
    "TCSC_IRRAD_DATETIME,2026032010000000\n"
)
READ_INFO = PlanInfo("QA0001", 5, 105, 2, "2026032010000000")
RANGE = table_text([row(5, 1, 150.0), row(5, 2, 140.0)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a text file of a delivery goes."""
    folder = tmp_path / "2026032010000000"
    folder.mkdir()
    return folder / "text.txt"


@pytest.mark.parametrize(
    "text",
    [
        INFO,
        "\ufeff" + INFO,
        INFO.replace("\n", "\r\n"),
        INFO.removesuffix("\n"),
        "\n  \n" + INFO.replace("\n", "\n\n"),
        INFO.replace(",", "  ,  ").replace("\n", "  \n  "),
        "PATIENT_NAME,DOE,JOHN\nEMPTY,\n" + INFO,
        "\n".join(reversed(INFO.splitlines())),
    ],
    ids=["plain", "mark", "crlf", "no last end", "blank lines", "blanks", "further keys", "other order"],
)
def test_plan_info_is_read_in_every_harmless_form(file: Path, text: str) -> None:
    file.write_bytes(text.encode())
    assert read_plan_info(file) == READ_INFO


@pytest.mark.parametrize("value", ["", "five", "5.0", "5 6", "\u0665", "1_0", "+5", "0x5", "12345678901"])
def test_a_beam_number_that_is_none_is_not_known(file: Path, value: str) -> None:
    file.write_text(INFO.replace("BEAM_NUMBER,5", f"BEAM_NUMBER,{value}"), encoding="utf-8")
    assert read_plan_info(file).beam_number is None


def test_an_absent_beam_number_is_not_known(file: Path) -> None:
    file.write_text(INFO.replace("DICOM_BEAM_NUMBER,5\n", ""))
    assert read_plan_info(file).beam_number is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (INFO.replace("DICOM_PATIENT_ID,QA0001\n", ""), "it has no DICOM_PATIENT_ID"),
        (INFO.replace("TCSC_FIELD_NUMBER,105\n", ""), "it has no TCSC_FIELD_NUMBER"),
        (INFO.replace("STOP_LAYER_NUMBER,2\n", ""), "it has no STOP_LAYER_NUMBER"),
        (INFO.replace("TCSC_IRRAD_DATETIME,2026032010000000\n", ""), "it has no TCSC_IRRAD_DATETIME"),
        (INFO.replace("STOP_LAYER_NUMBER", "stop_layer_number"), "it has no STOP_LAYER_NUMBER"),
        (INFO.replace("NUMBER,105", "NUMBER,QA-secret"), "its TCSC_FIELD_NUMBER is no whole number"),
        (INFO.replace("NUMBER,2", "NUMBER,2.0"), "its STOP_LAYER_NUMBER is no whole number"),
        (INFO + "DICOM_BEAM_NUMBER,3\n", "line 6: its key stands in an earlier line too"),
        (INFO + "DICOM_BEAM_NUMBER ,5\n", "line 6: its key stands in an earlier line too"),
        ("X,1\nX,1\n" + INFO, "line 2: its key"),
        (INFO + "QA-secret\n", "line 6: it is not KEY,VALUE"),
        (INFO + ",QA-secret\n", "line 6: it is not KEY,VALUE"),
        ("", "it has no DICOM_PATIENT_ID"),
        (INFO.replace("QA0001", "QA\x000001"), "line 1: it has the control character U+0000"),
        (INFO.replace("NUMBER,5", "NUMBER,\t5"), "line 2: it has the control character U+0009"),
        (INFO.replace("QA0001\n", "QA0001\r"), "line 1: it has the control character U+000D"),
        (INFO.replace("QA0001", "QA0001\x1a"), "U+001A"),
        (INFO.replace("QA0001", "QA0001\x85"), "U+0085"),
        (INFO.replace("QA0001", "QA0001\u2028"), "U+2028"),
        (INFO.encode("utf-16"), "it is no UTF-8"),
        (b"\xff" + INFO.encode(), "it is no UTF-8"),
        (INFO.encode() + b"\n" * LARGEST_BYTES, "it is larger than 1 MiB"),
    ],
)
def test_a_doubtful_plan_info_is_refused(file: Path, content: str | bytes, problem: str) -> None:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(BeamFailure) as raised:
        read_plan_info(file)
    assert_refused(raised.value, "planinfo_invalid", problem)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\n" + text.replace("\n", "\n \n"),
        lambda text: text.replace(",", " , "),
        lambda text: "".join(f"x,{line}\n" for line in text.splitlines()).replace("x,RESULT", "NOTE,RESULT"),
        lambda text: "".join(f"{reordered(line)}\n" for line in text.splitlines()),
        lambda text: text.replace("01-QA0001_5_899.ptn", '"01-QA0001_5_899.ptn"'),
        lambda text: text.replace("01-QA0001_5_899.ptn", ' " 01-QA0001_5_899.ptn "'),
    ],
    ids=[
        "plain",
        "mark",
        "crlf",
        "blank lines",
        "blanks",
        "further column",
        "other order",
        "quotes",
        "quotes and blanks",
    ],
)
def test_plan_range_is_read_by_the_names_in_its_header(file: Path, change: Callable[[str], str]) -> None:
    file.write_bytes(change(RANGE).encode())
    first, second = read_plan_range(file)
    assert (first.layer_number, first.energy_mev, first.log_name) == (1, 150.0, "01-QA0001_5_899.ptn")
    assert (second.layer_number, second.energy_mev, second.log_name) == (2, 140.0, "01-QA0001_5_898.ptn")
    assert (second.result_id, second.patient_id, second.field_number) == ("R5", "QA0001", 105)
    assert second.planned_log_name == "plan_2.txt"
    assert first.line < second.line


def reordered(line: str) -> str:
    """The fields of a line from the last to the first."""
    return ",".join(reversed(line.split(",")))


def test_the_four_range_codes_keep_apart(file: Path) -> None:
    codes = {"DOSE1_RANGE": "1", "DOSE2_RANGE": "2", "PLAN_DOSE1_RANGE": "3", "PLAN_DOSE2_RANGE": "4"}
    file.write_text(table_text([row(5, 1, 150.0) | codes]))
    (read,) = read_plan_range(file)
    assert (read.dose1_range, read.dose2_range) == (1, 2)
    assert (read.planned_dose1_range, read.planned_dose2_range) == (3, 4)


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_is_needed_once(file: Path, column: str) -> None:
    file.write_text(RANGE.replace(column, "OTHER", 1) if column != "DOSE1_RANGE" else without(column))
    with pytest.raises(BeamFailure) as raised:
        read_plan_range(file)
    assert_refused(raised.value, "planrange_invalid", f"it has no column {column}")
    file.write_text(
        "".join(f"{line},{line.split(',')[0]}\n" for line in without(column, column).splitlines())
    )
    with pytest.raises(BeamFailure) as raised:
        read_plan_range(file)
    assert_refused(raised.value, "planrange_invalid", "a column stands twice in its header")


def without(column: str, instead: str = "OTHER") -> str:
    """The table, with a column renamed, and with that name first."""
    header, *rows = RANGE.splitlines()
    names = [instead if name == column else name for name in header.split(",")]
    place = names.index(instead)
    return "".join(
        ",".join([fields[place], *fields[:place], *fields[place + 1 :]]) + "\n"
        for fields in (names, *(line.split(",") for line in rows))
    )


BARE = "line 3: its SCAN_OUT_FL_NM is no bare file name"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "it is empty"),
        ("\n \r\n", "it is empty"),
        (RANGE.splitlines()[0], "it has a header and no row"),
        (RANGE + "R5,3\n", "line 4: it has 2 fields, the header 11"),
        (RANGE.replace("plan_2.txt", "plan_2.txt,QA-secret"), "line 3: it has 12 fields, the header 11"),
        (RANGE.replace("R5,2,", "R5,QA-secret,"), "line 3: its LAYER_NO is no whole number"),
        (RANGE.replace("R5,2,", "R5,2.0,"), "line 3: its LAYER_NO is no whole number"),
        (RANGE.replace("140.00", "QA-secret"), "line 3: its LAYER_ENERGY is no number"),
        (RANGE.replace("140.00", "nan"), "line 3: its LAYER_ENERGY is no number"),
        (RANGE.replace("140.00", "1e400"), "line 3: its LAYER_ENERGY is no number"),
        (RANGE.replace("105,2", "105,II"), "line 2: its DOSE1_RANGE is no whole number"),
        (RANGE.replace("01-QA0001_5_898.ptn", "../01-QA0001_5_898.ptn"), BARE),
        (RANGE.replace("01-QA0001_5_898.ptn", "/etc/passwd"), BARE),
        (RANGE.replace("01-QA0001_5_898.ptn", "..\\x.ptn"), BARE),
        (RANGE.replace("01-QA0001_5_898.ptn", ".."), BARE),
        (RANGE.replace("01-QA0001_5_898.ptn", ""), BARE),
        (RANGE.replace("898.ptn", "898\x00.ptn"), "line 3: it has the control character U+0000"),
        (RANGE.replace("898.ptn", "898\x1b[2J.ptn"), "U+001B"),
        (RANGE.replace("R5,2", '"R5,2'), "line 3: its quotes do not match"),
        (RANGE.encode("utf-16"), "it is no UTF-8"),
    ],
)
def test_a_doubtful_plan_range_is_refused(file: Path, content: str | bytes, problem: str) -> None:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(BeamFailure) as raised:
        read_plan_range(file)
    assert_refused(raised.value, "planrange_invalid", problem)


def assert_refused(failure: BeamFailure, code: str, problem: str) -> None:
    """A refusal names file, rule and remedy, and repeats no value."""
    assert failure.code == code
    assert failure.message.startswith("'2026032010000000/text.txt'")
    assert problem in failure.message
    assert failure.message.endswith("; copy the file from the machine again, it is never repaired.")
    assert "secret" not in failure.message
    assert failure.category == "permanent"


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.txt"
    file.write_bytes(content)
    for reader, code in ((read_plan_info, "planinfo_invalid"), (read_plan_range, "planrange_invalid")):
        assert refused_with(reader, file) in (None, code)


def refused_with(reader: Callable[[Path], object], file: Path) -> str | None:
    """The code with which a file is refused; None where it is read."""
    try:
        reader(file)
    except BeamFailure as failure:
        return failure.code
    return None


@given(st.text(max_size=12))
def test_numbers_are_those_of_python_and_fewer(text: str) -> None:
    whole, decimal = whole_number(text), decimal_number(text)
    assert whole is None or whole == int(text)
    assert decimal is None or decimal == float(text)
    assert whole is None or decimal == whole


def test_a_patient_id_is_not_shown_with_the_value(file: Path) -> None:
    file.write_text(table_text([row(5, 1, 150.0) | {"PATIENT_ID": "SECRET"}]))
    (read,) = read_plan_range(file)
    assert read.patient_id == "SECRET"
    assert "SECRET" not in repr(read)
    assert "QA0001" not in repr(READ_INFO)
