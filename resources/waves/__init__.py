"""The `waves` resource: ranked tyres for CAMs, from a ranker in this process or from a service.

    base            Waves: `recommend` for a runlist, `recommend_segments` for the legacy pages
    embedded        EmbeddedWaves: the ranker over score rows of the caller (the `local` deployment)
    remote          HttpWaves: the service behind AIM_WAVES_URL, what it is asked and how it is read
    faulty          FaultyWaves: the ranker with failures on request (the `test` deployment)
    values          what goes in and comes out: Cam, Parameters, Pace, SegmentPlan, Usage, answers
    journal         what is known of a run while it goes on: requests, tokens, progress, problems
    errors          what ends a run
    driver          batches, passes and pages: one piece of code for all variants, on top of `engine`
    score_index     the score rows, laid out for ranking; ranker, 24 slots for one CAM
    service         login, token, redirects and retries over HTTP; identity, Google's token
    matching        whose answer is whose; segment_options, the segments that the service offers

What belongs here: how answers are got. What does not: keys of vehicles and sizes, which CAMs are asked, what
of an answer is published, and what it costs in money (assets.aim). A server that speaks for the service is
`scripts.waves_server`.
"""

from resources.waves.base import Waves
from resources.waves.embedded import EmbeddedWaves
from resources.waves.errors import WavesMisconfigured, WavesRefused, WavesUnavailable
from resources.waves.faulty import FaultyWaves
from resources.waves.journal import Failure, Journal, Progress, error_codes
from resources.waves.remote import HttpWaves
from resources.waves.score_index import SCORE_COLUMNS
from resources.waves.values import Answer, Cam, Pace, Parameters, SegmentPlan, Usage

__all__ = [
    "SCORE_COLUMNS",
    "Answer",
    "Cam",
    "EmbeddedWaves",
    "Failure",
    "FaultyWaves",
    "HttpWaves",
    "Journal",
    "Pace",
    "Parameters",
    "Progress",
    "SegmentPlan",
    "Usage",
    "Waves",
    "WavesMisconfigured",
    "WavesRefused",
    "WavesUnavailable",
    "error_codes",
]
