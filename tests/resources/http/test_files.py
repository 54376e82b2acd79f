"""Files of this machine, which only a request that says so may read."""

import gzip
import os
from pathlib import Path

import pytest

from resources.http import AccessRefused, AnswerRefused, NotFound, RequestRefused, TooLarge
from resources.http.online import Online

WEB = Online(None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a feed.xml"
    path.write_bytes(b"<rss/>")
    return path


@pytest.mark.parametrize(
    "spell", [str, Path.as_uri, lambda path: path.as_uri().replace("file://", "FILE://localhost")]
)
def test_a_file_is_read_by_its_path_or_url_without_a_contact(path: Path, spell):
    response = WEB.fetch(spell(path), allow_files=True)
    assert (response.status, response.body, response.url) == (200, b"<rss/>", path.as_uri())


def test_a_file_is_refused_unless_it_is_allowed(path: Path):
    with pytest.raises(RequestRefused, match="set allow_files"):
        WEB.fetch(path.as_uri())


def test_a_file_that_did_not_change_is_not_read_again(path: Path):
    first = WEB.fetch(str(path), allow_files=True)
    again = WEB.fetch(str(path), validators=first.validators, allow_files=True)
    assert (again.not_modified, again.body, again.validators) == (True, b"", first.validators)
    os.utime(path, ns=(1, 1))
    assert WEB.fetch(str(path), validators=first.validators, allow_files=True).body == b"<rss/>"


def test_a_file_is_unpacked_by_its_content_under_the_cap(path: Path):
    path.write_bytes(gzip.compress(bytes(5_000)))
    assert WEB.fetch(str(path), gunzip=True, allow_files=True).body == bytes(5_000)
    with pytest.raises(TooLarge, match="unpacked, is larger than 4,999 bytes"):
        WEB.fetch(str(path), gunzip=True, max_bytes=4_999, allow_files=True)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(AnswerRefused, match="cut or damaged"):
        WEB.fetch(str(path), gunzip=True, allow_files=True)


def test_a_file_above_the_cap_is_refused(path: Path):
    with pytest.raises(TooLarge, match=r"a feed.xml is larger than 5 bytes"):
        WEB.fetch(str(path), max_bytes=5, allow_files=True)


def test_what_is_not_there_empty_or_no_plain_file_is_named(path: Path, tmp_path: Path):
    with pytest.raises(NotFound, match=r"none.xml does not exist"):
        WEB.fetch(str(tmp_path / "none.xml"), allow_files=True)
    with pytest.raises(RequestRefused, match="is no plain file"):
        WEB.fetch(str(tmp_path), allow_files=True)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RequestRefused, match="is no plain file"):
        WEB.fetch(str(tmp_path / "pipe"), allow_files=True)
    path.write_bytes(b"")
    with pytest.raises(AnswerRefused, match="is empty"):
        WEB.fetch(str(path), allow_files=True)


def test_a_file_that_cannot_be_read_is_a_matter_of_access(tmp_path: Path):
    with pytest.raises(AccessRefused, match="cannot be read: File name too long"):
        WEB.fetch(str(tmp_path / ("x" * 300)), allow_files=True)


@pytest.mark.parametrize("url", ["file://elsewhere/feed.xml", "file:feed.xml", "file://[/feed.xml", "file:"])
def test_a_file_url_names_this_machine_and_a_whole_path(url: str):
    with pytest.raises(RequestRefused, match="names no file of this machine"):
        WEB.fetch(url, allow_files=True)
