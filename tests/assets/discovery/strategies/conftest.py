"""The web of the strategies that read it: a real server on this machine, and the real client."""

import ssl
from collections.abc import Iterator

import httpx
import pytest

from resources.http.online import Online
from tests.assets.discovery.strategies.web_worlds import Site
from tests.resources.http.web_server import web_server


@pytest.fixture(scope="session")
def certificates() -> ssl.SSLContext:
    """The authorities of the machine, read once."""
    return httpx.create_ssl_context()


@pytest.fixture
def site(certificates: ssl.SSLContext) -> Iterator[Site]:
    online = Online("tests@quintet.invalid", ssl_context=certificates)
    with web_server() as server:
        yield Site(server, online)
    online.close()


@pytest.fixture(scope="module")
def site_of_module(certificates: ssl.SSLContext) -> Iterator[Site]:
    """One for all examples of a property; each lays out its own answers."""
    online = Online("tests@quintet.invalid", ssl_context=certificates)
    with web_server() as server:
        yield Site(server, online)
    online.close()
