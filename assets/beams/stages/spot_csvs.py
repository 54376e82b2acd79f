"""The step `log_csv`: the logs of a beam's reference delivery as the CSVs that the engine reads."""

from dataclasses import dataclass

from assets.beams.csv_record import record_bytes, record_path
from assets.beams.durable_files import write_whole
from assets.beams.log_publication import LayerLog, SpotCsv, publish_spot_csvs
from assets.beams.manifest import csv_names
from assets.beams.stages.beam_step import BeamStep, beam_step
from assets.beams.stages.site import Site
from assets.beams.states import BeamState

STEP = "log_csv"


@dataclass(frozen=True, slots=True)
class PublishedCsvs:
    """The CSVs of a beam."""

    delivery: str
    """The folder of the reference delivery."""
    csvs: tuple[SpotCsv, ...]

    @property
    def samples(self) -> int:
        """Over all layers."""
        return sum(csv.samples for csv in self.csvs)


def make_csvs(site: Site, partition_key: str) -> PublishedCsvs:
    """Convert, publish and record. Raises as `beam_step` does, and the codes of `publish_spot_csvs`."""
    with beam_step(site, partition_key, STEP, BeamState.PENDING) as step:
        made = _published(step)
        step.end(metadata={"delivery": made.delivery, "csvs": len(made.csvs), "samples": made.samples})
    return made


def _published(step: BeamStep) -> PublishedCsvs:
    case, index = step.case, step.index
    reference = case.reference(index)
    constants = reference.delivery.block.constants
    record = record_path(case.output, case.key, index)
    record.unlink(missing_ok=True)
    layers = [
        LayerLog(log.path, log.layer.number, log.row.dose1_range, name)
        for log, name in zip(reference.logs, csv_names(reference), strict=True)
    ]
    csvs = publish_spot_csvs(layers, constants, case.log_folder(index))
    write_whole(record, record_bytes(reference, case.machine.digest(reference.delivery.block), csvs))
    return PublishedCsvs(reference.delivery.folder, csvs)
