"""The canonical form of a URL, which decides whether two links are the same item, and its hash.

The form is w3lib's, with what it leaves alone: user info and default ports are dropped, hosts are encoded as
today's clients do it (IDNA 2008: `straße.de` is another host than `strasse.de`), and credentials and unwanted
parameters are left out of the query.

Not here: what of a URL is shown to people (`credentials`).
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Final
from urllib.parse import SplitResult, unquote, unquote_plus, urlsplit

import idna
from w3lib.url import canonicalize_url

from assets.discovery.credentials import is_credential

_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ftp": 21}
_LONE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ENCODED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_NO_HOST: Final = re.compile(r"[\x00-\x20\x7f#%/:<>?@\[\\\]^|]")  # what the URL standard forbids in one
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]")


def canonical_url(url: str, drop_params: Iterable[str] = ()) -> str:
    """The canonical form of a URL; `drop_params` are globs of query parameters that do not count.

    Canonical forms are their own canonical form. A text that is no URL (`http://[x`, a path) is stripped and
    no more: a bad link is still an item, whose fetching fails with a sentence of its own.
    """
    text = url.strip()
    try:
        whole = _LONE_PERCENT.sub("%25", text)
        parts = urlsplit(whole)
        if not parts.scheme or (parts.scheme in _DEFAULT_PORTS and not parts.hostname):
            return text
        if parts.netloc:
            whole = parts._replace(netloc=_authority(parts)).geturl()
        place, _, query = canonicalize_url(whole).partition("?")
    except ValueError:
        return text
    query = _wanted(query, tuple(drop_params))
    return _ENCODED.sub(_decoded, place) + (f"?{query}" if query else "")


def hash_url(url: str, drop_params: Iterable[str] = ()) -> str:
    """The first 16 hex digits of the SHA-256 of the canonical form."""
    return sha256(canonical_url(url, drop_params).encode("utf-8", "replace")).hexdigest()[:16]


def _authority(parts: SplitResult) -> str:
    """The host, without user info, and the port where it is not the scheme's own."""
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else _encoded_host(unquote(host).lower())
    port = parts.port
    return host if port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f"{host}:{port}"


def _encoded_host(host: str) -> str:
    if _NO_HOST.search(host):
        raise ValueError(f"{host!r} is no host")
    try:
        return host if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        return host


def _decoded(escape: re.Match[str]) -> str:
    """Decode what needs no encoding; w3lib does so too, but not after a `;`."""
    character = chr(int(escape[1], 16))
    return character if _UNRESERVED.match(character) else escape[0].upper()


def _wanted(query: str, drop_params: tuple[str, ...]) -> str:
    """The query without credentials and without what the globs match."""
    return "&".join(pair for pair in query.split("&") if not _is_dropped(pair, drop_params))


def _is_dropped(pair: str, drop_params: tuple[str, ...]) -> bool:
    name = unquote_plus(pair.partition("=")[0])
    return is_credential(name) or any(fnmatchcase(name, glob) for glob in drop_params)
