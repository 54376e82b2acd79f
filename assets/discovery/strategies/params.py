"""The parameters of each strategy, with their defaults and what is required.

A strategy reads its own with `<Model>.model_validate(ask.params)`. Not here: the strategies themselves, and
which model belongs to which name (`registry`).
"""

import codecs
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from assets.discovery.config_values import Count, Duration, FilledText, Keys, Name, NotEmpty, Positive
from assets.discovery.credentials import resolved
from assets.discovery.yaml_text import plain_values

_MOST_BYTES: Final = 50 * 1024 * 1024  # what sitemaps.org allows a file
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_RELATIVE_SQLITE: Final = re.compile(r"(sqlite(?:\+\w+)?:///)(?![/:?]|file:|$)(.+)")


class _Place:
    """Marks a parameter that names a file, or may: a relative one is meant from the jobs file's folder."""


def _readable(location: str) -> str:
    scheme = _SCHEME.match(location)
    if scheme and scheme[1].lower() not in {"http", "https", "file"}:
        raise ValueError("it must be an http, https or file URL, or a path")
    return location


def _expression(text: str) -> str:
    try:
        jmespath.compile(text)
    except JMESPathError as error:
        raise ValueError(f"it is no JMESPath expression: {' '.join(str(error).split())}") from None
    return text


def _encoding(name: str) -> str:
    try:
        codecs.lookup(name)
    except LookupError:
        raise ValueError("it is no text encoding that Python knows; write for example utf-8") from None
    return name


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError("it is no date; write for example 2026-03-07") from None


def _no_option(ref: str) -> str:
    if ref.startswith("-"):
        raise ValueError("it must not begin with a dash")
    return ref


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _listed(values: Any) -> Any:
    """Texts stay texts; what is within an object gets its type."""
    return (
        [plain_values(v) if isinstance(v, dict) else v for v in values]
        if isinstance(values, list)
        else values
    )


Texts = tuple[str, ...]
Expression = Annotated[str, AfterValidator(_expression)]
LocalPath = Annotated[FilledText, _Place()]
Location = Annotated[FilledText, AfterValidator(_readable), _Place()]
Day = Annotated[str, AfterValidator(_day)]
Columns = Annotated[tuple[FilledText, ...], NotEmpty]


class Params(Keys):
    """The parameters of one strategy."""

    def at_use(self, folder: Path, environment: Mapping[str, str]) -> dict[str, Any]:
        """What the strategy gets: references to secrets resolved, relative paths made absolute.

        Raises:
            PermanentFailure: a variable that is referred to is not set.
        """
        values: dict[str, Any] = resolved(self.model_dump(mode="json", by_alias=True), environment)
        for name, field in type(self).model_fields.items():
            if values[field.alias or name] and any(isinstance(mark, _Place) for mark in field.metadata):
                values[field.alias or name] = absolute(values[field.alias or name], folder)
        return values


def absolute(place: str, folder: Path) -> str:
    """A path, or the file of an SQLite URL, from the folder of the jobs file; other URLs as they are."""
    if sqlite := _RELATIVE_SQLITE.fullmatch(place):
        return f"{sqlite[1]}{folder / sqlite[2]}"
    return place if _SCHEME.match(place) else str(folder / place)


class WebOptions(Params):
    """How the web is read."""

    allow_private: bool = False
    robots: bool = True
    drop_params: Texts = ()
    headers: dict[str, str] = Field(default_factory=dict)
    timeout_s: Positive = 30
    max_bytes: Count = _MOST_BYTES


class WebParams(WebOptions):
    """What every strategy that reads the web from a URL takes."""

    url: Location


class StaticListParams(Params):
    """`static_list`."""

    values: Annotated[tuple[Any, ...], BeforeValidator(_listed)]


class TableFileParams(Params):
    """`table_file`."""

    path: LocalPath
    format: Literal["auto", "csv", "tsv", "jsonl", "json", "parquet", "arrow"] = "auto"
    key_columns: tuple[FilledText, ...] = ()
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"


class DirectoryGlobParams(Params):
    """`directory_glob`."""

    root: LocalPath
    patterns: Texts = ("**/*",)
    exclude: Texts = ()
    settle_s: Duration = 10
    content_hash: bool = False


class ObjectStoreParams(Params):
    """`object_store`."""

    bucket: FilledText
    prefix: str = ""
    suffix: str = ""
    monotonic: bool = False


class SqlQueryParams(Params):
    """`sql_query`."""

    database: LocalPath
    query: FilledText
    key_columns: Columns
    watermark_column: FilledText
    batch: Count = 1000
    overlap: Duration = 0


class GitHistoryParams(Params):
    """`git_history`."""

    repo: LocalPath
    mode: Literal["commits", "tags", "files"] = "commits"
    ref: Annotated[FilledText, AfterValidator(_no_option)] = "HEAD"
    paths: Texts = ()


class DateRangeParams(Params):
    """`date_range`. Neither `end` nor `rolling_days`: up to yesterday."""

    start: Day
    end: Day | None = None
    rolling_days: Count | None = None
    step: Literal["day", "hour", "week", "month", "quarter", "year"] = "day"
    weekdays: bool = False

    @model_validator(mode="after")
    def _has_one_end(self) -> Self:
        if self.end is not None and self.rolling_days is not None:
            raise ValueError("give end or rolling_days, not both")
        if self.end is not None and self.end < self.start:
            raise ValueError(f"end {self.end} is before start {self.start}")
        return self


class UpstreamResultsParams(Params):
    """`upstream_results`."""

    job: Name
    stage: Name
    fan_out: Expression | None = None


class RssAtomParams(WebParams):
    """`rss_atom`."""


class MediaFeedParams(WebParams):
    """`media_feed`."""

    media: Literal["auto", "enclosure", "youtube"] = "auto"


class SitemapParams(WebParams):
    """`sitemap`."""

    include: Texts = ()
    exclude: Texts = ()
    use_lastmod: bool = True


class HtmlLinksParams(WebParams):
    """`html_links`."""

    select: FilledText = "a[href]"
    include: Texts = ()
    exclude: Texts = ()
    next: FilledText | None = None


class Paging(Keys):
    """How `json_api` finds the next page."""

    mode: Literal["none", "link", "next_url", "token", "page", "offset"] = "none"
    next: Expression | None = None
    param: FilledText | None = None
    size_param: FilledText | None = None
    size: Count | None = None

    @model_validator(mode="after")
    def _knows_the_next_page(self) -> Self:
        if self.mode in {"next_url", "token"} and self.next is None:
            raise ValueError(f"mode {self.mode} needs next, the expression of the next page in the response")
        if self.mode == "token" and self.param is None:
            raise ValueError("mode token needs param, the query parameter that takes the token")
        return self


class JsonApiParams(WebParams):
    """`json_api`."""

    method: Literal["GET", "POST"] = "GET"
    body: Annotated[Any, BeforeValidator(plain_values)] = None
    items: Expression
    key: Annotated[tuple[Expression, ...], BeforeValidator(_as_list), NotEmpty]
    paging: Paging = Paging()


class EdgarIndexParams(WebParams):
    """`edgar_index`."""

    forms: Texts = ()
    ciks: Texts = ()
    key: Literal["accession", "cik_accession"] = "accession"


class OaiPmhParams(WebParams):
    """`oai_pmh`. Dates stay as they are written: a repository may want days or instants."""

    prefix: FilledText = "oai_dc"
    set_: FilledText | None = Field(default=None, alias="set")
    from_: FilledText | None = Field(default=None, alias="from")
    until: FilledText | None = None


class ReleasesParams(WebOptions):
    """`releases`. Without `url`, the registry's own."""

    url: Annotated[Annotated[FilledText, AfterValidator(_readable)] | None, _Place()] = None
    source: Literal["pypi", "pypi_rss", "npm", "github"]
    project: FilledText
    prereleases: bool = True


class MailboxParams(Params):
    """`mailbox`."""

    path: LocalPath
    format: Literal["mbox", "maildir", "eml"] = "mbox"
    attachments: bool = False
