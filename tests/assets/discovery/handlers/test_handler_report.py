"""`report`: a summary of a period, as `date_range` yields it."""

import pytest

from assets.discovery.contract import Candidate
from assets.discovery.handlers import report
from assets.discovery.strategies.date_range import DateRange
from assets.failures import PermanentFailure
from tests.assets.discovery.handlers.works import a_work
from tests.assets.discovery.strategies.source_worlds import Source

MARCH_8 = {"start": "2026-03-08T05:00:00Z", "end": "2026-03-09T04:00:00Z", "hours": 23}


def test_a_day_on_which_clocks_change_says_so():
    assert report.handle(a_work(key="2026-03-08", data=MARCH_8)) == {
        "period": "2026-03-08",
        "start": "2026-03-08T05:00:00Z",
        "end": "2026-03-09T04:00:00Z",
        "hours": 23,
        "extra_hours": -1,
        "text": "2026-03-08: 23 hours (-1, for clocks change) "
        "from 2026-03-08T05:00:00Z to 2026-03-09T04:00:00Z.",
    }


@pytest.mark.parametrize(
    ("step", "start", "end", "hours", "extra"),
    [
        ("hour", "2026-03-08", "2026-03-08", [1] * 23, [0] * 23),
        ("day", "2026-10-31", "2026-11-02", [24, 25, 24], [0, 1, 0]),
        ("week", "2026-03-02", "2026-03-15", [167, 168], [-1, 0]),
        ("quarter", "2026-01-01", "2026-12-31", [2159, 2184, 2208, 2209], [-1, 0, 0, 1]),
        ("year", "2026-01-01", "2026-12-31", [8760], [0]),
    ],
)
def test_every_period_of_a_calendar_is_summarised(step, start, end, hours, extra):
    source = Source(DateRange(), {"start": start, "end": end, "step": step}, timezone="America/New_York")
    found = [one for one in source.read().candidates if isinstance(one, Candidate)]
    results = [report.handle(a_work(key=one.key, data=one.data, title=one.title)) for one in found]
    assert [result["hours"] for result in results] == hours
    assert [result["extra_hours"] for result in results] == extra
    assert [result["period"] for result in results] == [one.key for one in found]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"start": None}, "has the start None, which is no instant"),
        ({"start": 7}, "has the start 7, which is no instant"),
        ({"end": "soon"}, "has the end 'soon', which is no instant"),
        ({"end": "2026-03-09T04:00:00"}, "which is no instant"),
        ({"end": MARCH_8["start"]}, "not after its start 2026-03-08T05:00:00Z"),
        ({"end": "2026-03-01T00:00:00Z"}, "ends at 2026-03-01T00:00:00Z, not after its start"),
    ],
)
def test_what_is_no_period_is_refused_and_names_the_item(changes, sentence):
    with pytest.raises(PermanentFailure, match="the period 2026-03-08 ") as caught:
        report.handle(a_work(key="2026-03-08", data=MARCH_8 | changes))
    assert sentence in str(caught.value)
