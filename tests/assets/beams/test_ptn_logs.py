"""Decoding the machine's log of a layer."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.beams.failures import PermanentBeamFailure
from assets.beams.ptn import decoded, log_name, sample_count
from tests.assets.beams.ptn_words import BEAM_ON, Sample, ptn_bytes

_WORD = st.integers(0, 65535)


@given(st.lists(st.tuples(*[_WORD] * 8), min_size=1, max_size=40))
def test_every_word_is_read_as_a_big_endian_unsigned_number(rows):
    log = decoded(b"".join(struct.pack(">8H", *row) for row in rows), "a")

    words = (log.x, log.y, log.x_size, log.y_size, log.dose1, log.dose2, log.layer_word, log.state)
    assert list(zip(*(column.tolist() for column in words), strict=True)) == rows
    assert len(log) == len(rows)
    assert {column.dtype for column in words} == {np.dtype("uint16")}


@given(st.lists(st.tuples(_WORD, _WORD), min_size=1, max_size=40))
def test_the_bits_of_layer_and_state_are_those_of_the_format(rows):
    log = decoded(ptn_bytes(Sample(layer=layer, state=state) for layer, state in rows), "a")

    assert log.layer_numbers.tolist() == [layer % 256 for layer, _ in rows]
    assert log.rescans.tolist() == [state % 128 for _, state in rows]
    assert log.beam_on.tolist() == [state // 16384 == 3 for _, state in rows]


@pytest.mark.parametrize(
    ("state", "on"), [(0xC001, True), (0x8001, False), (0x4001, False), (0x3FFF, False), (0xFFFF, True)]
)
def test_the_beam_is_on_when_it_was_planned_and_actual(state, on):
    assert decoded(ptn_bytes([Sample(state=state)]), "a").beam_on.tolist() == [on]


def test_an_empty_log_is_refused_and_named():
    with pytest.raises(PermanentBeamFailure, match=r"'2026032010000000/01\.ptn' is empty") as refusal:
        decoded(b"", "2026032010000000/01.ptn")

    assert refusal.value.code == "ptn_empty"
    assert refusal.value.phase == "preparation"


@pytest.mark.parametrize("surplus", range(1, 16))
def test_a_cut_log_is_refused_with_the_number_of_surplus_bytes(surplus):
    content = ptn_bytes([Sample(), Sample(), Sample()])[: 32 + surplus]

    with pytest.raises(
        PermanentBeamFailure, match=rf"{32 + surplus} bytes, {surplus} more than 2 whole"
    ) as cut:
        decoded(content, "01.ptn")

    assert cut.value.code == "ptn_length"


def test_the_number_of_samples_follows_from_the_size_alone():
    assert sample_count(16 * 70_000, "a") == 70_000
    with pytest.raises(PermanentBeamFailure) as refusal:
        sample_count(8, "a")
    assert refusal.value.code == "ptn_length"


def test_a_log_is_named_by_its_delivery_folder_and_file(tmp_path):
    assert log_name(tmp_path / "2026032010000000" / "01-a.ptn") == "2026032010000000/01-a.ptn"


def test_rescan_numbers_do_not_hide_behind_the_beam_bits():
    log = decoded(ptn_bytes([Sample(state=BEAM_ON | 3), Sample(state=0)]), "a")

    assert log.rescans.tolist() == [3, 0]
