"""The grammar of the TPS file: what it may say, what is refused, what the engine would read."""

import unicodedata
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assets.beams import tps_file
from assets.beams.failures import PermanentBeamFailure
from assets.beams.tps_file import KEYS, parsed_tps, require_reads_back, tps_text, write_tps
from tests.assets.beams.tps_texts import EXAMPLE, engine_view, example_values

_UNSAFE = ("Cc", "Cs", "Zl", "Zp")
_LEGAL_TEXT = st.text(
    st.characters(exclude_categories=_UNSAFE, exclude_characters="#{}"), min_size=1, max_size=40
).filter(lambda text: not text[0].isspace())
_LEGAL_VALUES = st.fixed_dictionaries(dict.fromkeys(KEYS, _LEGAL_TEXT)).flatmap(
    lambda values: st.sampled_from("12").map(lambda gantry: {**values, "GantryNum": gantry})
)
_CONTROL_CHARACTERS = [chr(code) for code in range(256) if unicodedata.category(chr(code)) == "Cc"]
_FREE_KEYS = [key for key in KEYS if key != "GantryNum"]


def test_there_are_38_keys_in_9_groups():
    assert len(KEYS) == len({key.lower() for key in KEYS}) == 38
    assert len(tps_file.GROUPS) == 9


def test_the_worked_example_is_written_letter_by_letter():
    assert tps_text(example_values(), "a.in") == EXAMPLE


def test_the_order_of_the_values_does_not_matter():
    backwards = dict(reversed(example_values().items()))

    assert tps_text(backwards, "a.in") == EXAMPLE


def test_an_empty_value_is_the_key_and_one_blank_and_no_other_line_ends_in_one():
    lines = EXAMPLE.split("\n")

    assert [line for line in lines if line.endswith(" ")] == ["BeamLayerMultiGpuAllowedGpuIds "]
    assert lines.count("") == 8 + 1
    assert EXAMPLE.endswith("P\n")


@given(_LEGAL_VALUES)
def test_legal_values_reach_the_engine_as_they_are(values):
    text = tps_text(values, "a.in")

    meant = {key.lower(): value for key, value in values.items()}
    assert engine_view(text) == parsed_tps(text, "a.in") == meant


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_LEGAL_VALUES)
def test_a_written_file_is_its_text_and_its_digest(tmp_path, values):
    path = tmp_path / "moqui_tps_a.in"

    digest = write_tps(path, values)

    assert path.read_bytes() == tps_text(values, "a.in").encode()
    assert digest == sha256(path.read_bytes()).hexdigest() == require_reads_back(path, values)
    assert [entry.name for entry in tmp_path.glob("*moqui*")] == ["moqui_tps_a.in"]


def _refusal(values):
    with pytest.raises(PermanentBeamFailure) as refusal:
        tps_text(values, "moqui_tps_a.in")
    assert refusal.value.code == "tps_invalid"
    assert "'moqui_tps_a.in'" in refusal.value.message
    return refusal.value.message


@pytest.mark.parametrize("mark", [*_CONTROL_CHARACTERS, "\u2028", "\u2029", "\udcff", "#"], ids=ascii)
@pytest.mark.parametrize("before", ["", "a"])
def test_a_control_character_or_a_comment_sign_is_refused_wherever_it_stands(mark, before):
    assert "DicomDir" in _refusal({**example_values(), "DicomDir": f"{before}{mark}b"})


@given(
    st.sampled_from(_FREE_KEYS),
    st.text(max_size=10),
    st.one_of(st.just("#"), st.characters(categories=_UNSAFE)),
    st.text(max_size=10),
)
@example("ParentDir", "/data", "\n", "GPUID 7")
@example("ParentDir", "/data", "\r", "")
@example("ParentDir", "/data", "\x00", "")
def test_a_hostile_value_of_any_key_is_refused(key, before, mark, after):
    assert key in _refusal({**example_values(), key: f"{before}{mark}{after}"})


@pytest.mark.parametrize("blank", [" ", "\t", "\u00a0", "\u3000", " \n"])
@pytest.mark.parametrize("key", ["OutputDir", "BeamLayerMultiGpuAllowedGpuIds"])
def test_a_leading_blank_is_refused(blank, key):
    assert "begins with a blank" in _refusal({**example_values(), key: f"{blank}2"})


def test_blanks_inside_and_behind_a_value_are_kept():
    values = {**example_values(), "OutputDir": "/my data/out "}

    assert engine_view(tps_text(values, "a.in"))["outputdir"] == "/my data/out "


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_key_is_refused_by_name(key):
    values = example_values()
    del values[key]

    assert f"the key {key} is missing" in _refusal(values)


@pytest.mark.parametrize("key", sorted(set(KEYS) - {"BeamLayerMultiGpuAllowedGpuIds"}))
def test_an_empty_value_is_refused_where_the_engine_needs_one(key):
    assert f"the value of {key}, '', is empty" in _refusal({**example_values(), key: ""})


def test_a_key_that_the_engine_does_not_have_is_refused():
    assert "'SuppressStd' is no key" in _refusal({**example_values(), "SuppressStd": "true"})


@pytest.mark.parametrize("value", ["{case}", "/data/{output_root}/x", "{}", "a{b c}d"])
def test_a_placeholder_that_nothing_was_put_into_is_refused(value):
    assert "placeholder" in _refusal({**example_values(), "OutputDir": value})


@pytest.mark.parametrize("gantry", ["0", "3", "12", "G2", "-1", "2 ", "²"])
def test_a_gantry_other_than_1_or_2_is_refused(gantry):
    assert "neither 1 nor 2" in _refusal({**example_values(), "GantryNum": gantry})


def test_what_the_engine_would_read_follows_its_rules():
    text = "# comment\nKey one two\nKEY three\nOther a#b\nempty \n\nPath /my data\n"

    assert parsed_tps(text, "a.in") == {"key": "one two", "other": "a", "empty": "", "path": "/my data"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Key a\n \nOther b\n", 2),
        ("Key a\n\n   \n", 3),
        ("Key a\n\tOther\n", 2),
        (" Key a\n", 1),
        ("Key\n", 1),
        ("  # a\n", 1),
    ],
)
def test_a_line_that_crashes_the_engine_is_refused_by_number(text, line):
    with pytest.raises(PermanentBeamFailure, match=f"line {line} is not") as refusal:
        parsed_tps(text, "a.in")

    assert refusal.value.code == "tps_invalid"


def test_a_refused_file_leaves_the_one_that_is_there(tmp_path):
    path = tmp_path / "a.in"
    write_tps(path, example_values())

    with pytest.raises(PermanentBeamFailure):
        write_tps(path, {**example_values(), "OutputDir": "a\nGPUID 7"})

    assert path.read_text() == EXAMPLE
    assert list(tmp_path.glob(".a.in*")) == []


def test_a_file_that_changes_on_its_way_to_the_disk_never_gets_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(tps_file, "write_new", lambda path, content: path.write_bytes(content[:-30]))

    with pytest.raises(PermanentBeamFailure, match="read back, its 'beamlayermultigputemproot'"):
        write_tps(tmp_path / "a.in", example_values())

    assert list(tmp_path.glob("*a.in*")) == []


def test_what_a_crash_left_is_written_over(tmp_path):
    (tmp_path / ".a.in.part").write_text("half")

    write_tps(tmp_path / "a.in", example_values())

    assert (tmp_path / "a.in").read_text() == EXAMPLE
    assert not (tmp_path / ".a.in.part").exists()


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda text: "GPUID 7\n" + text, "gpuid"),
        (lambda text: text.replace("GPUID 0", "gpuid 7\nGPUID 0"), "gpuid"),
        (lambda text: text.replace("perBeam", "perB#eam"), "simulationtype"),
        (lambda text: text.replace("Scorer Dose\n", ""), "scorer"),
        (lambda text: text.replace("Scorer Dose", "Scorer  Dose"), "scorer"),
        (lambda text: text + "Extra 1\n", "extra"),
        (lambda text: text.replace("raw\n", "raw\r\n"), "outputformat"),
    ],
)
def test_a_file_in_which_the_engine_sees_something_else_is_refused(tmp_path, change, key):
    path = tmp_path / "a.in"
    path.write_bytes(change(EXAMPLE).encode())

    with pytest.raises(PermanentBeamFailure, match=f"its '{key}' is not") as refusal:
        require_reads_back(path, example_values())

    assert refusal.value.code == "tps_invalid"


def test_a_file_that_is_no_utf_8_is_refused(tmp_path):
    path = tmp_path / "a.in"
    path.write_bytes(EXAMPLE.encode().replace(b"External", b"\xff"))

    with pytest.raises(PermanentBeamFailure, match="no UTF-8"):
        require_reads_back(path, example_values())
