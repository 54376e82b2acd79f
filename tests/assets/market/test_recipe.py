"""What a month is made with, and what says that it is current."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.market.recipe import CODE_VERSION, DEFAULT_DECAY_REFERENCE, Fingerprint, Provenance, Recipe

NOW = Fingerprint("etag", 100, Recipe().digest)
PROVENANCE = Provenance("raw-data/key", "etag", 100, "strict", Recipe().digest, CODE_VERSION)


def test_the_defaults_are_the_documented_ones():
    assert Recipe() == Recipe("strict", "error", "2025-10")
    assert DEFAULT_DECAY_REFERENCE == "2025-10"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"rules": "loose"}, "rules: 'loose' is unknown; choose one of strict, compat"),
        ({"rules": "Strict"}, "rules: 'Strict' is unknown; choose one of strict, compat"),
        ({"duplicates": "first"}, "duplicates: 'first' is unknown; choose one of error, last"),
        ({"duplicates": ""}, "duplicates: '' is unknown; choose one of error, last"),
        (
            {"decay_reference_month": "2025"},
            "decay_reference_month: '2025' is not a month; write it as YYYY-MM, for example 2025-10",
        ),
        (
            {"decay_reference_month": "9999-12"},
            (
                "decay_reference_month: '9999-12' would make every weight vanish or overflow; choose a month "
                "from 2000-01 to 2099-12"
            ),
        ),
        (
            {"decay_reference_month": "2025-13"},
            "decay_reference_month: '2025-13' is not a month; write it as YYYY-MM, for example 2025-10",
        ),
    ],
)
def test_a_value_outside_the_contract_is_refused_with_the_choices(fields: dict[str, str], sentence: str):
    with pytest.raises(ValueError, match="^" + sentence + "$"):
        Recipe(**fields)  # pyright: ignore[reportArgumentType] the point of the test


def test_under_compat_a_month_decays_from_itself():
    assert Recipe("compat", decay_reference_month="2020-01").decay_reference("2015-03") == "2015-03"
    assert Recipe("strict", decay_reference_month="2020-01").decay_reference("2015-03") == "2020-01"


def test_the_digest_tells_recipes_apart_exactly_when_they_act_differently():
    acting: dict[str, set[tuple[str, ...]]] = {}
    for rules, duplicates, reference in product(
        ("strict", "compat"), ("error", "last"), ("2025-10", "2025-09")
    ):
        digest = Recipe(rules, duplicates, reference).digest
        acting.setdefault(digest, set()).add((rules, duplicates, reference))
    assert len(acting) == 5
    assert sorted(map(len, acting.values())) == [1, 1, 1, 1, 4]


def test_the_digest_does_not_change_between_processes():
    assert Recipe().digest == "dc0edce921100f62"


@pytest.mark.parametrize(
    ("published", "difference"),
    [
        (NOW, None),
        (replace(NOW, input_etag="other"), "changed input"),
        (replace(NOW, input_size=101), "changed input"),
        (replace(NOW, config_digest=Recipe("compat").digest), "changed config"),
        (replace(NOW, code_version="0"), "changed code"),
        (Fingerprint("other", 101, "other", "0"), "changed input"),
        (Fingerprint("etag", 100, "other", "0"), "changed code"),
    ],
)
def test_a_fingerprint_differs_for_one_reason(published: Fingerprint, difference: str | None):
    assert NOW.difference(published) == difference


def test_table_metadata_has_the_documented_names_and_holds_text():
    assert PROVENANCE.metadata(621_000) == {
        "quintet.input_key": "raw-data/key",
        "quintet.input_etag": "etag",
        "quintet.input_size": "100",
        "quintet.rules": "strict",
        "quintet.config_digest": Recipe().digest,
        "quintet.code_version": CODE_VERSION,
        "quintet.row_count": "621000",
    }


@given(
    st.builds(
        Provenance,
        input_key=st.text(),
        input_etag=st.text(),
        input_size=st.integers(0, 2**63),
        rules=st.sampled_from(["strict", "compat"]),
        config_digest=st.text(),
        code_version=st.text(),
    ),
    st.integers(0, 10**9),
)
def test_provenance_reads_back_from_table_metadata(provenance: Provenance, row_count: int):
    assert Provenance.from_metadata(provenance.metadata(row_count)) == provenance
    assert provenance.fingerprint == Fingerprint(
        provenance.input_etag, provenance.input_size, provenance.config_digest, provenance.code_version
    )


@pytest.mark.parametrize("name", [name for name in PROVENANCE.metadata(1) if name != "quintet.row_count"])
def test_metadata_without_an_entry_is_not_ours(name: str):
    metadata = PROVENANCE.metadata(1)
    del metadata[name]
    with pytest.raises(KeyError, match=name):
        Provenance.from_metadata(metadata)


@pytest.mark.parametrize(("name", "text"), [("quintet.rules", "loose"), ("quintet.input_size", "many")])
def test_metadata_with_an_impossible_entry_is_not_ours(name: str, text: str):
    with pytest.raises(ValueError, match=text):
        Provenance.from_metadata(PROVENANCE.metadata(1) | {name: text})
