"""What a file of the sitemap protocol says: other such files, or pages. XML, plain text and robots.txt.

A file is what its content is, whatever its name or type says. Not here: fetching, which is unpacked by then,
and which of it is read (`sitemap`).
"""

import re
from collections.abc import Iterator
from typing import IO, Final, NamedTuple

from assets.discovery.strategies.xml_stream import Stream, own_text, read_elements
from assets.failures import PermanentFailure

MOST_PAGES: Final = 50_000
"""What the protocol allows one file; what is behind them is read all the same."""
_HEAD: Final = 1024
_RULE: Final = re.compile(
    rb"\s*(?:#|(?:user-agent|disallow|allow|sitemap|crawl-delay|host)\s*:)", re.IGNORECASE
)
"""What a robots.txt begins with: a rule or a comment, which a list of addresses has not."""
_SITEMAP: Final = re.compile(rb"\s*sitemap\s*:([^#]*)", re.IGNORECASE)
_ADDRESS: Final = re.compile(rb"https?://", re.IGNORECASE)


class Entry(NamedTuple):
    """One page or one file, as it is listed."""

    position: str
    """Where in its file, for people: `entry 3`, `line 7`."""
    location: str
    lastmod: str


class SitemapFile(NamedTuple):
    """One file; its entries can be read once."""

    is_index: bool
    """Its entries are files, not pages."""
    entries: Iterator[Entry]


def sitemap_file(file: IO[bytes], what: str) -> SitemapFile:
    """Read a file from its first byte. Errors begin with `what`; reading the entries raises them as well.

    Raises:
        PermanentFailure: it is no sitemap, and no robots.txt that names one.
    """
    head = file.read(_HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
    file.seek(0)
    if head.startswith((b"<", b"\xff\xfe", b"\xfe\xff")):
        return _xml(file, what)
    if b"\0" in head:
        raise PermanentFailure(f"{what} is neither XML nor text; give the URL of a sitemap or a robots.txt.")
    if any(_RULE.match(line) for line in head.splitlines()):
        return SitemapFile(True, _robots(file, what))
    return SitemapFile(False, _text(file, what))


def _xml(file: IO[bytes], what: str) -> SitemapFile:
    stream = read_elements(file, ("url", "sitemap"), what)
    if stream.root not in {"urlset", "sitemapindex"}:
        raise PermanentFailure(
            f"{what} is no sitemap: its first element is {stream.root}, not urlset or sitemapindex."
        )
    return SitemapFile(stream.root == "sitemapindex", _xml_entries(stream))


def _xml_entries(stream: Stream) -> Iterator[Entry]:
    for number, element in enumerate(stream.elements, start=1):
        # What images and videos say of themselves has the same names in other namespaces.
        yield Entry(f"entry {number}", own_text(element, "loc"), own_text(element, "lastmod"))


def _robots(file: IO[bytes], what: str) -> Iterator[Entry]:
    is_empty = True
    for number, line in enumerate(file, start=1):
        if matched := _SITEMAP.match(line):
            is_empty = False
            yield Entry(f"line {number}", matched[1].decode("utf-8", "replace").strip(), "")
    if is_empty:
        raise PermanentFailure(f"{what} has no line `Sitemap:`; give the URL of the sitemap itself.")


def _text(file: IO[bytes], what: str) -> Iterator[Entry]:
    """One address a line, and nothing else; a first line that is none says that this is something else."""
    is_first = True
    for number, line in enumerate(file, start=1):
        text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
        if not text:
            continue
        if is_first and not _ADDRESS.match(text):
            raise PermanentFailure(f"{what} is no sitemap: it is neither XML nor a list of addresses.")
        is_first = False
        yield Entry(f"line {number}", text.decode("utf-8", "replace"), "")
    if is_first:
        raise PermanentFailure(f"{what} is blank, and no sitemap.")
