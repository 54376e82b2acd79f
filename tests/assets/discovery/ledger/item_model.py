"""The model that random interleavings are compared with: three items of a job as plain objects."""

from dataclasses import dataclass, field

from assets.discovery.ledger.plans import BreakerPolicy, JobPlan, RetryPolicy, StagePlan

ATTEMPTS = 3
RETRY = RetryPolicy(max_attempts=ATTEMPTS, base_ms=10_000, cap_ms=40_000, jitter=0.0)
# It never opens: what a breaker does with the same outcomes has tests of its own.
STAGES = tuple(
    StagePlan(name, needs, "1", retry=RETRY, breaker=BreakerPolicy(min_calls=10_000), estimate_micros=5)
    for name, needs in (("fetch", ()), ("tickers", ()), ("score", ("fetch", "tickers")))
)
JOB = JobPlan("papers", STAGES)
KEYS = ("a", "b", "c")
TERMINAL = {"done", "failed", "skipped", "cancelled"}


@dataclass
class Row:
    """What the model knows of a stage."""

    status: str = "pending"
    attempt: int = 0
    most: int = ATTEMPTS
    not_before: int = 0
    token: int | None = None
    lease_until: int = 0
    inputs: object = None
    output: object = None
    version: str = ""
    priority: int = 100

    def run_again(self) -> None:
        self.priority = 200
        self.status, self.attempt, self.most, self.not_before = "pending", 0, ATTEMPTS, 0


@dataclass
class Item:
    revision: int = 1
    content: str = "0"
    waiting: str | None = None
    cancelled: bool = False
    rows: dict[str, Row] = field(default_factory=lambda: {stage.name: Row() for stage in STAGES})

    def runs(self) -> bool:
        return any(row.status == "in_progress" for row in self.rows.values())

    def inputs_of(self, stage: StagePlan) -> object:
        """What the stage would get today."""
        return (self.content, [self.rows[need].output for need in stage.needs])

    def reconsider(self, name: str) -> None:
        """Early cut-off: only dependents whose inputs differ run again."""
        for stage in JOB.dependents(name):
            row = self.rows[stage.name]
            if row.status == "done" and row.inputs != self.inputs_of(stage):
                row.run_again()

    def renew(self, content: str) -> None:
        self.revision, self.content, self.waiting, self.cancelled = self.revision + 1, content, None, False
        self.rows = {stage.name: Row() for stage in STAGES}

    def settle(self) -> None:
        if self.waiting is not None and not self.runs():
            self.renew(self.waiting)
