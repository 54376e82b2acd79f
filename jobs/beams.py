"""The jobs of beams: a case is prepared, each of its beams is checked, the case is reported.

The sensor asks for them one after the other; a person launches them in the same order.
"""

import dagster as dg

from assets.beams.checks import beams_key


def _selected(*names: str) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*(beams_key(name) for name in names))


prepare_beam_case = dg.define_asset_job(
    "prepare_beam_case",
    selection=_selected("case_manifest"),
    description="Judge a case as a whole, make its folders and its manifest, register its beams.",
)

check_beam_field = dg.define_asset_job(
    "check_beam_field",
    selection=_selected("log_csv", "tps_input", "dose", "rtdose", "delivery_check"),
    description="Simulate a beam as it was logged, and check all of its deliveries.",
)

report_beam_case = dg.define_asset_job(
    "report_beam_case",
    selection=_selected("case_report"),
    description="Summarise a case whose beams have ended, complete or not.",
)
