"""Discovery: what a source shows gets into the ledger once, however reading it ends."""

import gzip
import json
import os
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest

from assets.discovery.contract import Ask, AuthFailure, Candidate, Mark, RateLimited
from assets.discovery.engine import reading
from assets.discovery.engine.pacer import Gate
from assets.discovery.ledger import items
from assets.discovery.ledger.items import Checkpoint
from assets.discovery.ledger.limiters import Rate
from assets.failures import PermanentFailure, TransientFailure
from tests.assets.discovery.engine.source_runs import START, SourceRun, one_job, seen

LISTED = "{strategy: static_list, params: {values: [x]}%s}"


def scripted(tmp_path, more="", job="", **resources) -> SourceRun:
    return SourceRun(tmp_path, one_job(LISTED % more, job), resources)


def listing(*entries: Candidate | Mark | Exception):
    """A script that yields the entries, and raises at the first exception."""

    def script(ask: Ask) -> Iterator[Candidate | Mark]:
        for entry in entries:
            if isinstance(entry, Exception):
                raise entry
            yield entry

    return script


def counted(summary) -> tuple[int, ...]:
    return (
        summary.n_read,
        summary.n_new,
        summary.n_changed,
        summary.n_unchanged,
        summary.n_duplicate,
        summary.n_rejected,
    )


def test_a_list_becomes_items_and_a_second_look_changes_nothing(tmp_path):
    run = SourceRun(tmp_path, one_job("{strategy: static_list, params: {values: [a, b, a, '', NO]}}"))
    first = run.discover()
    assert (first.outcome, counted(first)) == ("ok", (5, 3, 0, 0, 1, 1))
    assert (run.keys, first.new_keys) == (["a", "b", "NO"], ("a", "b", "NO"))
    assert first.warnings == (
        "value 4 is rejected: it is empty, and a thing needs a key; write a value or remove the line",
    )
    stages = run.rows("SELECT * FROM item_stages ORDER BY id")
    second = run.discover()
    assert counted(second) == (5, 0, 0, 3, 1, 1)
    assert run.rows("SELECT * FROM item_stages ORDER BY id") == stages
    assert run.state["last_discovery_id"] == second.discovery_id


@pytest.mark.parametrize(
    ("policy", "revision", "statuses"),
    [("reprocess", 2, ["pending", "pending"]), ("ignore", 1, ["done", "done"])],
)
def test_changed_content_is_a_new_revision_or_ignored(tmp_path, play, policy, revision, statuses):
    run = scripted(tmp_path, f", on_change: {policy}")
    play(listing(seen("x", "1")))
    run.discover()
    run.drain()
    play(listing(seen("x", "2")))
    assert run.discover().n_changed == 1
    assert [row["revision"] for row in run.rows("SELECT revision FROM work_items")] == [revision]
    assert [row["status"] for row in run.rows("SELECT status FROM item_stages ORDER BY ord")] == statuses


@pytest.mark.parametrize(("key_field", "key"), [(", key_field: id", "7"), ("", "data:08b7180481311dfa")])
def test_a_key_is_taken_from_its_field_or_from_the_data(tmp_path, key_field, key):
    values = '[{"id": 7, "title": x}]'
    SourceRun(tmp_path, one_job("{strategy: static_list, params: {values: [q]}}"))
    run = SourceRun(tmp_path, one_job(f"{{strategy: static_list, params: {{values: {values}}}{key_field}}}"))
    run.discover()
    assert run.keys == [key]
    assert run.rows("SELECT title FROM work_items") == [{"title": "x"}]


def test_long_and_strange_keys_are_stored_under_a_digest_or_a_plain_partition(tmp_path):
    values = f"[{'x' * 300}, '../../etc/passwd']"
    run = SourceRun(tmp_path, one_job(f"{{strategy: static_list, params: {{values: {values}}}}}"))
    run.discover()
    rows = run.rows("SELECT key, partition_key, data_json FROM work_items ORDER BY id")
    assert rows[0]["key"] == "raw:0d4e2ca9e9cbced7"
    assert json.loads(rows[0]["data_json"])["raw_key"] == "x" * 300
    assert rows[1]["partition_key"] == "etc-passwd-3754d6cb3a38e118"


def test_a_limit_of_one_takes_rows_with_equal_watermarks_one_by_one(tmp_path):
    import sqlalchemy as sa

    engine = sa.create_engine(f"sqlite:///{tmp_path}/source.db")
    with engine.begin() as source:
        source.execute(sa.text("CREATE TABLE rows (id INTEGER, t INTEGER)"))
        source.execute(sa.text("INSERT INTO rows VALUES (1, 10), (2, 10), (3, 11)"))
    engine.dispose()
    params = 'database: "sqlite:///source.db", query: "SELECT * FROM rows", key_columns: [id]'
    run = SourceRun(tmp_path, one_job(f"{{strategy: sql_query, params: {{{params}, watermark_column: t}}}}"))
    found = [run.discover(limit=1) for _ in range(4)]
    assert [summary.n_new for summary in found] == [1, 1, 1, 0]
    assert [summary.n_read for summary in found] == [1, 1, 1, 0]
    assert run.keys == ["1", "2", "3"]
    assert found[-1].outcome == "not_modified"


def test_a_file_is_found_once_it_is_settled_and_a_renamed_one_is_missing(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.txt").write_text("a")
    run = SourceRun(tmp_path, one_job("{strategy: directory_glob, params: {root: root, settle_s: 10}}"))
    os.utime(root / "a.txt", (START / 1000 - 4, START / 1000 - 4))
    assert counted(run.discover()) == (0, 0, 0, 0, 0, 0)
    os.utime(root / "a.txt", (START / 1000 - 60, START / 1000 - 60))
    assert run.discover().n_new == 1
    (root / "a.txt").rename(root / "b.txt")
    summary = run.discover()
    assert (summary.n_new, summary.n_missing, summary.n_gone) == (1, 1, 0)
    assert run.rows("SELECT key FROM work_items WHERE missing_since IS NOT NULL") == [{"key": "a.txt"}]


def test_a_complete_listing_that_shrinks_marks_what_is_absent_and_nothing_gone_yet(tmp_path, play):
    run = scripted(tmp_path)
    things = [seen(f"i{n}") for n in range(100)]
    play(listing(*things, Mark(page=1, complete=True)))
    run.discover()
    play(listing(*things[:97], Mark(page=1, complete=True)))
    summary = run.discover()
    assert (summary.n_missing, summary.n_gone, run.last["complete"]) == (3, 0, 1)
    assert summary.n_unchanged == 97


@pytest.mark.parametrize(
    ("entries", "limit"),
    [
        ([seen("a"), Mark(page=1)], None),  # never said so
        ([seen("a"), seen("new"), seen("newer"), Mark(page=1, complete=True)], 1),  # the limit
        ([seen("a"), Mark(page=1, complete=True), TransientFailure("it broke")], None),  # an error
    ],
)
def test_a_listing_that_is_not_complete_marks_nothing_missing(tmp_path, play, entries, limit):
    run = scripted(tmp_path)
    play(listing(seen("a"), seen("b"), Mark(page=1, complete=True)))
    run.discover()
    play(listing(*entries))
    assert run.discover(limit=limit).n_missing == 0
    assert run.last["complete"] == 0


def test_the_smaller_limit_counts_and_what_is_known_is_read_beyond_it(tmp_path, play):
    run = scripted(tmp_path, ", limit: 2")
    play(listing(seen("a"), Mark({"n": 1}, page=1), seen("b"), seen("c"), Mark({"n": 3}, page=1)))
    assert counted(run.discover(limit=1)) == (1, 1, 0, 0, 0, 0)
    assert run.state["cursor_json"] == '{"n":1}'
    assert counted(run.discover(limit=5)) == (3, 2, 0, 1, 0, 0)
    assert run.state["cursor_json"] == '{"n":3}'


def test_a_limit_stops_reading_at_the_first_candidate_too_many(tmp_path, play):
    read: list[int] = []

    def script(ask: Ask) -> Iterator[Candidate | Mark]:
        for number in range(5000):
            read.append(number)
            yield seen(str(number))

    run = scripted(tmp_path)
    play(script)
    assert run.discover(limit=3).n_read == 3
    assert len(read) == 4


def test_a_crash_repeats_reading_and_skips_nothing(tmp_path, play, monkeypatch):
    monkeypatch.setattr(reading, "BATCH", 2)

    def script(ask: Ask) -> Iterator[Candidate | Mark]:
        for number in range((ask.cursor or {"n": 0})["n"], 7):
            if number == 5 and ask.cursor is None:
                raise KeyboardInterrupt
            yield seen(str(number))
            yield Mark({"n": number + 1}, page=1)

    run = scripted(tmp_path)
    play(script)
    with pytest.raises(KeyboardInterrupt):
        run.discover()
    assert (run.last["outcome"], run.last["n_read"], run.state["cursor_json"]) == (None, 4, '{"n":4}')
    assert run.discover().n_new == 3
    assert run.keys == [str(number) for number in range(7)]


def test_a_failure_keeps_what_was_marked_and_says_the_source_and_the_rule(tmp_path, play):
    run = scripted(tmp_path)
    play(
        listing(seen("a"), Mark({"n": 1}, page=1), seen("b"), PermanentFailure("page 2 is no JSON; mend it"))
    )
    summary = run.discover()
    assert (summary.outcome, counted(summary)) == ("failed", (2, 2, 0, 0, 0, 0))
    assert run.state["cursor_json"] == '{"n":1}'
    assert summary.error == "static_list could not be read: page 2 is no JSON; mend it"
    assert run.last["error_text"] == summary.error
    assert [json.loads(event["payload_json"])["error"] for event in run.events("discovery_failed")] == [
        summary.error
    ]


def test_a_defect_of_a_strategy_fails_the_discovery_with_its_type_and_place(tmp_path, play):
    def script(ask: Ask) -> Iterator[Candidate | Mark]:
        yield seen("a")
        raise KeyError("title")

    run = scripted(tmp_path)
    play(script)
    error = run.discover().error or ""
    assert "a defect, KeyError (test_discovering.py, line " in error
    assert run.keys == ["a"]


def test_no_secret_is_in_what_a_failure_or_a_warning_says(tmp_path, play):
    discovery = "{strategy: rss_atom, params: {url: 'https://x.test/f?token=env:FEED'}}"
    run = SourceRun(tmp_path, one_job(discovery), {"environment": {"FEED": "very-secret"}})

    def script(ask: Ask) -> Iterator[Candidate | Mark]:
        assert ask.params["url"] == "https://x.test/f?token=very-secret"
        ask.reject("entry 1", f"not of {ask.params['url']}")
        ask.warn("the key is very-secret", event="source_rewritten")
        raise RuntimeError("very-secret")
        yield

    play(script)
    summary = run.discover()
    assert summary.outcome == "failed"
    told = [
        str(summary),
        json.dumps(run.last),
        json.dumps(run.events("source_rewritten", "discovery_failed")),
    ]
    assert "very-secret" not in " ".join(told)
    assert "rss_atom https://x.test/f?token=*** could not be read" in (summary.error or "")


def test_a_secret_that_is_not_set_fails_the_discovery(tmp_path):
    run = SourceRun(tmp_path, one_job("{strategy: rss_atom, params: {url: 'env:FEED'}}"))
    summary = run.discover()
    assert summary.outcome == "failed"
    assert "the environment variable FEED is not set" in (summary.error or "")


def test_a_source_that_refuses_who_we_are_pauses_the_job(tmp_path, play):
    run = scripted(tmp_path)
    play(listing(AuthFailure("https://x.test refused the credentials (401)")))
    assert run.discover().outcome == "failed"
    assert (run.state["paused"], run.state["pause_kind"]) == (1, "auth")
    assert "refused the credentials" in run.state["paused_reason"]


def test_a_source_that_asks_to_wait_lets_the_limiter_rest(tmp_path, play):
    run = scripted(tmp_path)
    gate = Gate("arxiv", (Rate(1, 3),))
    play(listing(RateLimited(90)))
    assert run.discover(gate=gate).outcome == "failed"
    assert run.state["paused"] == 0
    rest = run.rows("SELECT cooldown_until FROM limiters WHERE name = 'arxiv'")
    assert rest == [{"cooldown_until": run.now + 90_000}]


class CountedWeb:
    """Answers nothing, and counts."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    def fetch(self, url: str, **options: Any) -> Any:
        self.urls.append(url)
        return None

    def replaying(self, folder: Any, canonical: Any) -> Any:
        return self


def fetching(pages: int):
    def script(ask: Ask) -> Iterator[Candidate | Mark]:
        for page in range(1, pages + 1):
            ask.http.fetch(f"https://x.test/{page}")
            yield seen(str(page))
            yield Mark({"page": page}, page=page)

    return script


def test_every_request_takes_a_turn_of_the_gate_outside_of_any_transaction(tmp_path, play):
    run = scripted(tmp_path, webs=CountedWeb())
    play(fetching(3))
    run.discover(gate=Gate("arxiv", (Rate(1000, 1),)))
    full_at = json.loads(run.rows("SELECT tokens_json FROM limiters WHERE name = 'arxiv'")[0]["tokens_json"])
    assert full_at == [run.now * 1000 + 3 * 1000]  # Three turns of a millisecond each, in microseconds.


def test_a_turn_that_is_further_off_than_a_run_may_take_fails_the_discovery(tmp_path, play):
    web = CountedWeb()
    run = scripted(tmp_path, webs=web)
    play(fetching(3))
    summary = run.discover(gate=Gate("day", (Rate(1, 86_400),)))
    assert (summary.outcome, len(web.urls)) == ("failed", 1)
    assert "the limiter day lets no request go for 86400 s, and a run waits 600 s at most" in (
        summary.error or ""
    )
    assert run.rows("SELECT cooldown_until FROM limiters") == [{"cooldown_until": 0}]


def test_a_run_that_is_to_stop_leaves_the_discovery_without_outcome_and_the_job_due(tmp_path, play):
    stop = Event()
    web = CountedWeb()
    run = scripted(tmp_path, stop=stop, webs=web)

    def script(ask: Ask) -> Iterator[Candidate | Mark]:
        for page in range((ask.cursor or {"page": 0})["page"] + 1, 5):
            ask.http.fetch(f"https://x.test/{page}")
            yield seen(str(page))
            yield Mark({"page": page}, page=page)
            if page == 2:
                stop.set()

    play(script)
    summary = run.discover()
    assert (summary.outcome, summary.n_new, len(web.urls)) == ("interrupted", 2, 2)
    assert (run.last["outcome"], run.last["error_text"]) == (None, None)
    assert run.last["finished_at"] is not None
    assert (run.state["last_discovery_at"], run.state["cursor_json"]) == (None, '{"page":2}')
    stop.clear()
    assert run.discover().n_new == 2


def test_a_run_that_is_to_stop_ends_between_two_batches(tmp_path, play, monkeypatch):
    monkeypatch.setattr(reading, "BATCH", 10)
    stop = Event()
    stop.set()
    run = scripted(tmp_path, stop=stop)
    play(listing(*(seen(str(n)) for n in range(35)), Mark(page=1, complete=True)))
    summary = run.discover()
    assert (summary.outcome, summary.n_read, run.last["complete"]) == ("interrupted", 10, 0)


def test_a_batch_is_a_thousand_candidates_with_the_mark_behind_them(tmp_path, play, monkeypatch):
    batches: list[tuple[int, str | None]] = []
    upsert = items.upsert

    def recorded(connection, job, listing_, batch, now, **more):
        cursors = [entry.cursor_json for entry in batch if isinstance(entry, Checkpoint)]
        batches.append((len(batch) - len(cursors), cursors[-1] if cursors else None))
        return upsert(connection, job, listing_, batch, now, **more)

    monkeypatch.setattr(items, "upsert", recorded)

    def script(ask: Ask) -> Iterator[Candidate | Mark]:
        for number in range(1, 2501):
            yield seen(str(number))
            if number % 500 == 0:
                yield Mark({"n": number}, page=1)

    run = scripted(tmp_path)
    play(script)
    run.discover()
    assert batches == [(1000, '{"n":1000}'), (1000, '{"n":2000}'), (500, '{"n":2500}')]


def test_the_strategy_is_closed_however_reading_ends(tmp_path, play):
    closed: list[str] = []

    def script(ask: Ask) -> Iterator[Candidate | Mark]:
        try:
            for number in range(100):
                yield seen(str(number))
        finally:
            closed.append("closed")

    run = scripted(tmp_path)
    play(script)
    run.discover(limit=1)
    assert closed == ["closed"]


def test_reading_ends_after_a_page_without_a_new_key(tmp_path, play):
    pages: list[int] = []

    def script(ask: Ask) -> Iterator[Candidate | Mark]:
        assert ask.limit is None
        for page in range(1, 6):
            pages.append(page)
            yield seen(str(10 - page))
            yield Mark(page=page)

    run = scripted(tmp_path, ", stop_when_seen: true")
    play(listing(seen("7"), Mark(page=1)))
    run.discover()
    play(script)
    summary = run.discover(limit=100)
    assert (pages, counted(summary)) == ([1, 2, 3], (3, 2, 0, 1, 0, 0))


def test_a_strategy_that_reads_beyond_max_pages_is_stopped(tmp_path, play):
    run = scripted(tmp_path, ", max_pages: 2")
    play(listing(*(entry for n in range(1, 6) for entry in (seen(str(n)), Mark({"n": n}, page=n)))))
    summary = run.discover()
    assert (summary.n_read, summary.warnings) == (
        3,
        ("Reading stopped after max_pages 2; raise it for more.",),
    )
    assert run.state["cursor_json"] == '{"n":3}'


def test_a_deleted_thing_is_gone_at_once_and_an_unknown_one_is_not_created(tmp_path, play):
    run = scripted(tmp_path)
    play(listing(seen("a"), seen("b")))
    run.discover()
    play(listing(seen("a", deleted=True), seen("z", deleted=True), seen("b")))
    summary = run.discover()
    assert (summary.n_read, summary.n_unchanged, summary.n_gone) == (3, 1, 1)
    assert run.keys == ["a", "b"]
    statuses = run.rows("SELECT DISTINCT status FROM item_stages WHERE item_id = 1")
    assert statuses == [{"status": "cancelled"}]


def test_an_event_of_a_strategy_is_written_and_its_text_is_a_warning(tmp_path, play):
    def script(ask: Ask) -> Iterator[Candidate | Mark]:
        ask.warn("history was rewritten", event="source_rewritten")
        yield seen("a")

    run = scripted(tmp_path)
    play(script)
    assert run.discover().warnings == ("history was rewritten",)
    (event,) = run.events("source_rewritten")
    assert (event["level"], event["run_id"], json.loads(event["payload_json"])) == (
        "warn",
        "run",
        {"text": "history was rewritten"},
    )


def test_no_more_than_a_hundred_warnings_and_new_keys_are_kept(tmp_path, play):
    def script(ask: Ask) -> Iterator[Candidate | Mark]:
        for number in range(150):
            ask.reject(f"line {number}", "too short")
            yield seen(str(number))

    run = scripted(tmp_path)
    play(script)
    summary = run.discover()
    assert (len(summary.warnings), summary.warnings[-1]) == (101, "50 more warnings are not shown.")
    assert (len(summary.new_keys), summary.n_rejected) == (100, 150)


def test_an_empty_listing_that_is_an_error_stays_one_while_the_source_says_not_modified(tmp_path, play):
    def script(ask: Ask) -> Iterator[Candidate | Mark]:
        yield Mark(None, {"etag": "e"}, page=0 if (ask.validators or {}).get("etag") == "e" else 1)

    run = scripted(tmp_path, ", empty_is_error: true")
    play(script)
    for _ in range(2):
        summary = run.discover()
        assert summary.outcome == "failed"
        assert "listed nothing" in (summary.error or "")


def test_a_whole_document_that_is_suspiciously_short_marks_nothing(tmp_path, play):
    run = scripted(tmp_path)
    play(listing(*(seen(str(n)) for n in range(20)), Mark(page=1)))
    run.discover()
    play(listing(seen("0"), Mark(page=1)))
    summary = run.discover()
    assert summary.outcome == "anomalous"
    assert summary.warnings[-1].startswith("The source listed far less")


@pytest.mark.parametrize(
    ("before", "entries"),
    [
        ([seen("0"), Mark({"n": 1}, page=1)], [seen("0"), Mark({"n": 2}, page=1)]),
        ([seen("0"), Mark({"n": 1}, page=1)], [seen("0"), Mark(None, page=1)]),  # the rest of a paged one
    ],
)
def test_an_incremental_read_is_never_called_short(tmp_path, play, before, entries):
    run = scripted(tmp_path)
    play(listing(*(seen(str(n)) for n in range(20)), *before))
    run.discover()
    play(listing(*entries))
    assert run.discover().outcome == "ok"


FEED = """<?xml version="1.0"?><rss version="2.0"><channel><title>t</title>
<item><guid>one</guid><title>One</title></item></channel></rss>"""


def test_a_replayed_feed_is_read_once_and_then_is_as_it_was(tmp_path):
    url = "https://x.test/feed"
    folder = tmp_path / "replay"
    folder.mkdir()
    (folder / "feed.xml").write_text(FEED)
    (folder / "empty").write_bytes(b"")

    def answers(*lines: dict[str, Any]) -> None:
        (folder / "index.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    run = SourceRun(tmp_path, one_job(f"{{strategy: rss_atom, params: {{url: '{url}'}}}}", "replay: replay"))
    answers({"url": url, "headers": {"ETag": '"1"'}, "file": "feed.xml"})
    first = run.discover()
    assert (first.outcome, first.new_keys, run.last["http_status"]) == ("ok", ("one",), 200)
    validators = run.state["validators_json"]
    answers({"url": url, "status": 304})
    second = run.discover()
    assert (second.outcome, counted(second), run.last["http_status"]) == (
        "not_modified",
        (0, 0, 0, 0, 0, 0),
        304,
    )
    answers({"url": url, "file": "empty"})
    third = run.discover()
    assert (third.outcome, run.state["cursor_json"]) == ("failed", None)
    assert "empty" in (third.error or "")
    assert json.loads(run.state["validators_json"]) == json.loads(validators)
    answers({"url": url, "status": 410})
    assert "gone" in (run.discover().error or "").lower()
    assert run.last["http_status"] == 410
    answers()
    assert "no line for GET https://x.test/feed" in (run.discover().error or "")


def test_recordings_that_cannot_be_read_fail_the_discovery(tmp_path):
    run = SourceRun(
        tmp_path,
        one_job("{strategy: rss_atom, params: {url: 'https://x.test/feed'}}", "replay: nowhere"),
    )
    summary = run.discover()
    assert summary.outcome == "failed"
    assert "index.jsonl cannot be read" in (summary.error or "")


def test_results_of_another_job_are_items_and_change_with_them(tmp_path):
    upstream_text = one_job("{strategy: static_list, params: {values: [a, b]}}")
    follower = "{strategy: upstream_results, params: {job: papers, stage: score}}"
    text = f"{upstream_text}\n  - {{name: follower, discovery: {follower}, handler: report}}"
    run = SourceRun(tmp_path, text)
    assert run.discover().outcome == "not_modified"
    upstream = SourceRun(tmp_path, upstream_text)
    upstream.discover()
    upstream.drain()
    run.now = upstream.now
    assert run.discover().new_keys == ("a", "b")
    assert run.discover().outcome == "not_modified"


def test_a_table_that_grew_is_read_on_from_where_the_last_discovery_ended(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"id": 1}\n{"id": 2}\n')
    run = SourceRun(tmp_path, one_job("{strategy: table_file, params: {path: t.jsonl, key_columns: [id]}}"))
    assert run.discover().n_new == 2
    path.write_text('{"id": 1}\n{"id": 2}\n{"id": 3}\n')
    assert counted(run.discover()) == (1, 1, 0, 0, 0, 0)
    with gzip.open(tmp_path / "t.jsonl.gz", "wt") as file:
        file.write('{"id": 1}\n')
    run.configure(one_job("{strategy: table_file, params: {path: t.jsonl.gz, key_columns: [id]}}"))
    assert counted(run.discover()) == (1, 0, 0, 1, 0, 0)


def test_a_complete_listing_without_a_new_key_is_complete_where_reading_stops_at_known_pages(tmp_path, play):
    run = scripted(tmp_path, ", stop_when_seen: true")
    play(listing(seen("a"), seen("b"), Mark(page=1, complete=True)))
    run.discover()
    play(listing(seen("a"), Mark(page=1, complete=True)))
    assert run.discover().n_missing == 1


def test_a_limit_holds_across_batches_and_the_one_of_the_job_without_another(tmp_path, play, monkeypatch):
    monkeypatch.setattr(reading, "BATCH", 2)
    run = scripted(tmp_path, ", limit: 3")
    play(listing(*(seen(str(n)) for n in range(9)), Mark(page=1, complete=True)))
    assert [run.discover(limit=limit).n_new for limit in (None, 5, 9)] == [3, 3, 3]
    assert run.last["complete"] == 1


def test_a_listing_that_a_limit_cut_is_never_called_short(tmp_path, play):
    run = scripted(tmp_path)
    play(listing(*(seen(str(n)) for n in range(20)), Mark(page=1)))
    run.discover()
    play(listing(seen("new"), Mark(page=1), seen("newer"), Mark(page=2)))
    assert run.discover(limit=1).outcome == "ok"


def test_a_source_that_shows_only_what_is_rejected_has_been_read(tmp_path, play):
    def script(ask: Ask) -> Iterator[Candidate | Mark]:
        ask.reject("row 1", "it has no place")
        yield Mark({"n": 1})

    run = scripted(tmp_path)
    play(script)
    summary = run.discover()
    assert (summary.outcome, summary.n_rejected) == ("ok", 1)


def test_validators_are_kept_by_a_mark_that_has_none_and_cleared_by_empty_ones(tmp_path, play):
    run = scripted(tmp_path)
    play(listing(seen("a"), Mark(None, {"etag": "e"}, page=1), Mark({"n": 1}, page=1)))
    run.discover()
    assert (run.state["cursor_json"], run.state["validators_json"]) == ('{"n":1}', '{"etag":"e"}')
    play(listing(seen("a"), Mark({"n": 2}, page=1), Mark({"n": 3}, {}, page=1)))
    run.discover()
    assert (run.state["cursor_json"], run.state["validators_json"]) == ('{"n":3}', "{}")


def test_an_item_has_the_priority_of_its_candidate_or_else_of_its_job(tmp_path, play):
    run = scripted(tmp_path, job="priority: 7")
    play(listing(seen("a"), seen("b", priority=0)))
    run.discover()
    assert run.rows("SELECT priority FROM work_items ORDER BY id") == [{"priority": 7}, {"priority": 0}]


class RefusingWeb(CountedWeb):
    """Refuses every request, as the resource says it."""

    def fetch(self, url: str, **options: Any) -> Any:
        error = PermissionError("https://x.test/1 answered 401")
        error.failure = "auth"  # pyright: ignore[reportAttributeAccessIssue] # errors of the resource have it
        raise error


def test_an_error_of_the_web_that_a_strategy_lets_pass_is_the_failure_that_it_says(tmp_path, play):
    run = scripted(tmp_path, webs=RefusingWeb())
    play(fetching(1))
    assert run.discover().error == "static_list could not be read: https://x.test/1 answered 401"
    assert run.state["pause_kind"] == "auth"
