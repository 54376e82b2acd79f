"""When a discovery is overdue or suspicious, and which links count as one thing twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.doctor.sources import looks_canonical
from assets.discovery.ledger import pauses
from assets.discovery.ledger.listings import Report
from assets.discovery.urls import canonical_url
from tests.assets.discovery.doctor.doctor_worlds import PAPERS, Clinic, linked
from tests.assets.discovery.ledger.ledger_worlds import seen

HOUR = 3600


def test_a_discovery_is_overdue_from_its_third_interval_on(clinic):
    assert clinic.at(3 * HOUR - 0.001).examine() == []
    assert clinic.at(3 * HOUR).ids() == ["discovery_overdue"]


def test_cron_counts_its_own_times_in_the_zone_of_the_job(clinic):
    """The clock starts at 2026-03-01T00:00Z, 19:00 in New York; on the 8th its clocks go forward."""
    clinic.use(PAPERS.replace("every_s: 3600", 'cron: "30 6 * * SUN"'))
    third = 14 * 24 * HOUR + 10.5 * HOUR  # 2026-03-15 at 06:30 EDT: the 1st and the 8th came before
    assert clinic.at(third - 1).examine() == []
    assert clinic.at(third).ids() == ["discovery_overdue"]


@pytest.mark.parametrize(
    ("report", "last"),
    [
        (Report(error_text="503 from the source"), "failed: 503 from the source."),
        (Report(not_modified=True), None),
    ],
)
def test_only_discoveries_that_worked_count(clinic, report, last):
    clinic.at(2 * HOUR).discover(report=report)
    clinic.at(3 * HOUR)
    if last is None:
        assert clinic.examine() == []
    else:
        assert clinic.one("discovery_overdue").evidence.endswith(
            f"the last try at 2026-03-01T02:00:00Z {last}"
        )


def test_a_discovery_that_never_ended_is_told(clinic):
    clinic.at(HOUR).do("INSERT INTO discoveries (job_id, started_at) VALUES ('papers', ?)", clinic.now)
    assert "T01:00:00Z never ended." in clinic.at(4 * HOUR).one("discovery_overdue").evidence


def test_a_job_that_never_looked_is_only_information(clinic):
    clinic.do("DELETE FROM item_stages")
    clinic.do("DELETE FROM work_items")
    clinic.do("DELETE FROM discoveries")
    assert clinic.at(3 * HOUR - 1).examine() == []
    finding = clinic.at(3 * HOUR).one("discovery_overdue")
    assert finding.severity == "info"
    assert "papers has never looked at its source" in finding.evidence


NOT_DUE = {
    "only on request": lambda clinic: clinic.use(PAPERS.replace("      every_s: 3600\n", "")),
    "disabled": lambda clinic: clinic.use(PAPERS.replace("name: papers", "name: papers\n    enabled: false")),
    "disabled in the ledger": lambda clinic: clinic.do("UPDATE job_state SET enabled = 0"),
    "orphaned": lambda clinic: clinic.do("UPDATE job_state SET orphaned_at = 1"),
    "unknown to the ledger": lambda clinic: clinic.use(PAPERS.replace("name: papers", "name: other")),
    "paused": lambda clinic: pauses.pause(clinic.connection, "papers", "lunch", clinic.now),
}


@pytest.mark.parametrize("reason", NOT_DUE)
def test_what_is_not_to_be_discovered_is_not_overdue(clinic, reason):
    clinic.at(9 * HOUR)
    NOT_DUE[reason](clinic)
    assert clinic.examine() == []


def test_a_pause_that_lets_discovery_go_on_does_not_excuse_it(clinic):
    pauses.pause(clinic.connection, "papers", "lunch", clinic.now)
    clinic.use(PAPERS.replace("name: papers", "name: papers\n    pause_discovery: false"))
    assert clinic.at(3 * HOUR).ids() == ["discovery_overdue"]


def test_a_backfill_that_is_complete_is_not_overdue(clinic):
    clinic.use(PAPERS.replace("name: papers", "name: papers\n    kind: backfill"))
    assert clinic.at(3 * HOUR).ids() == ["discovery_overdue"]
    clinic.show(seen("old"), complete=True)
    assert clinic.at(9 * HOUR).examine() == []


def test_an_anomaly_is_over_when_the_next_listing_is_good(clinic):
    many = [seen(f"k{n}") for n in range(20)]
    clinic.discover(*many, report=Report(whole=True))
    clinic.discover(report=Report(whole=True))
    assert "read up to 20" in clinic.one("discovery_anomalous").evidence
    clinic.discover(*many, report=Report(whole=True))
    assert clinic.examine() == []


NO_DUPLICATES = {
    "the same text twice is told apart by the ids of the source": [
        linked("a", "https://show.example/"),
        linked("b", "https://show.example/"),
    ],
    "other pages": [linked("a", "https://a.example/x"), linked("b", "https://a.example/x/")],
    "an item that is gone": [
        linked("a", "https://a.example/x"),
        linked("b", "https://A.example/x"),
        seen("b", deleted=True),
    ],
    "keys that are no links": [seen("HTTP"), seen("http")],
}


@pytest.mark.parametrize("name", NO_DUPLICATES)
def test_these_are_no_duplicates(clinic, name):
    for sighting in NO_DUPLICATES[name]:
        clinic.show(sighting)
    assert clinic.examine() == []


def test_links_may_be_keys_and_what_the_job_drops_does_not_tell_them_apart(clinic):
    clinic.show(seen("https://a.example/x?utm_source=mail"), linked("b", "https://a.example/x"))
    assert clinic.examine() == []
    clinic.use(PAPERS.replace("params: {", 'params: {drop_params: ["utm_*"], '))
    finding = clinic.one("duplicate_after_canonicalisation")
    assert "https://a.example/x?utm_source=mail and https://a.example/x." in finding.evidence
    assert (
        finding.command == f"inv jobs.skip -j papers -k {clinic.item('b')['id']} --cancel --reason duplicate"
    )


def test_jobs_do_not_share_links(clinic: Clinic):
    clinic.use(PAPERS + PAPERS.split("jobs:\n")[1].replace("name: papers", "name: other"))
    clinic.sync(clinic.jobs[1].plan)
    clinic.show(linked("a", "https://a.example/x"))
    clinic.job = clinic.jobs[1].plan
    clinic.show(linked("b", "https://A.example/x"))
    assert clinic.examine() == []


ORDINARY = ("https://", "http://", "a.example", "/", ".", "x", "?", "&", "a=1", "b=2", "~", "-", "b", "=")
ODD = ("A.example", "//", "..", "token=x", "%41", "%2F", "ü", ":443", "#", "+", ";", "=b=", " ")
PIECES = st.sampled_from((*ORDINARY, *ODD))


@pytest.mark.parametrize(
    "link",
    [
        "https://a.example",
        "https://A.example/",
        "https://a.example/../x",
        "https://a.example/x?",
        "https://a.example/x?a",
        "https://a.example/x?b=1&a=2",
        "https://a.example/x?a=2&a=1",
        "https://a.example/x?sig=1",
    ],
)
def test_links_with_another_canonical_form_do_not_look_canonical(link):
    assert canonical_url(link) != link
    assert not looks_canonical(link)


@given(st.lists(PIECES, max_size=9).map("".join))
def test_a_link_that_looks_canonical_is(text):
    for link in (text, f"https://a.example/{text}", f"https://a.example/x?{text}"):
        if looks_canonical(link):
            assert canonical_url(link) == link
        if looks_canonical(link, any_query=False):
            assert canonical_url(link, ["*"]) == link


@pytest.mark.parametrize(
    "link",
    ["https://a.example/", "https://a.example/x/y.html", "http://a-b.example/x?a=1&b=2", "https://a.b/~x"],
)
def test_ordinary_links_look_canonical(link):
    assert looks_canonical(link)
