"""The parameters of the strategies: what is required, what is the default, what is refused."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from assets.discovery.strategies.params import Params, absolute
from assets.discovery.strategies.registry import STRATEGIES

REQUIRED = {
    "static_list": {"values": ["a"]},
    "table_file": {"path": "x.csv"},
    "directory_glob": {"root": "in"},
    "object_store": {"bucket": "b"},
    "sql_query": {
        "database": "env:DB",
        "query": "select 1",
        "key_columns": ["id"],
        "watermark_column": "at",
    },
    "git_history": {"repo": "."},
    "date_range": {"start": "2026-01-01"},
    "upstream_results": {"job": "a", "stage": "b"},
    "rss_atom": {"url": "feed.xml"},
    "media_feed": {"url": "feed.xml"},
    "sitemap": {"url": "https://a.example/sitemap.xml"},
    "html_links": {"url": "https://a.example/"},
    "json_api": {"url": "https://a.example/", "items": "data", "key": "id"},
    "edgar_index": {"url": "file:///x/master.idx"},
    "oai_pmh": {"url": "https://a.example/oai"},
    "releases": {"source": "pypi", "project": "attrs"},
    "mailbox": {"path": "inbox.mbox"},
}
ON_THE_WEB = {
    "rss_atom",
    "media_feed",
    "sitemap",
    "html_links",
    "json_api",
    "edgar_index",
    "oai_pmh",
    "releases",
}


def read(strategy, **more) -> Params:
    return STRATEGIES[strategy].params.model_validate(REQUIRED[strategy] | more)


def test_there_are_the_seventeen_strategies():
    assert set(STRATEGIES) == set(REQUIRED)
    assert len(STRATEGIES) == 17


@pytest.mark.parametrize("strategy", REQUIRED)
def test_what_is_required_is_enough_and_each_of_it_is_needed(strategy):
    read(strategy)
    for name in REQUIRED[strategy]:
        rest = {key: value for key, value in REQUIRED[strategy].items() if key != name}
        with pytest.raises(ValidationError, match=f"{name}\n.*required"):
            STRATEGIES[strategy].params.model_validate(rest)


@pytest.mark.parametrize("strategy", REQUIRED)
def test_strategies_with_a_url_can_be_told_how_to_read_the_web_and_no_others(strategy):
    given = read(strategy).model_dump()
    web = {
        "allow_private": False,
        "robots": True,
        "drop_params": (),
        "headers": {},
        "timeout_s": 30,
        "max_bytes": 52_428_800,
    }
    assert (web.items() <= given.items()) is (strategy in ON_THE_WEB)


@pytest.mark.parametrize(
    ("strategy", "defaults"),
    [
        ("table_file", {"format": "auto", "key_columns": [], "delimiter": None, "encoding": "utf-8"}),
        ("directory_glob", {"patterns": ["**/*"], "exclude": [], "settle_s": 10, "content_hash": False}),
        ("object_store", {"prefix": "", "suffix": "", "monotonic": False}),
        ("sql_query", {"batch": 1000, "overlap": 0}),
        ("git_history", {"mode": "commits", "ref": "HEAD", "paths": []}),
        ("date_range", {"end": None, "rolling_days": None, "step": "day", "weekdays": False}),
        ("upstream_results", {"fan_out": None}),
        ("media_feed", {"media": "auto"}),
        ("sitemap", {"include": [], "exclude": [], "use_lastmod": True}),
        ("html_links", {"select": "a[href]", "include": [], "exclude": [], "next": None}),
        ("json_api", {"method": "GET", "body": None, "key": ["id"]}),
        ("edgar_index", {"forms": [], "ciks": [], "key": "accession"}),
        ("oai_pmh", {"prefix": "oai_dc", "set": None, "from": None, "until": None}),
        ("releases", {"url": None, "prereleases": True}),
        ("mailbox", {"format": "mbox", "attachments": False}),
    ],
)
def test_defaults_are_the_documented_ones(strategy, defaults):
    given = read(strategy).at_use(Path("/conf"), {"DB": "sqlite://"})
    assert defaults.items() <= given.items()


@pytest.mark.parametrize(
    ("strategy", "more", "sentence"),
    [
        ("date_range", {"end": "2026-02-01", "rolling_days": "3"}, "end or rolling_days, not both"),
        ("date_range", {"end": "2025-12-31"}, "end 2025-12-31 is before start 2026-01-01"),
        ("date_range", {"start": "2026-02-30"}, "it is no date"),
        ("git_history", {"ref": "--upload-pack=x"}, "must not begin with a dash"),
        ("json_api", {"items": "data["}, "it is no JMESPath expression"),
        ("json_api", {"key": []}, "it must not be empty"),
        ("json_api", {"paging": {"mode": "next_url"}}, "mode next_url needs next"),
        ("json_api", {"paging": {"mode": "token", "next": "next"}}, "mode token needs param"),
        ("upstream_results", {"fan_out": "a.["}, "it is no JMESPath expression"),
        ("table_file", {"encoding": "utf-9"}, "it is no text encoding"),
        ("table_file", {"delimiter": "||"}, "at most 1"),
        ("sitemap", {"url": "gopher://a.example/"}, "http, https or file URL, or a path"),
        ("releases", {"url": "ftp://a.example/"}, "http, https or file URL, or a path"),
        ("releases", {"source": "cran"}, "'pypi', 'pypi_rss', 'npm' or 'github'"),
    ],
)
def test_a_parameter_that_cannot_work_is_refused(strategy, more, sentence):
    with pytest.raises(ValidationError, match=sentence):
        read(strategy, **more)


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("in/x.csv", "/conf/in/x.csv"),
        ("/abs/x.csv", "/abs/x.csv"),
        ("../x.csv", "/conf/../x.csv"),
        ("https://a.example/x", "https://a.example/x"),
        ("file:///x", "file:///x"),
        ("sqlite:///data/x.db", "sqlite:////conf/data/x.db"),
        ("sqlite+pysqlite:///x.db", "sqlite+pysqlite:////conf/x.db"),
        ("sqlite:////abs/x.db", "sqlite:////abs/x.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite://", "sqlite://"),
        ("postgresql://db.example/x", "postgresql://db.example/x"),
    ],
)
def test_a_relative_path_is_meant_from_the_folder(place, found):
    assert absolute(place, Path("/conf")) == found


def test_a_path_may_be_a_reference_and_what_is_not_given_stays_so():
    assert (
        read("table_file", path="env:TABLE").at_use(Path("/conf"), {"TABLE": "x.csv"})["path"]
        == "/conf/x.csv"
    )
    assert read("releases").at_use(Path("/conf"), {})["url"] is None


def test_what_a_strategy_gets_can_be_read_again_by_its_model():
    for name in REQUIRED:
        params = STRATEGIES[name].params
        values = read(name).at_use(Path("/conf"), {"DB": "sqlite://"})
        assert params.model_validate(values).at_use(Path("/conf"), {}) == values


def test_reading_the_jobs_file_imports_no_strategy_no_client_and_no_dagster():
    code = (
        "import sys; from assets.discovery.jobs_file import load_jobs, SHIPPED; load_jobs(SHIPPED); "
        "bad = {'dagster', 'feedparser', 'lxml', 'httpx', 'sqlalchemy', 'polars', 'sqlite3', 'resources'}; "
        "print(*sorted(bad & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (found.returncode, found.stdout.strip(), found.stderr) == (0, "", "")
