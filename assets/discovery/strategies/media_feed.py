"""`media_feed`: the episodes of a podcast, the videos of a YouTube channel.

Not here: how feeds are read (`feed_document`); reading files and transcripts, which is the handlers'.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.feed_candidates import feed_candidates
from assets.discovery.strategies.feed_entry import Enclosure, Entry, Transcript, entry_candidate
from assets.discovery.strategies.params import MediaFeedParams
from assets.discovery.strategies.web_source import WebSource

_CLOCK: Final = re.compile(r"(?:(?:(\d{1,6}):)?(\d{1,6}):)?(\d{1,9})(?:\.\d*)?", re.ASCII)
_PLAYED: Final = ("audio/", "video/")
_BEST_FIRST: Final = ("vtt", "srt", "subrip", "plain")
"""The formats of transcripts that are read here, by what stands in their types: with times before without."""
_YOUTUBE_ID: Final = "yt:video:"


class MediaFeed(BaseDiscovery):
    """The entries of a feed, each with its file: where and what it is, how long, and where its transcript is.

    A video of YouTube is known by its video id, every other entry as in `rss_atom`. A feed is never complete;
    it has validators, and no cursor.
    """

    name: ClassVar[str] = "media_feed"

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        """Yield the entries in the order of the feed; one that says nothing is rejected.

        Raises:
            QuintetFailure: the feed cannot be fetched, is none, or is cut off.
        """
        params = MediaFeedParams.model_validate(ask.params)
        source = WebSource(ask, params, params.url)
        yield from feed_candidates(
            ask, source, partial(_candidate, params.media, has_key_field=self.has_key_field)
        )


def duration_s(text: str) -> int | None:
    """Whole seconds of `01:02:03`, `62:03`, `3723` or `3723.5`; none for anything else."""
    matched = _CLOCK.fullmatch(text.strip())
    if matched is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in matched.groups())
    return (hours * 60 + minutes) * 60 + seconds


def _candidate(media: str, entry: Entry, zone: ZoneInfo, *, has_key_field: bool) -> Candidate:
    """An entry with what is known of its file; without a file, that is null.

    Raises:
        ValueError: only videos of YouTube are asked for, and it is none.
    """
    video_id = entry.video_id or _id_in(entry.id)
    candidate = entry_candidate(entry, zone, has_key_field=has_key_field)
    data = {**candidate.data, **_media_data(entry)}
    if media == "enclosure" or (media == "auto" and not video_id):
        return replace(candidate, data=data)
    if not video_id:
        raise ValueError("it has no YouTube video id; set media to auto or enclosure for this feed")
    return replace(candidate, key=video_id, data={**data, "video_id": video_id})


def _id_in(identity: str) -> str:
    return identity.removeprefix(_YOUTUBE_ID) if identity.startswith(_YOUTUBE_ID) else ""


def _media_data(entry: Entry) -> dict[str, Any]:
    files = sorted(entry.enclosures, key=lambda file: not file.type.startswith(_PLAYED))
    file = files[0] if files else Enclosure("")
    transcripts = sorted(entry.transcripts, key=_rank)
    transcript = transcripts[0] if transcripts else Transcript("")
    return {
        "enclosure_url": file.url or None,
        "enclosure_type": file.type or None,
        "enclosure_bytes": file.bytes,
        "duration_s": duration_s(entry.duration or file.duration),
        "transcript_url": transcript.url or None,
        "transcript_type": transcript.type or None,
    }


def _rank(transcript: Transcript) -> int:
    ranks = (rank for rank, name in enumerate(_BEST_FIRST) if name in transcript.type)
    return next(ranks, len(_BEST_FIRST))
