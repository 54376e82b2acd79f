"""The assets of beams: one of a case, five of each of its treatment beams, and the report of the case.

    case_manifest ── log_csv ── tps_input ── dose ── rtdose ─┐
                └─── delivery_check ─────────────────────────┴── case_report

Partitions are dynamic: cases, and `<case>|<treatment_index>`. What each asset does is a function of
`assets.beams.stages`; a claim that does not hold is a check, and what must stop is a failure of the step.

The steps are imported by the assets that run them: reading DICOM takes 0.4 s to import, drawing more.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from assets.beams import checks
from assets.beams.checks import GROUP, beams_key
from assets.beams.failures import BeamFailure
from assets.beams.keys import beam_id, parsed_field_key
from assets.beams.partitions import beam_cases, beam_fields
from assets.beams.steps import active_runs, site_of, tag_run
from assets.metadata import as_table
from resources.compute_host import ComputeHost
from resources.dose_engine import DoseEngine
from resources.ledger import Ledger

if TYPE_CHECKING:
    from assets.beams.stages.case_manifest import MadeManifest
    from assets.beams.stages.site import Site

Results = Iterator[dg.MaterializeResult | dg.AssetCheckResult]

CPU_POOL: Final = "beam_cpu"
GPU_POOL: Final = "beam_gpu"

_CSV_COLUMNS: Final = (
    ("time_ms", "float32", "Since the first sample of the layer."),
    ("x_mm", "float32", "Position at the isocentre plane."),
    ("y_mm", "float32", "Position at the isocentre plane."),
    ("count", "int64", "Counts of the first dose monitor, in its base range."),
)


def _deps(*names: str) -> list[dg.AssetDep]:
    return [dg.AssetDep(beams_key(name)) for name in names]


def _of_the_other_partition(*names: str) -> list[dg.AssetDep]:
    """Cases and beams are two sets of keys, and Dagster cannot say that one is part of the other."""
    return [dg.AssetDep(beams_key(name), partition_mapping=dg.AllPartitionMapping()) for name in names]


@dg.asset(
    key=beams_key("case_manifest"),
    partitions_def=beam_cases,
    group_name=GROUP,
    kinds={"dicom"},
    check_specs=[checks.EVERY_DELIVERY_MATCHES, checks.EVERY_LAYER_HAS_ITS_LOG],
    description="A case judged as a whole: plan, deliveries, fractions, the log of every layer, the reference"
    " delivery of every beam. Anything uncertain refuses the case.",
)
def case_manifest(context: dg.AssetExecutionContext, ledger: Ledger) -> Results:
    """Judge the case, make its folders, register its beams."""
    from assets.beams.stages.case_manifest import make_manifest

    with site_of(context, ledger) as site:
        try:
            made = make_manifest(site, context.partition_key)
        except BeamFailure as failure:
            if failure.category != "pending":
                yield from checks.manifest_results(failure)
            raise
        tag_run(context, case=context.partition_key, room=made.room)
        context.instance.add_dynamic_partitions(str(beam_fields.name), list(made.field_keys))
        yield from checks.manifest_results(None)
        yield dg.MaterializeResult(
            metadata=_manifest_metadata(made), data_version=dg.DataVersion(made.sha256)
        )


@dg.asset(
    key=beams_key("log_csv"),
    partitions_def=beam_fields,
    group_name=GROUP,
    kinds={"csv"},
    deps=_of_the_other_partition("case_manifest"),
    check_specs=[checks.CSV_READS_BACK],
    metadata={"dagster/column_schema": dg.TableSchema([dg.TableColumn(*column) for column in _CSV_COLUMNS])},
    description="The logs of a beam's reference delivery, one CSV per layer, as the GPU engine reads them.",
)
def log_csv(context: dg.AssetExecutionContext, ledger: Ledger) -> Results:
    """Convert the logs of the reference delivery."""
    from assets.beams.stages.spot_csvs import make_csvs

    with _beam_site(context, ledger) as site:
        try:
            made = make_csvs(site, context.partition_key)
        except BeamFailure as failure:
            yield checks.broken(checks.CSV_READS_BACK, failure)
            raise
        rows = [
            {
                "csv": csv.name,
                "samples": csv.samples,
                "beam_on": csv.beam_on_samples,
                "counts": csv.beam_on_counts,
                "rescans": ", ".join(map(str, csv.rescans)),
            }
            for csv in made.csvs
        ]
        yield checks.passed(checks.CSV_READS_BACK, csvs=len(rows))
        yield dg.MaterializeResult(
            metadata={
                "dagster/row_count": made.samples,
                "reference_delivery": made.delivery,
                "layers": as_table(rows),
            }
        )


@dg.asset(
    key=beams_key("tps_input"),
    partitions_def=beam_fields,
    group_name=GROUP,
    kinds={"text"},
    deps=_deps("log_csv"),
    check_specs=[checks.TPS_READS_BACK],
    description="The input file of the GPU engine. The CPU engine takes the same random number seed.",
)
def tps_input(context: dg.AssetExecutionContext, ledger: Ledger) -> Results:
    """Write the TPS file and read it back."""
    from assets.beams.stages.tps_files import make_tps_input

    with _beam_site(context, ledger) as site:
        try:
            made = make_tps_input(site, context.partition_key)
        except BeamFailure as failure:
            yield checks.broken(checks.TPS_READS_BACK, failure)
            raise
        yield checks.passed(checks.TPS_READS_BACK, sha256=made.sha256)
        yield dg.MaterializeResult(
            metadata={
                "file": made.path.name,
                "random_seed": made.seed,
                "sha256": made.sha256,
                "text": dg.MetadataValue.md(f"```\n{made.text}```"),
            },
            data_version=dg.DataVersion(made.sha256),
        )


def dose_in(pool: str) -> dg.AssetsDefinition:
    """The asset `beams/dose`, whose steps wait for each other in a pool."""

    @dg.asset(
        key=beams_key("dose"),
        partitions_def=beam_fields,
        group_name=GROUP,
        kinds={"montecarlo"},
        deps=_deps("tps_input"),
        pool=pool,
        check_specs=[checks.DOSE_IS_POSITIVE],
        description="The dose of a beam as logged, by proton Monte Carlo in water, with the evidence that the"
        " engine did it.",
    )
    def dose(
        context: dg.AssetExecutionContext, ledger: Ledger, compute_host: ComputeHost, dose_engine: DoseEngine
    ) -> Results:
        """Simulate the beam, or re-attach to its simulation."""
        from assets.beams.stages.dose import make_dose

        with _beam_site(context, ledger) as site:
            try:
                made = make_dose(
                    site,
                    context.partition_key,
                    compute_host,
                    dose_engine,
                    active_runs=lambda runs: active_runs(context.instance) & frozenset(runs),
                )
            except BeamFailure as failure:
                if failure.category != "pending":
                    yield checks.broken(checks.DOSE_IS_POSITIVE, failure)
                raise
            record, figures = made.record, made.figures
            yield checks.passed(checks.DOSE_IS_POSITIVE, maximum=figures.maximum, mean=figures.mean)
            yield dg.MaterializeResult(
                metadata={
                    "maximum": figures.maximum,
                    "mean": figures.mean,
                    "engine": record.engine,
                    "primaries": record.primaries,
                    "random_seed": record.seed,
                    "host": record.host,
                    "evidence": dg.MetadataValue.json(json.loads(record.as_json())),
                    "warnings": ", ".join(warning.code for warning in made.warnings) or "none",
                },
                data_version=dg.DataVersion(record.output_sha256),
            )

    return dose


@dg.asset(
    key=beams_key("rtdose"),
    partitions_def=beam_fields,
    group_name=GROUP,
    kinds={"dicom"},
    deps=_deps("dose"),
    check_specs=[checks.RTDOSE_SCALES_BACK, checks.RTDOSE_REFERENCES_PLAN],
    description="The dose of a beam as a DICOM RTDOSE that refers to the plan. Research use only.",
)
def rtdose(context: dg.AssetExecutionContext, ledger: Ledger) -> Results:
    """Write the RTDOSE and read it back."""
    from assets.beams.stages.rtdose_files import make_rtdose

    with _beam_site(context, ledger) as site:
        try:
            made = make_rtdose(site, context.partition_key)
        except BeamFailure as failure:
            yield checks.broken(checks.RTDOSE_SCALES_BACK, failure)
            raise
        yield checks.passed(checks.RTDOSE_SCALES_BACK, **made.scaling)
        yield checks.passed(checks.RTDOSE_REFERENCES_PLAN, **made.references)
        yield dg.MaterializeResult(
            metadata={"file": made.path.name, "units": made.units, "sha256": made.sha256},
            data_version=dg.DataVersion(made.sha256),
        )


@dg.asset(
    key=beams_key("delivery_check"),
    partitions_def=beam_fields,
    group_name=GROUP,
    kinds={"html"},
    deps=_of_the_other_partition("case_manifest"),
    check_specs=[checks.GAMMA_IS_ENOUGH, checks.MONITORS_AGREE, checks.METERSET_SHARE_MATCHES],
    description="The point gamma of every delivery of a beam against the plan, with a page for each.",
)
def delivery_check(context: dg.AssetExecutionContext, ledger: Ledger) -> Results:
    """Judge every delivery of the beam."""
    from assets.beams.stages.delivery_checks import check_deliveries

    with _beam_site(context, ledger) as site:
        deliveries = check_deliveries(site, context.partition_key)
        pictures = {name: text for delivery in deliveries for name, text in delivery.pictures.items()}
        yield from checks.delivery_results(deliveries)
        yield dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(delivery.end.evaluated_points or 0 for delivery in deliveries),
                "deliveries": as_table([checks.delivery_row(delivery) for delivery in deliveries]),
                **{name: dg.MetadataValue.md(text) for name, text in pictures.items()},
            }
        )


@dg.asset(
    key=beams_key("case_report"),
    partitions_def=beam_cases,
    group_name=GROUP,
    kinds={"html"},
    deps=_of_the_other_partition("rtdose", "delivery_check"),
    description="The verdict per beam and delivery, with pictures; of what failed, why. Research use only.",
)
def case_report(context: dg.AssetExecutionContext, ledger: Ledger) -> Results:
    """Summarise the case, complete or not."""
    from assets.beams.stages.case_reports import make_report

    with site_of(context, ledger) as site:
        made = make_report(site, context.partition_key)
        tag_run(context, case=context.partition_key, room=made.room)
        yield dg.MaterializeResult(
            metadata={
                "state": made.state,
                "progress_percent": made.progress,
                "beams": as_table(made.beam_rows),
                "deliveries": as_table(made.delivery_rows),
                "warnings": ", ".join(made.warnings) or "none",
                **{name: dg.MetadataValue.md(text) for name, text in made.pictures.items()},
            }
        )


def assets_of(engine: object) -> list[dg.AssetsDefinition]:
    """All assets of this pipeline, with the pool in which the doses of this engine wait for each other."""
    pool = GPU_POOL if isinstance(engine, DoseEngine) and engine.needs_gpu else CPU_POOL
    return [case_manifest, log_csv, tps_input, dose_in(pool), rtdose, delivery_check, case_report]


@contextmanager
def _beam_site(context: dg.AssetExecutionContext, ledger: Ledger) -> "Iterator[Site]":
    """The site of a beam's step, whose run is tagged with the beam."""
    with site_of(context, ledger) as site:
        key = parsed_field_key(context.partition_key)
        tag_run(context, case=key.case, room=site.room_of(key.case), beam_id=beam_id(*key))
        yield site


def _manifest_metadata(made: "MadeManifest") -> dict[str, Any]:
    manifest = made.manifest
    beams = [
        {
            "treatment_index": beam["treatment_index"],
            "dicom_number": beam["dicom_number"],
            "plan_position": beam["plan_position"],
            "name": beam["name"],
            "layers": len(beam["layers"]),
            "reference": manifest["references"][str(beam["treatment_index"])]["delivery"],
        }
        for beam in manifest["beams"]
    ]
    fractions = [
        {
            "index": fraction["index"],
            "status": fraction["status"],
            "deliveries": ", ".join(fraction["deliveries"]),
            "missing": ", ".join(map(str, fraction["missing"])),
            "duplicate": ", ".join(map(str, fraction["duplicate"])),
        }
        for fraction in manifest["fractions"]
    ]
    return {
        "dagster/row_count": len(manifest["deliveries"]),
        "gantry": manifest["gantry"],
        "fingerprint": manifest["fingerprint"],
        "beams": as_table(beams),
        "fractions": as_table(fractions),
        "warnings": ", ".join(dict.fromkeys(warning["code"] for warning in manifest["warnings"])) or "none",
    }
