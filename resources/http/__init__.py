"""Reading documents from the web, politely, within limits, and from recordings of it.

    base        Web, the handle: `fetch`
    values      what is asked, what comes back
    errors      what can go wrong, and what that means for the work
    resource    Http, the `http` resource
    online      the real web: who we are, connections, files
    replay      answers from a folder of recorded ones
    client      one request through robots.txt, redirects and caps; both of the above are this client
    network     connections to addresses that were checked, within a time
    robots      the rules of hosts, and how long they are kept
    answers     statuses, Retry-After, validators
    bodies      counting, unpacking and putting down bodies
    files       files of this machine
    shown       URLs without what is secret in them

What belongs here: how a document is asked for and brought here whole. What does not: what it means (parsing
is the strategies'), how often a host is asked (the pacer's), trying again (the ledger's).
"""

from resources.http.base import Web
from resources.http.errors import (
    AccessRefused,
    AnswerRefused,
    Gone,
    NotFound,
    NotIdentified,
    NotRecorded,
    RateLimited,
    RecordingBroken,
    RequestRefused,
    RobotsRefused,
    ServerFailed,
    TooLarge,
    TooManyRedirects,
    TooSlow,
    Unreachable,
    WebError,
)
from resources.http.online import CONTACT_VARIABLE
from resources.http.resource import Http
from resources.http.values import Options, Request, Response

__all__ = [
    "CONTACT_VARIABLE",
    "AccessRefused",
    "AnswerRefused",
    "Gone",
    "Http",
    "NotFound",
    "NotIdentified",
    "NotRecorded",
    "Options",
    "RateLimited",
    "RecordingBroken",
    "Request",
    "RequestRefused",
    "Response",
    "RobotsRefused",
    "ServerFailed",
    "TooLarge",
    "TooManyRedirects",
    "TooSlow",
    "Unreachable",
    "Web",
    "WebError",
]
