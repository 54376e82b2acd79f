"""Which runs may go: the decision alone, without an instance."""

from dagster._core.storage import tags as dagster_tags
from hypothesis import given
from hypothesis import strategies as st

from scripts.retention import past_runs
from scripts.retention.past_runs import PastRun, Reason, plan

BEFORE = 1_000.0


def past(number, *, job="job", ended: float | None = 10.0, **tags):
    return PastRun(f"run-{number}", number, job, 5.0, ended, {f"dagster/{name}": tags[name] for name in tags})


def decided(*runs, held=None, backfills=()):
    found = plan([*runs, past(99)], held or {}, backfills, BEFORE)
    return [run.run_id for run in found.deletable], dict(found.kept)


def test_the_tags_are_those_of_dagster():
    assert dagster_tags.RUN_KEY_TAG == past_runs.RUN_KEY_TAG
    assert dagster_tags.BACKFILL_ID_TAG == past_runs.BACKFILL_TAG
    assert dagster_tags.SENSOR_NAME_TAG == past_runs._SENSOR_TAG
    assert (dagster_tags.PARENT_RUN_ID_TAG, dagster_tags.ROOT_RUN_ID_TAG) == past_runs._ANCESTOR_TAGS
    assert (
        dagster_tags.PARTITION_NAME_TAG,
        dagster_tags.ASSET_PARTITION_RANGE_START_TAG,
        dagster_tags.ASSET_PARTITION_RANGE_END_TAG,
    ) == past_runs._PARTITION_TAGS


def test_an_old_run_on_which_nothing_stands_goes_and_the_newest_of_all_stays():
    assert decided(past(1), past(2)) == (["run-1", "run-2"], {"run-99": Reason.NEWEST})


def test_a_run_that_has_not_ended_and_a_young_one_stay():
    gone, kept = decided(past(1, ended=None), past(2, ended=BEFORE), past(3, ended=BEFORE - 1))
    assert gone == ["run-3"]
    assert kept["run-1"] is Reason.UNDER_WAY
    assert kept["run-2"] is Reason.YOUNG


def test_a_run_that_holds_something_stays_and_says_what():
    gone, kept = decided(past(1), past(2), held={"run-2": Reason.CHECK})
    assert gone == ["run-1"]
    assert kept["run-2"] is Reason.CHECK


def test_of_one_sensor_job_and_partition_the_run_with_the_newest_key_stays():
    gone, kept = decided(
        past(1, run_key="day:v1", sensor_name="files", partition="day"),
        past(2, run_key="day:v2", sensor_name="files", partition="day"),
        past(3, partition="day"),
    )
    assert gone == ["run-1", "run-3"]
    assert kept["run-2"] is Reason.RUN_KEY


def test_keys_of_another_sensor_job_partition_or_range_protect_nothing():
    runs = [
        past(1, run_key="k", sensor_name="s", partition="a"),
        past(2, run_key="k", sensor_name="t", partition="a"),
        past(3, run_key="k", sensor_name="s", partition="b"),
        past(4, run_key="k", sensor_name="s", partition="a", job="other"),
        past(5, run_key="k", sensor_name="s", asset_partition_range_start="a", asset_partition_range_end="b"),
        past(6, run_key="k", sensor_name="s", asset_partition_range_start="a", asset_partition_range_end="c"),
    ]
    assert decided(*runs)[0] == []


def test_runs_of_a_backfill_stay_while_it_is_in_progress_and_are_judged_one_by_one_after_it():
    runs = [past(1, backfill="b1"), past(2, backfill="b1"), past(3, backfill="b2")]
    assert decided(*runs, backfills={"b1"})[0] == ["run-3"]
    assert decided(*runs, held={"run-2": Reason.MATERIALISATION})[0] == ["run-1", "run-3"]


def test_the_attempts_before_a_run_that_stays_stay_with_it():
    runs = [
        past(1),
        past(2, parent_run_id="run-1", root_run_id="run-1"),
        past(3, parent_run_id="run-2", root_run_id="run-1"),
        past(4),
    ]
    gone, kept = decided(*runs, held={"run-3": Reason.MATERIALISATION})
    assert gone == ["run-4"]
    assert kept["run-1"] is kept["run-2"] is Reason.ANCESTOR


def test_the_attempts_before_it_are_found_one_by_one_where_none_names_the_first():
    runs = [past(1), past(2, parent_run_id="run-1"), past(3, parent_run_id="run-2")]
    assert decided(*runs, held={"run-3": Reason.MATERIALISATION})[0] == []


def test_an_ancestor_that_is_gone_already_is_no_matter():
    assert decided(past(1, parent_run_id="long-gone"), held={"run-1": Reason.CHECK})[0] == []


def test_no_run_at_all_is_fine():
    assert plan([], {}, (), BEFORE).deletable == ()


numbers = st.integers(1, 12)


@st.composite
def histories(draw):
    chosen = sorted(draw(st.sets(numbers)))
    runs = []
    for number in chosen:
        tags = {}
        if draw(st.booleans()):
            tags["run_key"], tags["sensor_name"] = f"k{number}", "s"
        if chosen[0] < number and draw(st.booleans()):
            tags["parent_run_id"] = f"run-{draw(st.sampled_from([n for n in chosen if n < number]))}"
        if draw(st.booleans()):
            tags["backfill"] = "b"
        ended = draw(st.one_of(st.none(), st.floats(0, 2 * BEFORE)))
        runs.append(past(number, job=draw(st.sampled_from("xy")), ended=ended, **tags))
    held = {run.run_id: Reason.CHECK for run in runs if draw(st.booleans())}
    return draw(st.permutations(runs)), held, draw(st.sampled_from([(), ("b",)]))


@given(histories())
def test_whatever_the_history_nothing_that_is_needed_goes(history):
    runs, held, backfills = history
    found = plan(runs, held, backfills, BEFORE)
    gone = {run.run_id for run in found.deletable}
    assert gone.isdisjoint(found.kept)
    assert gone | found.kept.keys() == {run.run_id for run in runs}
    assert sum(found.reasons().values()) == len(found.kept)
    for run in runs:
        if run.run_id in gone:
            assert run.ended_at is not None
            assert run.ended_at < BEFORE
            assert run.run_id not in held
            assert not (backfills and "dagster/backfill" in run.tags)
        elif (parent := run.tags.get("dagster/parent_run_id")) is not None:
            assert parent not in gone


@given(histories())
def test_a_second_pass_over_what_is_left_deletes_nothing_more(history):
    runs, held, backfills = history
    gone = {run.run_id for run in plan(runs, held, backfills, BEFORE).deletable}
    left = [run for run in runs if run.run_id not in gone]
    assert plan(left, held, backfills, BEFORE).deletable == ()
