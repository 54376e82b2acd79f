"""Stage 3: a score for every product, and for every vehicle that it was sold to."""

from assets.aim.pictures import tier_picture
from assets.aim.reference import INFLUENCE, PRODUCT_CATALOGUE
from assets.aim.stages.inputs import refresh_event_items, refresh_reference, refresh_size_keys
from assets.aim.stages.outcomes import Outcome
from assets.aim.stages.run import Run
from assets.aim.tables import CAR_SALES, SCORES, TYRE_FEED
from assets.facts import Markdown


def score_tyres(run: Run) -> Outcome:
    """Replace the score table."""
    run.require("Stage 1", CAR_SALES, TYRE_FEED)
    refresh_reference(run, PRODUCT_CATALOGUE, INFLUENCE)
    refresh_event_items(run)
    refresh_size_keys(run, "list_feed_sizes")
    run.execute(["score_tyres"], [SCORES], {"run_date": run.run_date})
    if run.settings.dry_run:
        run.sql("count_tiers")
        return Outcome(0)
    tiers = run.query("count_tiers")
    return Outcome(
        run.count(SCORES), {SCORES: {"tiers": tiers, "picture": Markdown(tier_picture(tiers.iter_rows()))}}
    )
