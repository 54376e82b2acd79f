"""In which order and how many at once a runlist and segments are asked, with an engine of our own."""

import asyncio
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.waves import Cam, Journal, Pace, SegmentPlan
from resources.waves.driver import ask_runlist, ask_segments
from resources.waves.engine import Engine
from resources.waves.values import Answer, failed_answer


class ScriptedEngine(Engine):
    """Answers each CAM by its vehicle, after as many turns of the event loop as it is told."""

    def __init__(self, failing=(), turns=lambda: 0, segments=None):
        self.failing = Counter(failing)
        self.turns = turns
        self.sizes = segments or {}
        self.asked = []
        self.under_way = 0
        self.most_under_way = 0

    async def batch(self, run_id, cams):
        self.asked.append((run_id, [cam.vehicle for cam in cams]))
        await self._take_time()
        return [self.answer(cam.vehicle) for cam in cams]

    async def segments(self):
        return list(self.sizes)

    async def page(self, segment, offset, top_n):
        self.asked.append((segment, offset, top_n))
        await self._take_time()
        present = range(self.sizes[segment])[offset : offset + top_n]
        return [self.answer(f"{segment} {number}") for number in present]

    def answer(self, vehicle) -> Answer:
        self.failing[vehicle] -= 1
        if self.failing[vehicle] >= 0:
            return failed_answer(vehicle, "x", "TIMEOUT")
        return {"Vehicle": vehicle, "success": True, "asked": len(self.asked)}

    async def _take_time(self):
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        for _ in range(self.turns()):
            await asyncio.sleep(0)
        self.under_way -= 1


def cams(count):
    return [Cam(str(number), "x", str(number), "x") for number in range(count)]


def ask(engine, count, journal=None, **pace):
    return asyncio.run(ask_runlist(engine, cams(count), Pace(**pace), journal or Journal(), "global_1"))


def vehicles(answers):
    return [answer["Vehicle"] for answer in answers]


def test_1200_cams_by_500_are_three_batches():
    engine = ScriptedEngine()
    assert vehicles(ask(engine, 1200)) == [str(number) for number in range(1200)]
    assert [(run_id, len(batch)) for run_id, batch in engine.asked] == [
        ("global_1", 500),
        ("global_1", 500),
        ("global_1", 200),
    ]


def test_what_failed_is_asked_once_more_in_order_and_only_good_answers_replace():
    engine = ScriptedEngine({"1": 1, "2": 1, "4": 2})
    answers = ask(engine, 5, batch_size=2, in_flight=1)
    assert engine.asked == [
        ("global_1", ["0", "1"]),
        ("global_1", ["2", "3"]),
        ("global_1", ["4"]),
        ("global_1_retry", ["1", "2"]),
        ("global_1_retry", ["4"]),
    ]
    assert [answer["success"] for answer in answers] == [True, True, True, True, False]
    assert vehicles(answers) == ["0", "1", "2", "3", "4"]
    assert answers[0]["asked"] == 1


def test_a_failure_of_the_second_pass_leaves_the_answer_of_the_first():
    class Wordy(ScriptedEngine):
        def answer(self, vehicle):
            return {"success": False, "error_code": f"FAILURE {len(self.asked)}"}

    assert ask(Wordy(), 1) == [{"success": False, "error_code": "FAILURE 1"}]


def test_there_is_no_second_pass_without_failures_and_never_a_third():
    engine = ScriptedEngine()
    ask(engine, 3)
    assert len(engine.asked) == 1
    engine = ScriptedEngine({"0": 99})
    ask(engine, 3)
    assert [run_id for run_id, _ in engine.asked] == ["global_1", "global_1_retry"]


@given(
    st.integers(1, 40),
    st.integers(1, 7),
    st.integers(1, 16),
    st.dictionaries(st.integers(0, 39).map(str), st.integers(1, 2)),
    st.integers(),
)
def test_the_answers_are_the_same_whatever_the_latency(count, batch_size, in_flight, failing, seed):
    chance = random.Random(seed)
    engine = ScriptedEngine(failing, turns=lambda: chance.randrange(6))
    progress = []
    journal = Journal(on_batch=progress.append)
    answers = ask(engine, count, journal, batch_size=batch_size, in_flight=in_flight)
    assert vehicles(answers) == [str(number) for number in range(count)]
    assert [a["success"] for a in answers] == [failing.get(str(number), 0) < 2 for number in range(count)]
    assert engine.most_under_way <= in_flight
    assert progress[-1].attempted == count
    assert progress[-1].succeeded == sum(answer["success"] for answer in answers)


def test_batches_overlap_as_far_as_they_may():
    engine = ScriptedEngine(turns=lambda: 5)
    ask(engine, 20, batch_size=1, in_flight=4)
    assert engine.most_under_way == 4


def test_progress_is_told_after_every_batch():
    seen = []
    journal = Journal(on_batch=seen.append)
    ask(ScriptedEngine({"0": 2, "3": 1}), 5, journal, batch_size=2, in_flight=1)
    assert [(p.finished, p.batches, p.second_pass, p.attempted, p.succeeded, p.failed) for p in seen] == [
        (1, 3, False, 2, 1, 1),
        (2, 3, False, 4, 2, 2),
        (3, 3, False, 5, 3, 2),
        (1, 1, True, 5, 4, 1),
    ]
    assert [(f.vehicle, f.size, f.error_code) for f in seen[0].failures] == [("0", "x", "TIMEOUT")]
    assert seen[2].failures == []


def test_the_first_batch_is_told_before_the_last_one_is_asked():
    told = []
    engine = ScriptedEngine()
    journal = Journal(on_batch=lambda _: told.append(len(engine.asked)))
    ask(engine, 10, journal, batch_size=1, in_flight=4)
    assert told[0] < 10


def test_the_caller_decides_what_is_good():
    def only_even(answers):
        return [None if int(answer["Vehicle"]) % 2 == 0 else "FORMAT_ERROR" for answer in answers]

    seen = []
    engine = ScriptedEngine()
    ask(engine, 4, Journal(judge=only_even, on_batch=seen.append))
    assert engine.asked[1] == ("global_1_retry", ["1", "3"])
    assert [failure.error_code for failure in seen[0].failures] == ["FORMAT_ERROR", "FORMAT_ERROR"]


def test_an_answer_that_is_no_object_is_a_failure():
    class Mute(ScriptedEngine):
        def answer(self, vehicle):
            return None if vehicle == "1" else ["?"] if vehicle == "2" else super().answer(vehicle)

    seen = []
    answers = ask(Mute(), 3, Journal(on_batch=seen.append))
    assert answers[1:] == [None, ["?"]]
    assert [failure.error_code for failure in seen[-1].failures] == ["INTERNAL_ERROR", "INTERNAL_ERROR"]


class Enough(Exception):
    pass


def test_a_caller_who_has_had_enough_ends_the_run_and_no_batch_is_begun_after_that():
    engine = ScriptedEngine(turns=lambda: 3)

    def stop(_):
        raise Enough

    with pytest.raises(Enough):
        ask(engine, 100, Journal(on_batch=stop), batch_size=1, in_flight=2)
    assert len(engine.asked) <= 4


def test_pages_go_up_to_the_total_and_the_last_asks_only_for_the_rest():
    engine = ScriptedEngine(segments={"SUV": 99})
    plan = SegmentPlan(total_per_segment=100, page_size=45, pages_in_flight=1)
    answers = asyncio.run(ask_segments(engine, plan, Journal()))
    assert engine.asked == [("SUV", 0, 45), ("SUV", 45, 45), ("SUV", 90, 10)]
    assert vehicles(answers) == [f"SUV {number}" for number in range(99)]


@given(
    st.dictionaries(st.sampled_from("ABCDE"), st.integers(0, 12)),
    st.integers(0, 12),
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(),
)
def test_answers_of_segments_are_in_order_whatever_the_latency(
    segments, total, page_size, at_once, pages_at_once, seed
):
    chance = random.Random(seed)
    engine = ScriptedEngine(segments=segments, turns=lambda: chance.randrange(6))
    plan = SegmentPlan((), total, page_size, at_once, pages_at_once)
    seen = []
    answers = asyncio.run(ask_segments(engine, plan, Journal(on_batch=seen.append)))
    expected = [f"{name} {n}" for name, size in segments.items() for n in range(min(size, total))]
    assert vehicles(answers) == expected
    assert engine.most_under_way <= at_once * pages_at_once
    assert all(page.attempted == page.succeeded for page in seen)
    assert not seen or (seen[-1].attempted, seen[-1].finished) == (len(expected), seen[-1].batches)


def test_only_wanted_segments_are_asked_and_unknown_ones_are_told(caplog):
    engine = ScriptedEngine(segments={"SUV": 2, "Van": 2, "City": 2})
    plan = SegmentPlan(limit_to=("Lorry", "City", "SUV"), page_size=500)
    answers = asyncio.run(ask_segments(engine, plan, Journal()))
    assert vehicles(answers) == ["SUV 0", "SUV 1", "City 0", "City 1"]
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "There is no segment Lorry; there are SUV, Van, City."
    ]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Pace(batch_size=0), "batch_size is 0; it must be 1 to 500"),
        (lambda: Pace(batch_size=501), "batch_size is 501"),
        (lambda: Pace(in_flight=17), "in_flight is 17; it must be 1 to 16"),
        (lambda: Pace(timeout_s=0), "timeout_s is 0"),
        (lambda: Pace(timeout_s=float("nan")), "timeout_s is nan"),
        (lambda: SegmentPlan(page_size=0), "page_size is 0; it must be at least 1"),
        (lambda: SegmentPlan(total_per_segment=-1), "total_per_segment is -1"),
        (lambda: SegmentPlan(segments_in_flight=0), "segments_in_flight is 0"),
        (lambda: SegmentPlan(pages_in_flight=0), "pages_in_flight is 0"),
    ],
)
def test_a_pace_that_nobody_can_keep_is_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()
