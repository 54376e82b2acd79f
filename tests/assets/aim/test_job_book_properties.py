"""Whatever a run does, in however many processes: two whole files with the keys of the contract."""

from collections import Counter
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from assets.aim.job_book import OpenStage
from tests.assets.aim.book_places import MANIFEST_KEYS, RUN, STAGE_KEYS, STATUS_KEYS, Clock, Place, book_in

STAGES = st.integers(1, 9)
COUNTS = st.integers(0, 10_000)
REQUESTS = st.dictionaries(
    st.tuples(
        st.sampled_from(["GET", "POST"]),
        st.sampled_from(["/app", "/login"]),
        st.sampled_from([200, 503, None]),
    ),
    st.integers(1, 9),
)


class RunsOfOneName(RuleBasedStateMachine):
    """One run, its processes one after another, beside a plain account of what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.place, self.clock = Place(), Clock()
        self.book = book_in(self.place, RUN, self.clock)
        self.state = "idle"
        self.outcomes: dict[int, tuple[str | None, int]] = {}
        self.sql: list[str] = []
        self.progress = (0, 0)
        self.earlier: Counter[tuple[Any, ...]] = Counter()
        self.own: Counter[tuple[Any, ...]] = Counter()
        self.has_report = False
        self.killed: list[AbstractContextManager[OpenStage]] = []  # Kept, for their disposal would end them.

    @property
    def is_running(self) -> bool:
        return self.state == "running"

    @rule()
    def start(self) -> None:
        self.book.start()
        self.state = "running"

    @rule()
    def go_on_in_another_process(self) -> None:
        self.earlier, self.own = self.earlier + self.own, Counter()
        self.book = book_in(self.place, RUN, self.clock, continues=self.state != "idle")

    @precondition(lambda self: self.is_running)
    @rule(number=STAGES, rows=COUNTS)
    def do_a_stage(self, number: int, rows: int) -> None:
        with self.book.stage(number, f"Stage {number}") as stage:
            stage.rows = rows
        self.outcomes[number] = ("success", rows)

    @precondition(lambda self: self.is_running)
    @rule(number=STAGES, rows=COUNTS)
    def fail_in_a_stage(self, number: int, rows: int) -> None:
        try:
            with self.book.stage(number, f"Stage {number}") as stage:
                stage.rows = rows
                raise ZeroDivisionError
        except ZeroDivisionError:
            self.outcomes[number] = ("failed", 0)

    @precondition(lambda self: self.is_running)
    @rule(number=STAGES)
    def be_killed_in_a_stage(self, number: int) -> None:
        self.killed.append(self.book.stage(number, f"Stage {number}"))
        self.killed[-1].__enter__()
        self.outcomes[number] = (None, 0)
        self.go_on_in_another_process()

    @precondition(lambda self: self.is_running)
    @rule(succeeded=COUNTS, failed=COUNTS, line=st.none() | st.text(max_size=20))
    def make_progress(self, succeeded: int, failed: int, line: str | None) -> None:
        self.book.progress(succeeded + failed, succeeded, line)
        self.progress = (succeeded + failed, succeeded)

    @precondition(lambda self: self.is_running)
    @rule(name=st.sampled_from("abc"))
    def run_sql(self, name: str) -> None:
        self.book.ran_sql(f"{name}.sql", 10, "0" * 64)
        if f"{name}.sql" not in self.sql:
            self.sql.append(f"{name}.sql")

    @precondition(lambda self: self.is_running)
    @rule(requests=REQUESTS)
    def make_requests(self, requests: dict[tuple[Any, ...], int]) -> None:
        self.own = Counter(requests)
        names = ("method", "path", "status")
        self.book.http_requests(
            [dict(zip(names, key, strict=True)) | {"count": count} for key, count in requests.items()]
        )

    @precondition(lambda self: self.is_running)
    @rule(cost=st.floats(0, 10))
    def report(self, cost: float) -> None:
        self.book.report({"run_id": RUN, "estimated_cost_gbp": cost})
        self.has_report = True

    @precondition(lambda self: self.is_running)
    @rule()
    def finish(self) -> None:
        self.book.finish()
        is_good = all(outcome == "success" for outcome, _ in self.outcomes.values())
        self.state = "success" if is_good else "failed"
        self.close_stages()

    @precondition(lambda self: self.state != "idle")
    @rule(summary=st.text(max_size=20))
    def fail(self, summary: str) -> None:
        self.book.fail(summary)
        self.state = "failed"
        self.close_stages()

    def close_stages(self) -> None:
        self.outcomes = {
            number: (outcome or "failed", rows) for number, (outcome, rows) in self.outcomes.items()
        }

    @precondition(lambda self: self.state != "idle")
    @invariant()
    def the_status_is_whole(self) -> None:
        status = self.place.status
        attempted, succeeded = self.progress
        assert list(status) == STATUS_KEYS + ["report"] * self.has_report
        assert (status["state"], status["run_id"]) == (self.state, RUN)
        assert (status["ended_at"] is None) == self.is_running
        assert (self.state == "success") <= (status["error_summary"] is None)
        assert status["progress"] == {
            "attempted": attempted,
            "succeeded": succeeded,
            "failed": attempted - succeeded,
        }
        for key in ("started_at", "ended_at", "heartbeat_ts"):
            if status[key] is not None:
                assert datetime.fromisoformat(status[key]).utcoffset() == timedelta(0)

    @precondition(lambda self: self.state != "idle")
    @invariant()
    def the_manifest_is_whole(self) -> None:
        manifest = self.place.manifest
        assert list(manifest) == MANIFEST_KEYS
        assert all(list(stage) == STAGE_KEYS for stage in manifest["stages"])
        assert {
            stage["stage"]: (stage["outcome"], stage["rows"]) for stage in manifest["stages"]
        } == self.outcomes
        assert [stage["stage"] for stage in manifest["stages"]] == sorted(self.outcomes)
        assert all((stage["ended_at"] is None) == (stage["outcome"] is None) for stage in manifest["stages"])
        assert [file["file"] for file in manifest["sql_files"]] == self.sql
        counted = [tuple(entry.values()) for entry in manifest["http_requests"]]
        assert {entry[:3]: entry[3] for entry in counted} == self.earlier + self.own
        assert counted == sorted(counted, key=lambda entry: (*entry[:2], entry[2] or 1000))


RunsOfOneName.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
test_whatever_a_run_does_its_files_are_whole = RunsOfOneName.TestCase
