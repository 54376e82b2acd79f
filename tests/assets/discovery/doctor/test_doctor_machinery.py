"""Limiters, clocks, Dagster's mirror, files, and failures that repeat: where each begins to be a finding."""

import pytest

from assets.discovery.doctor import surroundings, wording
from assets.discovery.ledger import breakers, events, limiters
from assets.discovery.ledger.breakers import Breaker
from assets.discovery.ledger.events import Subject
from assets.discovery.ledger.outcomes import Failed, FailureClass, Skipped
from tests.assets.discovery.doctor.doctor_worlds import PAPERS, Clinic
from tests.assets.discovery.ledger.ledger_worlds import START

HOUR_MS = 3_600_000
DAY = 86_400


def test_a_limiter_that_rests_for_an_hour_is_none(clinic):
    limiters.cool(clinic.connection, "sec.gov", clinic.now + HOUR_MS, clinic.now)
    assert clinic.examine() == []


def test_a_breaker_is_told_of_with_its_job(clinic):
    breaker = Breaker("open", cooldown_until=clinic.now + 2 * HOUR_MS, open_for_s=7200)
    breakers.save(clinic.connection, "papers", "fetch", breaker, clinic.now)
    (finding,) = clinic.examine()
    assert (finding.job, finding.command) == ("papers", "inv jobs.unpause -j papers")
    assert finding.evidence == (
        "The breaker of stage fetch of papers rests for another 2 h, until 2026-03-01T02:00:00Z."
    )


DATED_AHEAD = {
    "events": lambda clinic, at: events.write(clinic.connection, "woken", Subject("papers"), at),
    "attempts": lambda clinic, at: clinic.do("UPDATE attempts SET started_at = ? WHERE id = 1", at),
    "limiters": lambda clinic, at: limiters.cool(clinic.connection, "x", 0, at),
    "discoveries": lambda clinic, at: clinic.do("UPDATE job_state SET last_discovery_at = ?", at),
}


@pytest.mark.parametrize("rows", DATED_AHEAD)
def test_rows_of_the_future_are_a_clock_jump_beyond_two_minutes(clinic, rows):
    DATED_AHEAD[rows](clinic, clinic.now + 120_000)
    assert clinic.examine() == []
    DATED_AHEAD[rows](clinic, clinic.now + 120_001)
    assert clinic.ids() == ["clock_jump"]


def test_a_clock_that_was_set_back_is_told_of_for_a_day(clinic):
    for seconds in (600, 300, 660):
        events.write(clinic.connection, "woken", Subject("papers"), START + seconds * 1000)
    assert clinic.at(900).one("clock_jump").evidence == (
        "The clock was set back by 5 min at 2026-03-01T00:05:00Z, as the last events tell."
    )
    assert "clock_jump" not in clinic.at(DAY + 300).ids()


def test_events_a_little_out_of_order_are_no_clock_jump(clinic):
    for seconds in (600, 480, 600):
        events.write(clinic.connection, "woken", Subject("papers"), START + seconds * 1000)
    assert clinic.at(900).examine() == []


def mirrored_up_to(clinic: Clinic, seq: int, *partitions: str) -> None:
    clinic.do("UPDATE job_state SET mirror_seq = ?", seq)
    clinic.know(mirrored=lambda _: set(partitions))


def test_items_that_mirroring_passed_without_telling_dagster_are_drift(clinic):
    mirrored_up_to(clinic, events.last_seq(clinic.connection, "papers"))
    (finding,) = clinic.examine()
    partition = clinic.item("old")["partition_key"]
    assert (
        f"Dagster has not recorded 1 done item of papers that mirroring has passed, such as {partition}."
        in finding.evidence
    )
    assert finding.command.endswith(f"--select discovery/papers/items --partition {partition}")


def test_what_mirroring_has_yet_to_tell_is_no_drift(clinic):
    mirrored_up_to(clinic, clinic.stage("old", "extract")["seq"] - 1)
    clinic.add("waiting")
    assert clinic.examine() == []


def test_an_item_that_is_done_in_part_is_not_mirrored(clinic):
    clinic.add("half")
    (claim,) = clinic.claim()
    clinic.finish(claim, Skipped("empty"))
    mirrored_up_to(clinic, events.last_seq(clinic.connection, "papers"), clinic.item("old")["partition_key"])
    assert clinic.examine() == []


def test_items_beyond_the_cap_gone_or_unfinished_need_not_be_mirrored(clinic):
    clinic.add("new")
    clinic.use(PAPERS.replace("name: papers", "name: papers\n    mirror_limit: 1"))
    mirrored_up_to(clinic, 10_000_000)
    clinic.do("UPDATE sqlite_sequence SET seq = 10000000 WHERE name = 'events'")
    assert clinic.examine() == []
    clinic.finish_all()
    clinic.do("UPDATE job_state SET mirror_seq = 20000000")
    clinic.do("UPDATE sqlite_sequence SET seq = 20000000 WHERE name = 'events'")
    assert "1 done item of papers" in clinic.one("mirror_drift").evidence
    clinic.do("UPDATE work_items SET gone_at = 1 WHERE key = 'new'")
    assert clinic.item("old")["partition_key"] in clinic.one("mirror_drift").evidence


def test_a_ledger_that_is_older_than_its_mirror_is_drift_without_asking_dagster(clinic):
    last = events.last_seq(clinic.connection, "papers")
    clinic.do("UPDATE job_state SET mirror_seq = ?", last)
    assert clinic.examine() == []
    clinic.do("UPDATE job_state SET mirror_seq = ?", last + 1)
    assert f"up to {last + 1}, but the ledger has had {last} at all" in clinic.one("mirror_drift").evidence


def test_events_that_were_pruned_are_no_drift(clinic):
    clinic.do("UPDATE job_state SET mirror_seq = ?", events.last_seq(clinic.connection, "papers"))
    clinic.do("DELETE FROM events")
    assert clinic.examine() == []


def test_a_log_of_256_mb_and_a_disk_of_1_gb_are_well(clinic):
    with (clinic.folder / "big.sqlite-wal").open("wb") as log:
        log.truncate(256 * 2**20)
    clinic.know(ledger=clinic.folder / "big.sqlite", free_bytes=lambda _: 10**9)
    assert clinic.examine() == []


def test_free_bytes_are_those_of_the_nearest_folder_that_exists(tmp_path):
    assert surroundings.free_bytes(tmp_path / "not" / "yet") > 0


def fail(clinic: Clinic, *texts: str, error_class: FailureClass = "permanent") -> None:
    clinic.add(*texts)
    for claim, text in zip(clinic.claim(), texts, strict=True):
        clinic.finish(claim, Failed(error_class, text))


def test_nine_failures_are_too_few_to_be_concentrated(clinic):
    fail(clinic, *(f"404 of {n}" for n in range(9)))
    assert clinic.examine() == []


def test_retries_and_lost_leases_are_failures_too(clinic):
    fail(clinic, *(f"timeout after {n} s" for n in range(10)), error_class="transient")
    clinic.do("UPDATE attempts SET outcome = 'lost' WHERE id = (SELECT max(id) FROM attempts)")
    assert clinic.one("error_concentration").command == "inv jobs.retry -j papers --class transient"


def test_less_than_half_of_the_failures_is_no_concentration(clinic):
    fail(clinic, *(f"404 of {n}" for n in range(5)), *(f"gone {letter}" for letter in "abcdef"))
    assert clinic.examine() == []


def test_only_the_last_fifty_failures_of_a_week_count(clinic):
    fail(clinic, *(f"404 of {n}" for n in range(40)))
    letters = "abcdefghijklmnopqrstuvwxyz"
    fail(clinic, *(f"gone {letter}" for letter in letters))
    assert clinic.examine() == []
    clinic.do("DELETE FROM attempts WHERE error_text LIKE 'gone%'")
    assert clinic.ids() == ["error_concentration"]
    clinic.at(7 * DAY).show()
    assert clinic.examine() == []


def test_retries_of_more_than_an_hour_ago_are_no_storm(clinic):
    fail(clinic, *(f"reason {letter}" for letter in "abcdefghijklmnopqrst"), error_class="transient")
    assert clinic.at(3599).ids() == ["retry_storm"]
    assert clinic.at(3600).examine() == []


def test_nineteen_retries_are_no_storm(clinic):
    fail(clinic, *(f"reason {letter}" for letter in "abcdefghijklmnopqrs"), error_class="transient")
    assert clinic.examine() == []


def test_a_backlog_that_shrank_on_one_day_or_came_at_once_is_not_growing(clinic):
    clinic.add(*(f"first {n}" for n in range(500)))
    assert clinic.examine() == []
    clinic.at(DAY).add(*(f"second {n}" for n in range(100)))
    clinic.at(4 * DAY).add(*(f"third {n}" for n in range(100)))
    assert clinic.examine() == []


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(999, "999 ms"), (1000, "1 s"), (90_000, "1.5 min"), (HOUR_MS, "1 h"), (36 * HOUR_MS, "1.5 d")],
)
def test_spans_are_told_in_their_greatest_unit(milliseconds, text):
    assert wording.span(milliseconds) == text


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0.00 USD"), (1, "0.000001 USD"), (1_500_000, "1.50 USD"), (-10_000, "-0.01 USD")],
)
def test_amounts_are_told_exactly(micros, text):
    assert wording.dollars(micros) == text
