"""Stage 1: the two daily feeds into their tables."""

from collections.abc import Callable, Mapping
from typing import BinaryIO

from assets.aim.feed_files import FeedKind, choose_feed
from assets.aim.feeds import Feed, read_car_sales, read_tyre_feed
from assets.aim.stages.outcomes import Fact, Outcome
from assets.aim.stages.run import Run
from assets.aim.tables import CAR_SALES, TYRE_FEED
from assets.failures import NotReady

_LOGGED_REJECTIONS = 20


def load_data(run: Run) -> Outcome:
    """Replace both feed tables, once both feeds have been read and judged."""
    sales = _read(run, "CarMakeModelSales", read_car_sales)
    tyres = _read(run, "TyreScore", read_tyre_feed)
    run.load_together({CAR_SALES: sales.frame, TYRE_FEED: tyres.frame})
    if run.settings.dry_run:
        return Outcome(0)
    return Outcome(
        sales.frame.height + tyres.frame.height, {CAR_SALES: _facts(sales), TYRE_FEED: _facts(tyres)}
    )


def _read(run: Run, kind: FeedKind, read: Callable[[BinaryIO, str], Feed]) -> Feed:
    settings, folder = run.settings, run.places.feeds
    path = choose_feed(
        folder.list_files(settings.feed_folder),
        kind,
        run.run_date,
        settings.feed_folder,
        settings.feed_extension,
    )
    with folder.opened(path) as stream:
        if stream is None:
            raise NotReady(
                f"{path} was removed at this moment; waiting for the {kind} feed of {run.run_date}"
            )
        feed = read(stream, path)
    for line, reason in feed.rejections[:_LOGGED_REJECTIONS]:
        run.log.warning("%s: line %d was rejected: it %s", path, line, reason)
    if feed.rejected > _LOGGED_REJECTIONS:
        run.log.warning("%s: %s lines were rejected in all", path, f"{feed.rejected:,}")
    return feed


def _facts(feed: Feed) -> Mapping[str, Fact]:
    return {"file": feed.name, "rejected_rows": feed.rejected}
