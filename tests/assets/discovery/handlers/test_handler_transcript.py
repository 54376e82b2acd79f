"""`transcript`: cues and text of captions as they are found, whole and broken."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.contract import Skip
from assets.discovery.handlers import transcript
from assets.discovery.keys import canonical_json
from assets.failures import PermanentFailure
from tests.assets.discovery.handlers.works import Told, a_document, a_work

VTT = """WEBVTT - Episode 7
Kind: captions

STYLE
::cue { color: red }

NOTE
two lines
that nobody says

intro
00:01.000 --> 00:02.500 align:start position:0%
<v Ann>Guidance &amp; <i>buybacks</i></v>
<00:01.900>in one <c.loud>quarter</c>

NOTE nor is this said

01:02:03.004 --> 01:02:04.000
&lt;laughs&gt;
"""

SRT = """1
00:00:01,000 --> 00:00:02,500
{\\an8}<font color="red">We sold</font>
the shares &amp; left

2
1:02:03,004 --> 1:02:04,000 X1:40 X2:600
5 < 6
"""


def read(body, kind="text/plain"):
    result = transcript.handle(a_document(body, kind))
    assert isinstance(result, dict)
    return result


def cue(start_ms, end_ms, text):
    return {"start_ms": start_ms, "end_ms": end_ms, "text": text}


def test_webvtt_gives_its_cues_without_voices_styles_and_notes():
    assert read(VTT, "text/vtt") == {
        "format": "vtt",
        "cues": [
            cue(1000, 2500, "Guidance & buybacks in one quarter"),
            cue(3_723_004, 3_724_000, "<laughs>"),
        ],
        "text": "Guidance & buybacks in one quarter\n<laughs>",
        "n_broken": 0,
    }


def test_srt_gives_its_cues_without_numbers_and_positions():
    assert read(SRT, "application/srt") == {
        "format": "srt",
        "cues": [cue(1000, 2500, "We sold the shares &amp; left"), cue(3_723_004, 3_724_000, "5 < 6")],
        "text": "We sold the shares &amp; left\n5 < 6",
        "n_broken": 0,
    }


@pytest.mark.parametrize("body", ["  Hello.\n\nAnd --> good bye.\n", "WEBVTTX\nfirst", "10:30 tomorrow"])
def test_plain_text_has_no_cues_and_stays_as_it_is(body):
    assert read(body) == {"format": "text", "cues": [], "text": body.strip(), "n_broken": 0}


@pytest.mark.parametrize("kind", ["text/plain", "text/html", "application/json", ""])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_the_content_tells_the_format_whatever_the_host_calls_it_and_however_lines_end(kind, newline):
    assert read("\ufeff" + VTT.replace("\n", newline), kind) == read(VTT)
    assert read(SRT.replace("\n", newline), kind) == read(SRT)


@pytest.mark.parametrize(
    "line",
    [
        "00:00:0x,000 --> 00:00:02,000",
        "00:00:02,000 --> 00:00:01,000",
        "00:61:00,000 --> 00:62:00,000",
        "00:00:01 --> 00:00:02",
        "00:00:01,000 -->",
        "-->",
        "00:00:01,00 --> 00:00:02,000",
    ],
)
def test_a_cue_whose_times_cannot_be_read_is_left_out_counted_and_told(line):
    told = Told()
    body = f"{SRT}\n3\n{line}\nnot said\n\n4\n02:00:00,000 --> 02:00:00,000\nlast\n"
    result = transcript.handle(a_work(data={"transcript": body}, log=told))
    assert isinstance(result, dict)
    assert result["cues"][2:] == [cue(7_200_000, 7_200_000, "last")]
    assert result["n_broken"] == 1
    assert "not said" not in result["text"]
    assert told.log == [("cues left out because their times cannot be read: 1", {"key": "episode-7"})]


def test_a_cue_also_ends_where_another_begins_and_one_that_is_cut_off_is_kept():
    body = (
        "WEBVTT\n\n00:01.000 --> 00:02.000\na\n00:02.000 --> 00:03.000\nb\n3\n00:03.000 --> 00:04.000\nc <i"
    )
    assert [one["text"] for one in read(body)["cues"]] == ["a", "b", "c <i"]


def test_a_transcript_without_any_cue_that_can_be_read_is_refused():
    with pytest.raises(
        PermanentFailure,
        match="the transcript of episode-7 has no cue whose times can be read, and 2 without",
    ):
        read("WEBVTT\n\n1 --> 2\na\n\n3 --> 4\nb\n")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "there is no transcript"),
        ("\ufeff \n", "there is no transcript"),
        ("WEBVTT\n", "the transcript says nothing"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\n<i></i>\n", "the transcript says nothing"),
    ],
)
def test_what_says_nothing_is_skipped(body, reason):
    assert transcript.handle(a_document(body, "text/vtt")) == Skip(reason)


def test_an_item_whose_stage_before_was_skipped_and_that_has_no_text_is_skipped():
    assert transcript.handle(a_work()) == Skip("there is no transcript")


@pytest.mark.parametrize("kind", ["text/html", "application/json", "application/ttml+xml"])
def test_another_format_is_refused_by_its_name(kind):
    with pytest.raises(PermanentFailure, match="is " + kind.replace("+", r"\+")):
        read("{}", kind)


def test_a_recording_in_place_of_a_transcript_is_refused():
    with pytest.raises(PermanentFailure, match="audio/mpeg and no text"):
        transcript.handle(a_work(inputs={"fetch": {"type": "audio/mpeg", "base64": "SUQz"}}))


TIMES = st.integers(0, 100 * 3_600_000)
WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"], exclude_characters="<>{}"))
LINES = st.lists(WORDS.filter(bool), min_size=1, max_size=4).map(" ".join)
CUES = st.lists(st.tuples(TIMES, TIMES, LINES).map(lambda t: cue(min(t[:2]), max(t[:2]), t[2])), min_size=1)


def clock(milliseconds, separator):
    seconds, thousandths = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{separator}{thousandths:03}"


def written(cues, separator, text):
    """The cues as a file of captions."""
    return "\n".join(
        f"{number}\n{clock(one['start_ms'], separator)} --> {clock(one['end_ms'], separator)}\n"
        f"{text(one['text'])}\n"
        for number, one in enumerate(cues, start=1)
    )


@given(CUES)
def test_cues_written_as_webvtt_are_read_back(cues):
    assert read("WEBVTT\n\n" + written(cues, ".", html.escape))["cues"] == cues


@given(CUES)
def test_cues_written_as_srt_are_read_back(cues):
    assert read(written(cues, ",", str))["cues"] == cues


@given(st.text(st.characters() | st.sampled_from("0123456789:.,-> \n<&\r"), max_size=120))
def test_any_text_behind_the_signature_is_read_skipped_or_refused_and_nothing_else(body):
    try:
        result = transcript.handle(a_document(f"WEBVTT\n{body}", "text/vtt"))
    except PermanentFailure:
        return
    if isinstance(result, dict):
        canonical_json(result)
        assert all(one["start_ms"] <= one["end_ms"] and one["text"] for one in result["cues"])
