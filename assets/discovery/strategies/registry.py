"""Which strategies there are: the parameters of each, and what it does with an item that changed.

The jobs file is checked against this table, so it imports none of the strategies and none of their libraries.
A strategy is a class in the module of its name (`rss_atom.RssAtom`), imported when a job runs.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from assets.discovery.config_values import OnChange
from assets.discovery.strategies import params
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.params import Params


@dataclass(frozen=True, slots=True)
class Strategy:
    """One strategy, as the jobs file needs to know it."""

    params: type[Params]
    on_change: OnChange = "reprocess"


STRATEGIES: Final[Mapping[str, Strategy]] = MappingProxyType(
    {
        "static_list": Strategy(params.StaticListParams),
        "table_file": Strategy(params.TableFileParams),
        "directory_glob": Strategy(params.DirectoryGlobParams),
        "object_store": Strategy(params.ObjectStoreParams),
        "sql_query": Strategy(params.SqlQueryParams),
        "git_history": Strategy(params.GitHistoryParams),
        "date_range": Strategy(params.DateRangeParams),
        "upstream_results": Strategy(params.UpstreamResultsParams),
        # Titles and lastmod of what these list are edited often, and mean no new work.
        "rss_atom": Strategy(params.RssAtomParams, on_change="ignore"),
        "media_feed": Strategy(params.MediaFeedParams, on_change="ignore"),
        "sitemap": Strategy(params.SitemapParams, on_change="ignore"),
        "html_links": Strategy(params.HtmlLinksParams, on_change="ignore"),
        "json_api": Strategy(params.JsonApiParams),
        "edgar_index": Strategy(params.EdgarIndexParams),
        "oai_pmh": Strategy(params.OaiPmhParams),
        "releases": Strategy(params.ReleasesParams),
        "mailbox": Strategy(params.MailboxParams),
    }
)
"""By name, in the order in which they are told to people."""


def strategy_class(name: str) -> type[BaseDiscovery]:
    """Import the strategy of that name: `rss_atom` is `RssAtom`."""
    module = importlib.import_module(f"{__package__}.{name}")
    return getattr(module, "".join(word.capitalize() for word in name.split("_")))
