"""Every setting of a run: its variable, its default, what it may be, and its key in the JSON configuration.

Not here: where the values come from and which source wins (`configuration`), and what a value may look like
(`setting_values`).
"""

from dataclasses import dataclass
from typing import Annotated, Final, Literal, get_args, get_type_hints

from pydantic import SecretStr

from assets.aim.setting_values import (
    BOOLEAN,
    DATE_RANGES,
    GCS_URI,
    PATH,
    SECRET,
    SEGMENTS,
    TEXT,
    URL,
    DateRange,
    Grammar,
    matching,
    number,
    whole,
    word,
)

Mode = Literal["local", "cloud"]
RunMode = Literal["GLOBAL", "PER_SEGMENT"]
Season = Literal["AllSeason", "Winter", "Summer"]
WriteDisposition = Literal["WRITE_TRUNCATE", "WRITE_APPEND", "WRITE_EMPTY"]


@dataclass(frozen=True, slots=True)
class Variable:
    """What is known of a setting besides its field: the names of its variable, its grammar, its JSON key.

    One that `falls_back` takes its default, with a warning, when a number is out of range.
    """

    name: str
    grammar: Grammar
    json_key: str | None = None
    older_name: str | None = None
    falls_back: bool = False


_PROJECT: Final = matching(r"[a-z][a-z0-9.:-]*", "a project id")
_DATASET: Final = matching(r"[A-Za-z0-9_]+", "letters, digits and underscores")
_TABLE: Final = matching(r"[A-Za-z0-9_-]+", "letters, digits, underscores and hyphens")
_DATASET_ANYWHERE: Final = matching(r"([a-z][a-z0-9.:-]*\.)?[A-Za-z0-9_]+", "dataset or project.dataset")
_TABLE_ANYWHERE: Final = matching(
    r"([a-z][a-z0-9.:-]*\.)?[A-Za-z0-9_]+\.[A-Za-z0-9_-]+", "dataset.table or project.dataset.table"
)
_DISPOSITION: Final = word(*get_args(WriteDisposition), any_case=False)
_RUN_MODE: Final = word(*get_args(RunMode))
_SEASON: Final = word(*get_args(Season))
_POSITIVE: Final = number(0, is_low_allowed=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """The effective settings of a run. None, or an empty tuple, is "no value".

    Paths are in their normal form, without a slash at the end. The names of the variables stand beside the
    fields.
    """

    project_id: Annotated[str | None, Variable("PROJECT_ID", _PROJECT)] = None
    mode: Annotated[Mode, Variable("AIM_MODE", word(*get_args(Mode)))] = "cloud"
    dry_run: Annotated[bool, Variable("DRY_RUN", BOOLEAN)] = False
    ignore_config: Annotated[bool, Variable("IGNORE_GCS_CONFIG", BOOLEAN)] = False
    local_root: Annotated[str, Variable("AIM_LOCAL_ROOT", TEXT)] = "./demo"

    feed_bucket: Annotated[str | None, Variable("TYRESCORE_BUCKET", TEXT)] = None
    feed_folder: Annotated[str, Variable("TYRESCORE_PREFIX", PATH)] = "tyrescore-AWS3-daily-files"
    feed_extension: Annotated[str, Variable("TYRESCORE_FILE_EXTENSION", TEXT)] = ".csv"
    bucket: Annotated[str | None, Variable("AIM_BUCKET_NAME", TEXT)] = None
    prefix: Annotated[str, Variable("AIM_GCS_PREFIX", PATH)] = "aim-daily-files"
    config_uri: Annotated[str | None, Variable("CONFIG_GCS_URI", GCS_URI)] = None
    runlist_uri: Annotated[
        str | None, Variable("AIM_PRIORITY_RUNLIST_GCS_URI", GCS_URI, "PRIORITY_RUNLIST_GCS_URI")
    ] = None
    runlist_path: Annotated[str, Variable("AIM_RUNLIST_PATH", PATH)] = "runlist/priority_runlist_current.csv"

    dataset: Annotated[str, Variable("AIM_DATASET_ID", _DATASET)] = "AIM"
    table: Annotated[str, Variable("AIM_TABLE_ID", _TABLE)] = "AIMData"
    cam_table: Annotated[str, Variable("CAM_TABLE_ID", _TABLE_ANYWHERE)] = "CAM_files.CAM_SKU"
    ga4_dataset: Annotated[str | None, Variable("AIM_GA4_DATASET", _DATASET_ANYWHERE)] = None
    write_disposition: Annotated[WriteDisposition, Variable("AIM_BQ_WRITE_DISPOSITION", _DISPOSITION)] = (
        "WRITE_TRUNCATE"
    )

    waves_url: Annotated[str | None, Variable("AIM_WAVES_URL", URL, older_name="AIM_BASE_URL")] = None
    service_password: Annotated[SecretStr | None, Variable("AIM_SERVICE_PASSWORD", SECRET)] = None
    run_mode: Annotated[RunMode, Variable("AIM_RUN_MODE", _RUN_MODE, "RUN_MODE")] = "PER_SEGMENT"
    total_overall: Annotated[int, Variable("AIM_TOTAL_OVERALL", whole(1), "TOTAL_OVERALL")] = 10_000
    batch_size: Annotated[int, Variable("AIM_BATCH_SIZE", whole(1, 500), "BATCH_SIZE")] = 500
    parallel_batches: Annotated[int, Variable("AIM_PARALLEL_BATCHES", whole(1, 16))] = 4
    page_size: Annotated[int, Variable("AIM_PAGE_SIZE", whole(1))] = 45
    total_per_segment: Annotated[int, Variable("AIM_TOTAL_PER_SEGMENT", whole(0), "TOTAL_PER_SEGMENT")] = 500
    parallel_segments: Annotated[int, Variable("AIM_PARALLEL_SEGMENTS", whole(1))] = 7
    requests_per_segment: Annotated[int, Variable("AIM_REQUESTS_PER_SEGMENT", whole(1))] = 4
    request_timeout_s: Annotated[float, Variable("AIM_REQUEST_TIMEOUT_S", _POSITIVE)] = 900.0
    min_success_ratio: Annotated[
        float, Variable("AIM_MIN_SUCCESS_RATIO", number(0, 1), "MIN_SUCCESS_RATIO")
    ] = 0.8

    goldilocks_zone_pct: Annotated[
        float, Variable("AIM_GOLDILOCKS_ZONE_PCT", number(5, 50), "GOLDILOCKS_ZONE_PCT", falls_back=True)
    ] = 15.0
    price_fluctuation_upper: Annotated[
        float, Variable("AIM_PRICE_FLUCT_UPPER", number(1, 2), "PRICE_FLUCTUATION_UPPER", falls_back=True)
    ] = 1.1
    price_fluctuation_lower: Annotated[
        float, Variable("AIM_PRICE_FLUCT_LOWER", number(0.5, 1), "PRICE_FLUCTUATION_LOWER", falls_back=True)
    ] = 0.9
    brand_enhancer: Annotated[str | None, Variable("AIM_BRAND_ENHANCER", TEXT, "BRAND_ENHANCER")] = None
    model_enhancer: Annotated[str | None, Variable("AIM_MODEL_ENHANCER", TEXT, "MODEL_ENHANCER")] = None
    season: Annotated[Season | None, Variable("AIM_SEASON", _SEASON, "SEASON")] = None
    limit_segments: Annotated[
        tuple[str, ...], Variable("AIM_LIMIT_SEGMENTS", SEGMENTS, "LIMIT_TO_SEGMENTS")
    ] = ()
    disable_search: Annotated[bool, Variable("AIM_DISABLE_SEARCH", BOOLEAN, "DISABLE_SEARCH")] = True
    masked_dates: Annotated[
        tuple[DateRange, ...], Variable("AIM_MASKED_DATES", DATE_RANGES, "MASKED_DATES")
    ] = ()

    price_input_gbp_per_m: Annotated[float, Variable("AIM_PRICE_INPUT_GBP_PER_M", number(0))] = 0.072505
    price_output_gbp_per_m: Annotated[float, Variable("AIM_PRICE_OUTPUT_GBP_PER_M", number(0))] = 0.29002


VARIABLES: Final[dict[str, Variable]] = {
    name: hint.__metadata__[0] for name, hint in get_type_hints(Settings, include_extras=True).items()
}
"""By field of `Settings`, in their order."""
