"""`scan`: one tick by hand, from the folders to keys, rows and the document."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assets.beams.failures import beam_failure
from assets.beams.listing import fingerprint_of
from assets.beams.partitions import beam_cases, beam_fields
from assets.beams.registry import cases, failing
from assets.beams.registry.rows import all_cases
from resources.home import quintet_home
from scripts.beams.desk import Desk
from scripts.sample_data.beams import SampleCase, write_case
from scripts.sample_data.beams_case import MARKER
from tests.assets.beams.registry.registry_worlds import CASE
from tests.scripts.beams_desks import beams, files_below, registry


@pytest.fixture
def root() -> Path:
    """The scan root, with a sound case, one with an unreadable plan, one without a marker, and a link."""
    root = quintet_home() / "storage" / "beam-logs"
    write_case(root, SampleCase(1))
    write_case(root, SampleCase(2, corruption="rtplan_parse_failed"))
    write_case(root, SampleCase(3))
    (root / "G2" / "QA0003" / MARKER).unlink()
    (root / "G2" / "QA0004").symlink_to(root / "G2" / CASE)
    write_case(root, SampleCase(5, corruption="bad_case_id"))
    return root


def keys() -> tuple[list[str], list[str]]:
    with Desk().instance() as instance:
        return (
            sorted(instance.get_dynamic_partitions(str(beam_cases.name))),
            sorted(instance.get_dynamic_partitions(str(beam_fields.name))),
        )


def test_a_scan_tells_of_every_folder_and_registers_keys_and_rows_of_cases(root):
    ended = beams("scan", "--json")
    assert ended.code == 0
    told = {case["path"]: case for case in ended.document["cases"]}
    fingerprint = fingerprint_of(root / "G2" / CASE)
    assert told[f"G2/{CASE}"] == {
        "case": CASE,
        "path": f"G2/{CASE}",
        "room": "G2",
        "state": "ready",
        "code": None,
        "message": None,
        "fingerprint": fingerprint,
        "beams": [1, 2, 3],
    }
    assert (told["G2/QA0002"]["state"], told["G2/QA0002"]["beams"]) == ("ready", [])
    assert (told["G2/QA0004"]["state"], told["G2/QA0004"]["code"]) == ("refused", "symlinked_case")
    (bad,) = [case for case in told.values() if case["code"] == "bad_case_id"]
    assert (bad["case"], bad["state"]) == (None, "refused")
    assert ended.document["ignored"] == [{"path": "G2/QA0003", "code": "no_marker"}]
    assert keys() == ([CASE, "QA0002"], [f"{CASE}|1", f"{CASE}|2", f"{CASE}|3"])
    with registry() as connection:
        assert [(case.case_key, case.status) for case in all_cases(connection)] == [
            (CASE, "ready"),
            ("QA0002", "ready"),
        ]
    assert f"The sensor would ask for the run {CASE}:{fingerprint}:manifest:1." in ended.err


def test_a_scan_launches_nothing_and_never_writes_to_the_scan_root(root):
    before = files_below(root)
    beams("scan")
    with Desk().instance() as instance:
        assert instance.get_runs_count() == 0
    assert files_below(root) == before


def test_a_second_scan_finds_the_same_and_registers_nothing_twice(root):
    first, second = beams("scan", "--json"), beams("scan", "--json")
    assert second.document == first.document
    assert keys() == ([CASE, "QA0002"], [f"{CASE}|1", f"{CASE}|2", f"{CASE}|3"])


def test_a_scan_remembers_the_one_before_so_that_changed_content_needs_a_renewed_marker(root):
    def standing() -> tuple[str, str | None]:
        told = {case["case"]: case for case in beams("scan", "--json").document["cases"]}
        return told[CASE]["state"], told[CASE]["code"]

    beams("scan")
    with registry() as connection:
        work = cases.begin_manifest(connection, CASE, "m1", datetime.now(UTC))
        failing.fail_case(
            connection, work, beam_failure("missing_beams", "one is lacking"), datetime.now(UTC)
        )
    assert standing() == ("current", None)
    (root / "G2" / CASE / "note.txt").write_text("one more file")
    assert standing() == ("waiting", "content_changing")
    os.utime(root / "G2" / CASE / MARKER, (1e9, 1e9))
    assert standing() == ("ready", None)


def test_for_people_it_is_tables_and_sentences(root):
    ended = beams("scan")
    assert ended.code == 0
    for word in (CASE, "1, 2, 3", "symlinked_case", "no_marker", "is a link"):
        assert word in ended.out


def test_a_scan_root_that_is_not_there_has_no_case():
    ended = beams("scan", "--json")
    assert (ended.code, ended.document) == (0, {"cases": [], "ignored": []})
    assert "no case" in beams("scan").out
