"""Hosts of private networks are refused by the address that is connected to, and by no other."""

import ssl
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from resources.http import AnswerRefused, RequestRefused, Unreachable
from resources.http.network import is_public
from resources.http.online import Online
from tests.resources.http.conftest import CONTACT
from tests.resources.http.web_server import Answer, WebServer, names, web_server

PUBLIC = "93.184.216.34"
PUBLIC_V6 = "2606:2800:220:1:248:1893:25c8:1946"
FEED = Answer(200, b"feed", (("Connection", "close"),))


class Internet(httpcore.SyncBackend):
    """Leads connections to public addresses to the test's own server; refuses those in `dead`."""

    connected: list[str] = []  # noqa: RUF012 - of the class, which each test makes anew
    dead: tuple[str, ...] = ()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        self.connected.append(host)
        if host in self.dead:
            raise httpcore.ConnectError("Connection refused")
        address = ip_address(host)
        return super().connect_tcp(
            "127.0.0.1" if is_public(address) else host, port, timeout, local_address, socket_options
        )


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> type[Internet]:
    fresh = type("Internet", (Internet,), {"connected": []})
    monkeypatch.setattr(httpcore, "SyncBackend", fresh)
    return fresh


@pytest.fixture
def client(certificates: ssl.SSLContext) -> Callable[[Callable[[str, int], list[str]]], Online]:
    return lambda resolve: Online(CONTACT, resolve=resolve, ssl_context=certificates)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1.2.3",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fec0::1]",
        "[fd00::1]",
        "[ff02::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a00:1]",
        "[::127.0.0.1]",
        "[2002:7f00:1::]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::1]",
    ],
)
def test_a_private_address_is_refused_in_every_spelling(
    internet: type[Internet], client: Callable[..., Online], host: str
):
    online = client(names({}))
    with pytest.raises(RequestRefused, match="a private address; set allow_private") as caught:
        online.fetch(f"http://{host}/feed")
    assert (caught.value.failure, internet.connected) == ("permanent", [])


@pytest.mark.parametrize("host", ["localhost", "0x7f.1", "2130706433", "127.1"])
def test_a_name_is_judged_by_what_the_system_makes_of_it(host: str):
    online = Online(CONTACT)
    # Some systems do not know the short spellings at all, which is as good.
    with pytest.raises((RequestRefused, Unreachable), match=r"a private address|cannot be reached"):
        online.fetch(f"http://{host}:9/feed")


def test_a_private_host_is_read_where_that_is_allowed(server: WebServer, online: Online):
    server.answers["/feed"] = [FEED]
    assert online.fetch(f"{server.url}/feed", allow_private=True).body == b"feed"


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_V6, f"::ffff:{PUBLIC}", "64:ff9b::5db8:d822"])
def test_a_public_host_is_read(
    internet: type[Internet], client: Callable[..., Online], server: WebServer, address: str
):
    server.answers["/feed"] = [FEED]
    online = client(names({"site.test": [address]}))
    assert online.fetch(f"http://site.test:{server.port}/feed", robots=False).body == b"feed"
    assert internet.connected == [address]
    assert server.asked[0].headers["Host"] == f"site.test:{server.port}"


def test_a_public_ipv6_literal_is_read(
    internet: type[Internet], client: Callable[..., Online], server: WebServer
):
    server.answers["/feed"] = [FEED]
    url = f"http://[{PUBLIC_V6}]:{server.port}/feed"
    response = client(names({})).fetch(url, robots=False)
    assert (response.body, response.url, internet.connected) == (b"feed", url, [PUBLIC_V6])
    assert server.asked[0].headers["Host"] == f"[{PUBLIC_V6}]:{server.port}"


def test_a_name_that_turns_private_between_two_looks_gains_nothing(
    internet: type[Internet], client: Callable[..., Online], server: WebServer
):
    server.answers["/feed"] = [FEED]
    looks = iter([[PUBLIC], ["127.0.0.1"]])
    online = client(lambda host, port: next(looks))
    url = f"http://rebinding.test:{server.port}/feed"
    assert online.fetch(url, robots=False).body == b"feed"
    with pytest.raises(RequestRefused, match=r"leads to rebinding.test at 127.0.0.1, a private address"):
        online.fetch(url, robots=False)
    assert internet.connected == [PUBLIC]
    assert len(server.asked) == 1


def test_of_several_addresses_only_the_public_ones_are_tried(
    internet: type[Internet], client: Callable[..., Online], server: WebServer
):
    internet.dead = (PUBLIC_V6,)
    server.answers["/feed"] = [FEED]
    online = client(names({"site.test": ["10.0.0.1", PUBLIC_V6, PUBLIC]}))
    assert online.fetch(f"http://site.test:{server.port}/feed", robots=False).body == b"feed"
    assert internet.connected == [PUBLIC_V6, PUBLIC]


def test_a_host_of_which_no_address_answers_cannot_be_reached(
    internet: type[Internet], client: Callable[..., Online]
):
    internet.dead = (PUBLIC, PUBLIC_V6)
    online = client(names({"site.test": [PUBLIC, PUBLIC_V6]}))
    with pytest.raises(Unreachable, match="cannot be reached: Connection refused"):
        online.fetch("http://site.test/feed")


def test_a_name_that_nobody_knows_cannot_be_reached(client: Callable[..., Online]):
    def resolve(host: str, port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(Unreachable, match=r"its name is not known \(Name or service not known\)"):
        client(resolve).fetch("http://site.test/feed")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "inside.test"])
def test_a_public_host_cannot_redirect_to_a_private_one(
    internet: type[Internet], client: Callable[..., Online], server: WebServer, host: str
):
    location = f"http://{host}:{server.port}/secret"
    server.answers["/feed"] = [Answer(302, b"", (("Location", location), ("Connection", "close")))]
    server.answers["/secret"] = [FEED]
    online = client(names({"site.test": [PUBLIC], "inside.test": ["10.1.2.3"]}))
    with pytest.raises(RequestRefused, match=r"/secret \(redirected from .*/feed\) leads to .* private"):
        online.fetch(f"http://site.test:{server.port}/feed", robots=False)
    assert server.paths() == ["/feed"]


def test_a_connection_that_one_request_was_allowed_serves_no_other(server: WebServer, online: Online):
    server.answers["/feed"] = [Answer(200, b"feed")]
    online.fetch(f"{server.url}/feed", allow_private=True, robots=False)
    with pytest.raises(RequestRefused, match="private address"):
        online.fetch(f"{server.url}/feed", robots=False)
    assert len(server.asked) == 1


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_the_same_inside_an_ipv6_one(address):
    mapped = ip_address(f"::ffff:{address}")
    assert is_public(mapped) == is_public(address)
    assert not (is_public(address) and (address.is_private or address.is_loopback or address.is_link_local))


@given(st.ip_addresses(v=6))
def test_no_private_ipv6_address_is_public(address):
    private = address.is_private or address.is_loopback or address.is_link_local or address.is_site_local
    assert not (is_public(address) and (private or address.is_multicast))


def certificate(folder: Path, name: str, *, is_expired: bool = False) -> tuple[ssl.SSLContext, Path]:
    """What a server shows that calls itself `name`, and the authority to trust for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    until = datetime.now(UTC) + timedelta(days=-1 if is_expired else 1)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(until - timedelta(days=2))
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority, both = folder / "authority.pem", folder / "server.pem"
    authority.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    both.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + authority.read_bytes()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context, authority


def test_a_certificate_is_checked_against_the_name_not_the_address(internet: type[Internet], tmp_path: Path):
    context, authority = certificate(tmp_path, "site.test")
    trusting = ssl.create_default_context(cafile=str(authority))
    with web_server(context) as server:
        server.answers["/feed"] = [FEED]
        resolve = names({"site.test": [PUBLIC], "other.test": [PUBLIC]})
        online = Online(CONTACT, resolve=resolve, ssl_context=trusting)
        assert online.fetch(f"https://site.test:{server.port}/feed").body == b"feed"
        with pytest.raises(AnswerRefused, match=r"certificate is not valid: Hostname mismatch"):
            online.fetch(f"https://other.test:{server.port}/feed")
    assert set(internet.connected) == {PUBLIC}


@pytest.mark.parametrize(
    ("is_trusted", "is_expired", "reason"),
    [(False, False, "self-signed certificate"), (True, True, "certificate has expired")],
)
def test_a_certificate_that_is_not_valid_is_one_sentence(
    tmp_path: Path, is_trusted: bool, is_expired: bool, reason: str
):
    context, authority = certificate(tmp_path, "localhost", is_expired=is_expired)
    trusted = ssl.create_default_context(cafile=str(authority) if is_trusted else None)
    with web_server(context) as server:
        online = Online(CONTACT, ssl_context=trusted)
        url = f"https://localhost:{server.port}/feed?token=abc"
        with pytest.raises(AnswerRefused) as caught:
            online.fetch(url, allow_private=True)
    assert str(caught.value).startswith(url.replace("abc", "***") + " has a server whose certificate")
    assert reason in str(caught.value)
    assert caught.value.failure == "permanent"
