"""Wrong usage and wrong configuration: exit code 2, a sentence, and nothing touched."""

import json
from pathlib import Path

import pytest

from resources.home import quintet_home
from resources.ledger import connections
from tests.scripts.discovery_cli.cli_worlds import VERBS, Desk, inv, ledger_path, rows, words

NEEDING_A_JOB = (
    *("run", "test", "dry-run", "items", "show", "retry", "skip", "pause", "unpause", "wake"),
    *("stale", "reprocess"),
)
WITH_A_JOB = (*NEEDING_A_JOB, "status", "costs", "events", "doctor", "export")
EXTRA = {
    "show": ("-k", "a"),
    "retry": ("--all",),
    "skip": ("-k", "a"),
    "export": ("--to", "/dev/null/out"),
}


def refused(*words_: str) -> str:
    """What a command says that is refused."""
    ended = inv(*words_)
    assert (ended.code, ended.out) == (2, ""), ended
    assert "Traceback" not in ended.err
    return ended.err.strip()


@pytest.fixture
def listed(desk: Desk) -> Desk:
    desk.jobs(words("a", {"value": "b", "does": "fail"}), words("c", name="others", enabled=False))
    return desk


@pytest.mark.parametrize("verb", NEEDING_A_JOB)
def test_a_verb_that_needs_a_job_says_which_there_are(listed: Desk, verb: str):
    assert (
        refused(f"jobs.{verb}", *EXTRA.get(verb, ()))
        == "give a job: -j NAME; the jobs file has words, others"
    )


@pytest.mark.parametrize("verb", WITH_A_JOB)
def test_an_unknown_job_is_told_in_one_sentence_with_the_nearest_name(listed: Desk, verb: str):
    said = refused(f"jobs.{verb}", "-j", "wrods", *EXTRA.get(verb, ()))

    assert said == "unknown job 'wrods'; the nearest is 'words'"
    assert not ledger_path().exists()


@pytest.mark.parametrize("verb", VERBS)
def test_a_broken_jobs_file_is_told_whole_before_the_ledger_is_touched(desk: Desk, verb: str):
    desk.jobs(words("a", timezone="Mars/Base"), words("a", priorty=3))

    said = refused(f"jobs.{verb}", *(("-j", "words") if verb in WITH_A_JOB else ()), *EXTRA.get(verb, ()))

    assert "Mars/Base" in said
    assert "the nearest valid key is 'priority'" in said
    assert "words" in said
    assert len(said.splitlines()) == 3  # The name that is given twice, too.
    assert not quintet_home().exists()


def test_handlers_that_are_none_are_told_with_the_other_mistakes_of_the_file(desk: Desk):
    stages = [
        {"name": "fetch", "handler": "ftch"},
        {"name": "read", "handler": "assets.failures"},
        {"name": "score", "handler": "no module"},
        {"name": "tell", "handler": "report"},
    ]
    desk.jobs(words("a", timezone="Mars/Base", stages=stages))

    said = refused("jobs.list").splitlines()

    assert len(said) == 4
    assert ("Mars/Base" in said[0], "no module" in said[1]) == (True, True)
    assert "(of words.fetch): unknown handler 'ftch'; the nearest is 'fetch'" in said[2]
    assert "my_package.ftch" in said[2]
    assert "handler assets.failures (of words.read)" in said[3]
    assert not quintet_home().exists()


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "doctor"])
def test_a_handler_that_is_none_is_named_before_the_ledger_is_touched(desk: Desk, verb: str):
    desk.jobs(words("a", stages=[{"name": "fetch", "handler": "assets.failures"}]))

    said = refused(f"jobs.{verb}", *(("-j", "words") if verb in WITH_A_JOB else ()), *EXTRA.get(verb, ()))

    assert "assets.failures" in said
    assert not quintet_home().exists()


def test_the_doctor_finds_a_handler_that_is_none(desk: Desk):
    desk.jobs(words("a"))
    inv("jobs.run", "-j", "words", "--discover-only")
    desk.jobs(words("a", stages=[{"name": "fetch", "handler": "assets.failures"}]))

    ended = inv("jobs.doctor", "--json")

    assert ended.code == 1
    assert "unknown_handler" in [finding["id"] for finding in ended.document["findings"]]


def test_a_ledger_that_cannot_be_kept_there_is_wrong_configuration(
    listed: Desk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connections, "file_system_of", lambda _folder: "nfs4")

    assert "network file system (nfs4)" in refused("jobs.run", "-j", "words")


def test_an_absent_jobs_file_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("QUINTET_DISCOVERY_JOBS", str(desk.folder / "absent.yaml"))

    assert "absent.yaml cannot be read" in refused("jobs.list")


def test_a_setting_of_the_deployment_that_is_wrong_is_told(listed: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("QUINTET_DEPLOYMENT", "mars")

    assert "There is no deployment 'mars'" in refused("jobs.status")


RUN_REFUSALS = [
    ("run", ("--no-reset",), "no_reset is for tests only"),
    ("run", ("--stage", "fetch"), "in a test only"),
    ("run", ("--item", "a"), "in a test only"),
    ("dry-run", ("--no-reset",), "no_reset is for tests only"),
    ("dry-run", ("--item", "a"), "in a test only"),
    ("test", ("--discover-only", "--stage", "fetch"), "does not go with a stage or an item"),
    ("test", ("--stage", "fecth"), "unknown stage 'fecth'; the nearest is 'fetch'"),
    ("test", ("--item", "nobody"), "has no item 'nobody'"),
    *((verb, ("--limit", limit), "is no whole number above 0")
      for verb in ("run", "test", "dry-run") for limit in ("0", "-1", "1.5", "many", "٣")),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "options", "said"), RUN_REFUSALS)
def test_runs_that_cannot_be_meant_are_refused_before_any_work(
    listed: Desk, verb: str, options: tuple[str, ...], said: str
):
    assert said in refused(f"jobs.{verb}", "-j", "words", *options)
    if ledger_path().exists():
        assert rows("SELECT count(*) FROM work_items") == [(0,)]
        assert rows("SELECT count(*) FROM events") == [(0,)]


def test_a_stage_cannot_be_tested_before_what_it_needs_which_is_listed(desk: Desk):
    desk.jobs(words("a", stages=[{"name": "fetch"}, {"name": "extract"}, {"name": "score"}]))
    inv("jobs.run", "-j", "words", "--discover-only")

    said = refused("jobs.test", "-j", "words", "--stage", "score", "--item", "a")

    assert "extract" in said
    assert "extract" in refused("jobs.test", "-j", "words", "--stage", "score")


def test_an_item_of_another_job_is_unknown_to_this_one(desk: Desk):
    desk.jobs(words("a"), words("c", name="others"))
    inv("jobs.run", "-j", "others")

    assert "no item" in refused("jobs.test", "-j", "words", "--item", "c")
    assert "no item" in refused("jobs.show", "-j", "words", "-k", "c")


@pytest.mark.parametrize("verb", ["run", "wake"])
def test_a_disabled_job_is_not_run(listed: Desk, verb: str):
    assert "disabled" in refused(f"jobs.{verb}", "-j", "others")


def test_a_disabled_job_can_be_tried(listed: Desk):
    assert inv("jobs.test", "-j", "others", "--json").document["items"]["done"] == 1


@pytest.fixture
def orphaned(desk: Desk) -> Desk:
    """A job with an item that is no longer in the jobs file, and the ledger knows it."""
    desk.jobs(words("a"), words("c", name="others"))
    inv("jobs.run", "-j", "others")
    desk.jobs(words("a"))
    inv("jobs.run", "-j", "words")
    return desk


CHANGING = ("run", "test", "dry-run", "retry", "skip", "pause", "unpause", "wake", "reprocess")


@pytest.mark.parametrize("verb", CHANGING)
def test_a_job_that_left_the_jobs_file_is_not_worked_on(orphaned: Desk, verb: str):
    before = rows("SELECT max(seq) FROM events")

    assert "others is no longer in the jobs file" in refused(
        f"jobs.{verb}", "-j", "others", *EXTRA.get(verb, ())
    )
    assert rows("SELECT max(seq) FROM events") == before


def test_a_job_that_left_the_jobs_file_can_be_looked_at(orphaned: Desk):
    (status,) = inv("jobs.status", "-j", "others", "--json").document["jobs"]
    (item,) = inv("jobs.items", "-j", "others", "--stage", "anything", "--json").document["items"] or [None]
    shown = inv("jobs.show", "-j", "others", "-k", "c", "--json").document

    assert status["state"] == "orphaned"
    assert item is None
    assert shown["item"]["key"] == "c"
    assert inv("jobs.doctor", "-j", "others", "--json").code in (0, 1)
    assert len(inv("jobs.items", "-j", "others", "--json").document["items"]) == 1


OTHER_REFUSALS = [
    (("jobs.items", "-j", "words", "--status", "dnoe"), "unknown status 'dnoe'; the nearest is 'done'"),
    (("jobs.items", "-j", "words", "--stage", "socre"), "unknown stage 'socre'; the nearest is 'score'"),
    (("jobs.items", "-j", "words", "--limit", "none"), "--limit 'none' is no whole number above 0"),
    (("jobs.show", "-j", "words"), "give an item: -k KEY"),
    (("jobs.show", "-j", "words", "-k", "  "), "give an item: -k KEY"),
    (("jobs.show", "-j", "words", "-k", "nobody"), "no item with the key, partition key or id 'nobody'"),
    (("jobs.show", "-j", "words", "-k", "9" * 30), "no item"),
    (("jobs.retry", "-j", "words"), "exactly one of -k KEY, --class CLASS and --all"),
    (("jobs.retry", "-j", "words", "-k", "a", "--all"), "exactly one of"),
    (("jobs.retry", "-j", "words", "--class", "code", "--all"), "exactly one of"),
    (("jobs.retry", "-j", "words", "-k", "a", "--class", "code"), "exactly one of"),
    (
        ("jobs.retry", "-j", "words", "--class", "cod"),
        "unknown class of failures 'cod'; the nearest is 'code'",
    ),
    (("jobs.retry", "-j", "words", "-k", "nobody"), "no item"),
    (("jobs.skip", "-j", "words"), "give an item: -k KEY"),
    (("jobs.skip", "-j", "words", "-k", "a", "--stage", "socre"), "unknown stage 'socre'"),
    (
        ("jobs.skip", "-j", "words", "-k", "a", "--stage", "score"),
        "done -> skipped is not a legal transition",
    ),
    (("jobs.pause", "-j", "words", "--until", "yesterday"), "--until 'yesterday' is no ISO time"),
    (("jobs.pause", "-j", "words", "--until", "2020-01-01"), "is not in the future"),
    (("jobs.pause", "-j", "words", "--until", "+0"), "is not in the future"),
    (("jobs.pause", "-j", "words", "--until", "+1h"), "is no +SECONDS"),
    (("jobs.reprocess", "-j", "words", "--stage", "socre"), "unknown stage 'socre'; the nearest is 'score'"),
    (("jobs.reprocess", "-j", "words", "--limit", "0"), "--limit '0' is no whole number above 0"),
    (("jobs.costs", "--by", "modle"), "unknown grouping 'modle'; the nearest is 'model'"),
    (("jobs.costs", "--day", "monday"), "--day 'monday' is no date"),
    (("jobs.events", "--type", "stage_dnoe"), "'stage_dnoe' is no type of event"),
    (("jobs.events", "--since", "then"), "--since 'then' is no ISO time"),
    (("jobs.events", "--limit", "0", "--follow"), "--limit '0' is no whole number above 0"),
    (("jobs.export",), "give the file to write: --to PATH"),
    (("jobs.export", "--to", "/dev/null/x"), "cannot be written"),
    (("jobs.export", "--to", "/"), "cannot be written"),
    (("jobs.report", "--to", "/dev/null/x"), "cannot be written"),
]


@pytest.mark.parametrize(
    ("command", "said"), OTHER_REFUSALS, ids=[" ".join(case[0]) for case in OTHER_REFUSALS]
)
def test_what_cannot_be_meant_is_told_in_one_sentence(listed: Desk, command: tuple[str, ...], said: str):
    inv("jobs.run", "-j", "words")
    before = rows("SELECT max(seq) FROM events")

    told = refused(*command)

    assert said in told
    assert len(told.splitlines()) == 1
    assert rows("SELECT max(seq) FROM events") == before


def test_a_recording_that_cannot_be_used_is_wrong_configuration(desk: Desk):
    (desk.folder / "recorded").mkdir()
    (desk.folder / "recorded" / "index.jsonl").write_text("no json\n")
    feed = {"strategy": "rss_atom", "params": {"url": "https://example.com/feed.xml"}}
    desk.jobs({**words("a"), "discovery": feed, "replay": "recorded"})

    assert "index.jsonl" in refused("jobs.run", "-j", "words")


def test_a_secret_that_is_not_set_is_named_before_any_work(desk: Desk):
    desk.jobs(words("a", params={"key": "env:QUINTET_TEST_KEY"}))

    assert "QUINTET_TEST_KEY" in refused("jobs.run", "-j", "words")


def test_the_shipped_jobs_are_the_default(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("QUINTET_DISCOVERY_JOBS", raising=False)
    shipped = Path(__file__).parents[3] / "assets" / "discovery" / "jobs.yaml"

    names = [job["job"] for job in json.loads(inv("jobs.list", "--json").out)["jobs"]]

    assert all(f"name: {name}" in shipped.read_text() for name in names)
    assert "dumb_money_live" in names
