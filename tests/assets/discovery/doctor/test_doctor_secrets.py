"""Secrets in the ledger are found wherever they are, and never shown."""

import json
from urllib.parse import quote, quote_plus

import pytest

from assets.discovery.ledger import events
from assets.discovery.ledger.events import Subject
from assets.discovery.ledger.outcomes import Failed
from tests.assets.discovery.doctor.doctor_worlds import PAPERS, SECRET

WRITTEN = {
    "an event": ("UPDATE events SET payload_json = ? WHERE seq = 1", "1 event"),
    "an error of a stage": ("UPDATE item_stages SET error_text = ? WHERE id = 1", "1 error"),
    "an error of an attempt": ("UPDATE attempts SET error_text = ? WHERE id = 1", "1 error"),
    "an error of a discovery": ("UPDATE discoveries SET error_text = ? WHERE id = 1", "1 error"),
    "a result": ("UPDATE results SET payload_json = ? WHERE id = 1", "1 result"),
    "a configuration": ("UPDATE job_state SET config_json = ?", "1 configuration"),
    "a cursor": ("UPDATE job_state SET cursor_json = ?", "1 cursor"),
    "validators": ("UPDATE job_state SET validators_json = ?", "1 cursor"),
    "the link of an item": ("UPDATE work_items SET url = ? WHERE id = 1", "1 item"),
    "the data of an item": ("UPDATE work_items SET data_json = ? WHERE id = 1", "1 item"),
}
FORMS = {
    "plain": SECRET,
    "as JSON": json.dumps({"x": SECRET}),
    "as JSON that was not escaped": json.dumps({"x": SECRET}, ensure_ascii=False),
    "in a link": f"https://a.example/?page={quote(SECRET, safe='')}",
    "in a form": f"page={quote_plus(SECRET)}",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", WRITTEN)
def test_a_secret_is_found_in_every_place_and_form_and_never_shown(clinic, place, form):
    statement, where = WRITTEN[place]
    clinic.do(statement, FORMS[form])
    (finding,) = clinic.examine()
    assert (finding.id, finding.severity, finding.job) == ("secret_in_events", "error", "papers")
    assert f"The value of env:PAPERS_TOKEN stands in {where} of papers" in finding.evidence
    for text in FORMS.values():
        assert text not in finding.evidence


@pytest.mark.parametrize("place", [place for place in WRITTEN if " of an item" not in place])
def test_a_link_with_a_credential_is_found_and_never_shown(clinic, place):
    statement, where = WRITTEN[place]
    clinic.do(statement, '{"asked": "https://a.example/?page=2&API_KEY=hunter2hunter2"}')
    (finding,) = clinic.examine()
    assert finding.evidence == f"Links with credentials stand in {where} of papers."
    assert finding.severity == ("info" if place == "a result" else "error")


@pytest.mark.parametrize("place", WRITTEN)
def test_a_hidden_credential_and_ordinary_parameters_are_not_found(clinic, place):
    clinic.do(WRITTEN[place][0], '{"asked": "https://a.example/?token=***&page=2&monkey=1", "key": "sig=1"}')
    assert clinic.examine() == []


def test_the_links_of_items_are_the_sources_own(clinic):
    clinic.do("UPDATE work_items SET url = 'https://cdn.example/a.mp3?token=abcdefgh'")
    assert clinic.examine() == []


def test_only_variables_that_the_jobs_refer_to_are_secrets_and_short_values_are_none(clinic):
    clinic.know(environment={"PAPERS_TOKEN": "on", "HOME": "somewhere"})
    events.write(clinic.connection, "woken", Subject("papers"), clinic.now, {"by": "on somewhere"})
    assert clinic.examine() == []


def test_several_secrets_are_told_apart(clinic):
    clinic.know(environment={"PAPERS_TOKEN": SECRET, "UNSET_NOTE": "another-secret"})
    for text in (SECRET, "another-secret", "another-secret"):
        events.write(clinic.connection, "woken", Subject("papers"), clinic.now, {"by": text})
    told = [finding.evidence.split(" of papers")[0] for finding in clinic.examine()]
    assert told == [
        "The value of env:PAPERS_TOKEN stands in 1 event",
        "The value of env:UNSET_NOTE stands in 2 events",
    ]


def test_other_findings_hide_secrets_too_also_in_the_event_of_a_fix(clinic):
    clinic.add(*(f"k{n}" for n in range(10)))
    for claim in clinic.claim():
        clinic.finish(claim, Failed("permanent", f"refused: {SECRET} at https://u:pw@a.example/?sig=hunter2"))
    clinic.add(f"leaky {SECRET}")
    clinic.claim(lease_s=60)
    clinic.at(61)
    findings = clinic.examine()
    assert {"error_concentration", "expired_lease", "secret_in_events"} == {
        finding.id for finding in findings
    }
    fixed = clinic.fix()
    told = [finding.evidence for finding in findings + fixed]
    told += [event["payload_json"] for event in clinic.events("doctor_fixed")]
    assert fixed
    for text in told:
        assert SECRET not in text
        assert "hunter2" not in text


def test_a_reference_itself_is_no_secret(clinic):
    assert "env:PAPERS_TOKEN" in PAPERS
    clinic.do("UPDATE job_state SET config_json = ?", '{"headers": "Bearer env:PAPERS_TOKEN"}')
    assert clinic.examine() == []
