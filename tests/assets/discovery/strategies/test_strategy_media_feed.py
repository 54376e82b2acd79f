"""Podcasts and YouTube: what a media feed says of the file of each entry."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.strategies.media_feed import MediaFeed, duration_s
from assets.failures import PermanentFailure
from tests.assets.discovery.strategies.source_worlds import assert_a_second_read_changes_nothing
from tests.resources.http.web_server import Answer

SAMPLES = Path(__file__).parents[1] / "samples" / "feeds"
PODCAST = (SAMPLES / "podcast.xml").read_bytes()
YOUTUBE = (SAMPLES / "youtube.xml").read_bytes()
MEDIA = (
    "enclosure_url",
    "enclosure_type",
    "enclosure_bytes",
    "duration_s",
    "transcript_url",
    "transcript_type",
)


def source_of(site, body: bytes | str, media: str = "auto", **job):
    return site.source(MediaFeed(), site.answer("/feed", body), {"media": media}, **job)


def media_of(data) -> tuple:
    return tuple(data[name] for name in MEDIA)


def podcast(
    *items: str, space: str = "https://podcastindex.org/namespace/1.0", prefix: str = "podcast"
) -> str:
    inner = "".join(f"<item>{each}</item>" for each in items)
    return f'<rss version="2.0" xmlns:{prefix}="{space}"><channel><title>T</title>{inner}</channel></rss>'


def test_an_episode_has_its_file_its_length_and_its_transcript(site):
    source = source_of(site, PODCAST)
    found = source.read()
    assert found.keys == ["show-3", "show-2", "show-1"]
    assert [media_of(data) for data in found.data] == [
        ("https://media.example.com/3.mp3", "audio/mpeg", 1200, 3723, f"{site.url}/3.vtt", "text/vtt"),
        (f"{site.url}/2.mp4", "video/mp4", None, 62, None, None),
        (None, None, None, None, None, None),
    ]
    assert (found.candidates[0].title, found.candidates[0].published_at) == ("Three", 1_772_355_600_000)
    assert "video_id" not in found.data[0]
    assert_a_second_read_changes_nothing(source)


def test_a_video_is_known_by_its_id(site):
    source = source_of(site, YOUTUBE)
    found = source.read()
    assert found.keys == ["aaaaaaaaaaa", "bbbbbbbbbbb"]
    assert found.data[0]["video_id"] == "aaaaaaaaaaa"
    assert found.candidates[0].url == "https://www.youtube.com/watch?v=aaaaaaaaaaa"
    assert found.candidates[0].title == "The title of the video"
    assert found.data[0]["summary"] == "What it is about."
    assert_a_second_read_changes_nothing(source)


def test_counts_of_views_are_no_change(site):
    source = source_of(site, YOUTUBE)
    source.read()
    before = dict(source.known)
    site.answer("/feed", YOUTUBE.replace(b'views="100"', b'views="101"'))
    assert source.read().new == []
    assert source.known == before


@pytest.mark.parametrize(
    ("media", "keys"),
    [
        ("auto", ["aaaaaaaaaaa", "bbbbbbbbbbb"]),
        ("youtube", ["aaaaaaaaaaa", "bbbbbbbbbbb"]),
        ("enclosure", ["yt:video:aaaaaaaaaaa", "yt:video:bbbbbbbbbbb"]),
    ],
)
def test_what_an_entry_is_known_by_is_as_the_job_says(site, media, keys):
    assert source_of(site, YOUTUBE, media).read().keys == keys


def test_another_prefix_is_the_same_namespace(site):
    body = (
        YOUTUBE.replace(b"xmlns:yt=", b"xmlns:tube=")
        .replace(b"<yt:", b"<tube:")
        .replace(b"</yt:", b"</tube:")
    )
    assert source_of(site, body.replace(b"yt:video:", b"other:")).read().keys == [
        "aaaaaaaaaaa",
        "bbbbbbbbbbb",
    ]


def test_an_episode_among_videos_is_rejected_where_videos_are_asked_for(site):
    found = source_of(site, PODCAST, "youtube").read()
    assert found.keys == []
    assert [position for position, _ in found.rejected] == ["entry 1", "entry 2", "entry 3"]
    assert "set media to auto" in found.rejected[0][1]


def transcript(url: str, kind: str, prefix: str = "podcast") -> str:
    return f'<{prefix}:transcript url="{url}" type="{kind}"/>'


@pytest.mark.parametrize(
    ("kinds", "best"),
    [
        (["text/html", "application/srt", "text/vtt", "text/plain"], "text/vtt"),
        (["text/html", "text/plain", "application/x-subrip"], "application/x-subrip"),
        (["application/json", "TEXT/PLAIN"], "text/plain"),
        (["text/html", "application/json"], "text/html"),
        (["text/vtt", "text/vtt"], "text/vtt"),
    ],
)
def test_of_several_transcripts_the_one_that_is_read_best_is_taken(site, kinds, best):
    several = "".join(transcript(f"/{number}", kind) for number, kind in enumerate(kinds))
    data = source_of(site, podcast(f"<guid>1</guid>{several}")).read().data[0]
    lowered = [kind.lower() for kind in kinds]
    assert (data["transcript_url"], data["transcript_type"]) == (f"{site.url}/{lowered.index(best)}", best)


def test_a_transcript_needs_the_namespace_of_podcasts_and_a_url(site):
    for prefix, space, url in [
        ("podcast", "https://example.com/other", "/1"),
        ("podcast", "https://podcastindex.org/namespace/1.0", ""),
        ("podcast", "https://podcastindex.org/namespace/1.0", "http://[x"),
    ]:
        body = podcast(f"<guid>1</guid>{transcript(url, 'text/vtt', prefix)}", space=space, prefix=prefix)
        assert source_of(site, body).read().data[0]["transcript_url"] is None
    body = podcast(f"<guid>1</guid>{transcript('/1', 'text/vtt', 'p')}", prefix="p")
    assert source_of(site, body).read().data[0]["transcript_url"] == f"{site.url}/1"


def test_each_episode_has_its_own_transcript(site):
    items = [
        f"<guid>{n}</guid>{transcript(f'/{n}', 'text/vtt')}" if n % 2 else f"<guid>{n}</guid>"
        for n in range(5)
    ]
    data = source_of(site, podcast(*items)).read().data
    urls = [f"{site.url}/{n}" if n % 2 else None for n in range(5)]
    assert [each["transcript_url"] for each in data] == urls


def test_of_several_files_the_one_that_is_played_is_taken(site):
    files = (
        '<enclosure url="/a.jpg" type="image/jpeg" length="1"/>'
        '<enclosure url="/a.mp3" type="Audio/MPEG" length="2"/>'
    )
    data = source_of(site, podcast(f"<guid>1</guid>{files}")).read().data[0]
    assert media_of(data)[:3] == (f"{site.url}/a.mp3", "audio/mpeg", 2)


def test_the_attachments_of_a_json_feed_are_files_too(site):
    body = (SAMPLES / "feed.json").read_bytes()
    assert media_of(source_of(site, body).read().data[0])[:4] == (f"{site.url}/a.mp3", "audio/mpeg", 99, 61)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("01:02:03", 3723),
        ("62:03", 3723),
        ("3723", 3723),
        (" 3723.9 ", 3723),
        ("0", 0),
        ("", None),
        ("1h", None),
        ("1:2:3:4", None),
        ("-5", None),
        ("٣", None),
        ("::", None),
    ],
)
def test_a_length_is_a_clock_or_seconds(text, seconds):
    assert duration_s(text) == seconds


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_every_clock_is_so_many_seconds(hours, minutes, seconds):
    total = hours * 3600 + minutes * 60 + seconds
    assert duration_s(f"{hours:02}:{minutes:02}:{seconds:02}") == total
    assert duration_s(str(total)) == total


def test_an_unchanged_feed_is_read_no_more_and_another_question_is_asked_anew(site):
    url = site.answers("/feed", Answer(200, YOUTUBE, (("ETag", '"1"'),)), Answer(304), Answer(200, YOUTUBE))
    source = site.source(MediaFeed(), url)
    source.read()
    assert [mark.page for mark in source.read().marks] == [0]
    source.params = {**source.params, "media": "enclosure"}
    assert source.read().new == ["yt:video:aaaaaaaaaaa", "yt:video:bbbbbbbbbbb"]
    assert site.server.asked[-1].headers["If-None-Match"] is None


def test_what_is_no_feed_fails(site):
    with pytest.raises(PermanentFailure, match="is no feed"):
        source_of(site, "<html/>").read()
