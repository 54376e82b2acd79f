"""Releases as PyPI, npm and GitHub list them: one item for each version, whatever becomes of it."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from assets.discovery.contract import RateLimited
from assets.discovery.strategies.release_lists import REGISTRIES
from assets.discovery.strategies.releases import Releases
from assets.failures import PermanentFailure, TransientFailure
from tests.assets.discovery.strategies.source_worlds import assert_a_second_read_changes_nothing
from tests.resources.http.web_server import Answer

SAMPLES = Path(__file__).parents[1] / "samples" / "releases"
PYPI = json.loads((SAMPLES / "python_index.json").read_text())
NPM = json.loads((SAMPLES / "npm.json").read_text())
GITHUB = json.loads((SAMPLES / "github.json").read_text())
PYPI_HOST, NPM_HOST = "pypi", "npmjs"
RSS = (SAMPLES / "pypi_releases.xml").read_bytes()


def source_of(
    site, kind: str, body: Any, project: str = "Sample.Package", path: str = "/pypi/x/json", **params: Any
):
    content = body if isinstance(body, bytes) else json.dumps(body)
    url = site.answer(path, content)
    return site.source(Releases(), url, {"source": kind, "project": project, **params})


def changed_keys(site, kind: str, before: Any, after: Any) -> list[str]:
    """Which items have another content hash after a change; nothing is new, nothing is lost."""
    source = source_of(site, kind, before)
    source.read()
    known = dict(source.known)
    site.answer("/pypi/x/json", json.dumps(after))
    assert source.read().new == []
    assert source.known.keys() == known.keys()
    return [key for key in known if source.known[key] != known[key]]


def test_a_release_of_pypi_is_known_by_the_one_name_of_its_project(site):
    source = source_of(site, "pypi", PYPI)
    found = source.read()
    assert found.keys == [
        f"sample-package@{version}" for version in ("0.9", "1.0", "1.1", "2.0rc1", "2.0.old-style")
    ]
    first = found.candidates[1]
    assert first.data == {
        "project": "sample-package",
        "version": "1.0",
        "url": "https://packages.example.org/project/sample-package/1.0/",
        "yanked": False,
        "yanked_reason": "",
        "requires_python": ">=3.9",
        "files": [
            {
                "name": "sample_package-1.0-py3-none-any.whl",
                "type": "bdist_wheel",
                "bytes": 1200,
                "sha256": "a" * 64,
                "url": "https://files.example.com/sample_package-1.0-py3-none-any.whl",
            },
            {
                "name": "sample_package-1.0.tar.gz",
                "type": "sdist",
                "bytes": 2400,
                "sha256": "b" * 64,
                "url": "https://files.example.com/sample_package-1.0.tar.gz",
            },
        ],
        "json_url": f"{site.url}/pypi/x/1.0/json",
    }
    assert (first.title, first.url) == (
        "sample-package 1.0",
        "https://packages.example.org/project/sample-package/1.0/",
    )
    assert first.published_at == 1_772_355_600_000  # The first of its files.
    assert (found.data[0]["files"], found.data[0]["yanked"], found.candidates[0].published_at) == (
        [],
        False,
        None,
    )
    assert not found.is_complete
    assert_a_second_read_changes_nothing(source)


def test_a_release_of_which_all_files_are_yanked_has_changed_and_one_file_is_not_enough(site):
    partly = deepcopy(PYPI)
    partly["releases"]["1.0"][0] |= {"yanked": True, "yanked_reason": "broken"}
    assert changed_keys(site, "pypi", PYPI, partly) == []
    wholly = deepcopy(partly)
    wholly["releases"]["1.0"][1] |= {"yanked": True, "yanked_reason": None}
    assert changed_keys(site, "pypi", partly, wholly) == ["sample-package@1.0"]
    data = source_of(site, "pypi", wholly).read().data
    assert [(each["yanked"], each["yanked_reason"]) for each in data[1:3]] == [
        (True, "broken"),
        (True, "bad wheel"),
    ]


def test_the_order_of_files_and_what_moves_on_its_own_are_no_change(site):
    other = deepcopy(PYPI)
    other["last_serial"] = 2
    other["info"]["summary"] = "Better."
    other["releases"]["1.0"].reverse()
    for file in other["releases"]["1.0"]:
        file["downloads"] = 5
    assert changed_keys(site, "pypi", PYPI, other) == []


def test_a_new_file_is_a_change(site):
    more = deepcopy(PYPI)
    more["releases"]["1.0"].append({**more["releases"]["1.0"][0], "filename": "sample_package-1.0-cp311.whl"})
    assert changed_keys(site, "pypi", PYPI, more) == ["sample-package@1.0"]


@pytest.mark.parametrize(
    ("kind", "body", "keys"),
    [
        (
            "pypi",
            PYPI,
            [
                "sample-package@0.9",
                "sample-package@1.0",
                "sample-package@1.1",
                "sample-package@2.0.old-style",
            ],
        ),
        ("pypi_rss", RSS, ["sample-package@1.1", "sample-package@1.0"]),
        ("npm", NPM, ["Sample.Package@1.0.0", "Sample.Package@1.1.0+build-7"]),
        ("github", GITHUB, ["Sample.Package@v1.0", "Sample.Package@v1.1"]),
    ],
)
def test_prereleases_are_left_out_where_the_job_wants_none(site, kind, body, keys):
    with_all = source_of(site, kind, body).read()
    without = source_of(site, kind, body, prereleases=False).read()
    assert without.keys == keys
    assert len(with_all.keys) == len(keys) + 1
    assert without.rejected == []


def test_the_feed_of_pypi_gives_the_same_keys_without_any_guid(site):
    source = source_of(site, "pypi_rss", RSS)
    found = source.read()
    assert found.keys == ["sample-package@2.0rc1", "sample-package@1.1", "sample-package@1.0"]
    assert found.candidates[2].published_at == 1_772_355_600_000
    assert found.data[2] == {
        "project": "sample-package",
        "version": "1.0",
        "url": "https://packages.example.org/project/sample-package/1.0/",
    }
    assert_a_second_read_changes_nothing(source)


def test_a_package_of_npm_keeps_its_name(site):
    source = source_of(site, "npm", NPM, project="@Scope/Name")
    found = source.read()
    assert found.keys == [f"@Scope/Name@{version}" for version in ("1.0.0", "1.1.0+build-7", "2.0.0-beta.1")]
    assert found.data[0] == {
        "project": "@Scope/Name",
        "version": "1.0.0",
        "url": f"https://www.{NPM_HOST}.com/package/@Scope/Name/v/1.0.0",
        "deprecated": True,
        "deprecated_reason": "Use 2.",
        "tarball": "https://files.example.com/name-1.0.0.tgz",
        "integrity": "sha512-aaaa",
    }
    assert found.candidates[0].published_at == 1_772_355_600_000
    assert_a_second_read_changes_nothing(source)


@pytest.mark.parametrize("said", ["Use 2.", True, "", False, None])
def test_what_npm_says_of_a_deprecation_is_a_change_of_the_same_item(site, said):
    other = deepcopy(NPM)
    other["versions"]["1.1.0+build-7"]["deprecated"] = said
    expected = ["Sample.Package@1.1.0+build-7"] if said else []
    assert changed_keys(site, "npm", NPM, other) == expected


def test_drafts_of_github_are_skipped_and_a_release_is_its_tag(site):
    source = source_of(site, "github", GITHUB, project="owner/repo")
    found = source.read()
    assert found.keys == ["owner/repo@v2.0-rc1", "owner/repo@v1.0", "owner/repo@v1.1"]
    assert found.data[1] == {
        "project": "owner/repo",
        "version": "v1.0",
        "url": "https://github.com/owner/repo/releases/tag/v1.0",
        "name": "The first",
        "prerelease": False,
        "text": "All of it.",
        "assets": [{"name": "a.zip", "bytes": 9, "url": "https://files.example.com/a.zip"}],
    }
    assert found.candidates[1].published_at == 1_772_355_600_000
    assert found.candidates[2].published_at == 1_772_355_600_000  # Where it was never said, when it was made.
    assert_a_second_read_changes_nothing(source)
    counted = deepcopy(GITHUB)
    counted[2]["assets"][0]["download_count"] = 7
    assert changed_keys(site, "github", GITHUB, counted) == []


def github_pages(site, pages: int) -> str:
    for number in range(1, pages + 1):
        link = f'</r?page={number + 1}>; rel="next"' if number < pages else '</r>; rel="first"'
        release = {"tag_name": f"v{number}", "published_at": "2026-03-01T09:00:00Z"}
        path = "/r" if number == 1 else f"/r?page={number}"
        site.answer(path, json.dumps([release]), Link=link, ETag=f'"{number}"')
    return f"{site.url}/r"


def test_all_pages_of_github_are_read_and_only_a_single_one_has_validators(site):
    params = {"source": "github", "project": "a/b"}
    source = site.source(Releases(), github_pages(site, 3), params)
    assert source.read().keys == ["a/b@v1", "a/b@v2", "a/b@v3"]
    assert source.validators == {}
    assert source.read().new == []
    assert site.asked("/r?page=3") == 2
    alone = site.source(Releases(), github_pages(site, 1), params)
    alone.read()
    assert (alone.validators or {})["etag"] == '"1"'


def test_the_page_cap_holds_and_is_told(site):
    source = site.source(
        Releases(), github_pages(site, 3), {"source": "github", "project": "a/b"}, max_pages=2
    )
    found = source.read()
    assert found.keys == ["a/b@v1", "a/b@v2"]
    assert "goes on after max_pages 2" in found.warnings[0][1]


def test_an_unchanged_list_is_read_no_more(site):
    answer = Answer(200, json.dumps(PYPI).encode(), (("ETag", '"1"'),))
    url = site.answers("/x", answer, Answer(304))
    source = site.source(Releases(), url, {"source": "pypi", "project": "x"})
    source.read()
    assert [mark.page for mark in source.read().marks] == [0]
    assert site.server.asked[-1].headers["If-None-Match"] == '"1"'


@pytest.mark.parametrize(
    ("kind", "project", "url"),
    [
        ("pypi", "Zope.Interface__X", f"https://{PYPI_HOST}.org/pypi/zope-interface-x/json"),
        ("pypi_rss", "Zope.Interface", f"https://{PYPI_HOST}.org/rss/project/zope-interface/releases.xml"),
        ("npm", "left-pad", f"https://registry.{NPM_HOST}.org/left-pad"),
        ("npm", "@scope/name", f"https://registry.{NPM_HOST}.org/@scope%2Fname"),
        ("github", "owner/repo", "https://api.github.com/repos/owner/repo/releases?per_page=100"),
    ],
)
def test_without_a_url_the_registry_itself_is_asked(kind, project, url):
    registry = REGISTRIES[kind]
    assert registry.url_of(registry.name_of(project)) == url


def test_each_registry_is_asked_for_what_it_speaks(site):
    for kind, body, accept in [
        ("github", GITHUB, "application/vnd.github+json"),
        ("npm", NPM, "application/json"),
    ]:
        source_of(site, kind, body).read()
        assert site.server.asked[-1].headers["Accept"] == accept


@pytest.mark.parametrize("release", [{"tag_name": " "}, {"tag_name": None}, {}, "v1", None])
def test_a_release_without_a_version_is_rejected_with_its_place(site, release):
    found = source_of(site, "github", [{"tag_name": "v1"}, release]).read()
    assert found.keys == ["Sample.Package@v1"]
    assert found.rejected == [("page 1, release 2", "it has no version")]


def test_a_date_that_is_none_is_told(site):
    found = source_of(site, "github", [{"tag_name": "v1", "published_at": "soon"}]).read()
    assert found.candidates[0].published_at is None
    assert "has the date 'soon', which cannot be read" in found.warnings[0][1]


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("pypi", {"message": "x"}, "has no releases"),
        ("pypi", [], "has no releases"),
        ("npm", {"name": "x"}, "has no versions"),
        ("npm", {"time": {"unpublished": {}}}, "was unpublished"),
        ("github", {"message": "x"}, "has no list"),
        ("pypi", b"<html/>", "no JSON"),
        ("pypi_rss", b"<html/>", "is no feed"),
        ("pypi_rss", b'<!DOCTYPE rss [<!ENTITY a "b">]><rss version="2.0"/>', "declares XML entities"),
    ],
)
def test_an_answer_of_another_kind_fails_and_names_the_url(site, kind, body, text):
    with pytest.raises(PermanentFailure, match=rf"^{site.url}/pypi/x/json .*{text}"):
        source_of(site, kind, body).read()


@pytest.mark.parametrize(
    ("answer", "failure", "text"),
    [
        (Answer(200, b""), PermanentFailure, "empty body"),
        (Answer(404), PermanentFailure, "404"),
        (Answer(410), PermanentFailure, "gone"),
        (Answer(429, b"", (("Retry-After", "9"),)), RateLimited, "9 s"),
        (Answer(503), TransientFailure, "503"),
    ],
)
def test_what_the_registry_says_is_the_failure(site, answer, failure, text):
    url = site.answers("/x", answer)
    with pytest.raises(failure, match=text):
        site.source(Releases(), url, {"source": "pypi", "project": "x"}).read()


def test_robots_are_honoured_unless_the_job_says_otherwise(site):
    site.answer("/robots.txt", "User-agent: *\nDisallow: /pypi/*/json", "text/plain")
    with pytest.raises(PermanentFailure, match=r"robots\.txt"):
        source_of(site, "pypi", PYPI).read()
    assert source_of(site, "pypi", PYPI, robots=False).read().keys
