"""The jobs of dwh, one per asset: what its sensors launch."""

import dagster as dg

from assets.dwh.checks import FILTERED_IMAGES, PROMOTIONS, TRANSFORMED_IMAGES
from assets.dwh.registry import REGISTRY

transform_images = dg.define_asset_job(
    "transform_images",
    selection=dg.AssetSelection.assets(TRANSFORMED_IMAGES),
    description=REGISTRY["transform_images"].description,
)
filter_images = dg.define_asset_job(
    "filter_images",
    selection=dg.AssetSelection.assets(FILTERED_IMAGES),
    description=REGISTRY["filter_images"].description,
)
load_promos = dg.define_asset_job(
    "load_promos",
    selection=dg.AssetSelection.assets(PROMOTIONS),
    description=REGISTRY["load_promos"].description,
)
