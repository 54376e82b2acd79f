"""The CPU engine MCsquare: the beam of one field into a cube of water, on this machine.

In its raster the beam comes from high y, and x and y run against DICOM's axes: who reads the dose turns them.

Not here: the program and its data (`mcsquare_home`), which spots a log has, and what the output is worth.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal

from resources.compute_host import HostSession
from resources.dose_engine.base import DoseEngine, PreparedRun
from resources.dose_engine.errors import EngineError
from resources.dose_engine.mcsquare_home import (
    HU_TO_DENSITY,
    HU_TO_MATERIAL,
    MACHINE,
    MATERIALS,
    PROGRAM,
    engine_digest,
    engine_home,
    staged,
)

Spot = tuple[float, float, float]
"""x and y in mm at the isocentre plane, and the weight, relative to those of the other spots.

A weight is one in monitor units: the engine has its own number of protons for one, which grows with the
energy (1.6 times as many at 200 MeV as at 100 MeV).
"""

_CONFIG: Final = "config.txt"
_CT: Final = "CT.mhd"
_CT_VALUES: Final = "CT.raw"
_PLAN: Final = "PlanPencil.txt"
_BYTES_PER_VOXEL: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class McsquareRequest:
    """What to simulate."""

    layers: Sequence[tuple[float, Sequence[Spot]]]
    """The energy of each layer in MeV, and its spots."""
    primaries: int
    seed: int
    """1 to 2147483646; with one thread, the same request gives the same bytes."""
    threads: int
    voxel_mm: float
    voxels: int
    """Along each side of the cube."""
    isocentre_depth_mm: float
    """How deep below the face that the beam enters by."""

    @property
    def side_mm(self) -> float:
        """The length of the cube."""
        return self.voxels * self.voxel_mm


class McsquareEngine(DoseEngine):
    """MCsquare, staged below a folder of this machine."""

    name: ClassVar[Literal["mcsquare", "moqui"]] = "mcsquare"
    needs_gpu: ClassVar[bool] = False
    output_names: ClassVar[tuple[str, ...]] = ("Dose.mhd", "Dose.raw")

    stage_folder: str
    """Holds the copies of the engine that run; in it there is one for each content."""
    home: str | None = None
    """`BEAMS_MCSQUARE_HOME`, with `MCsquare_linux`, `Materials`, `BDL`, `Scanners`; None is the package."""

    def digest(self, session: HostSession) -> str:
        """The SHA-256 of the engine on this machine; see `DoseEngine.digest`."""
        return engine_digest(engine_home(self.home))

    def prepare(self, request: McsquareRequest, run_folder: Path) -> PreparedRun:
        """Write the phantom, the spots and the configuration; see `DoseEngine.prepare`.

        Raises:
            ValueError: there is no spot.
        """
        engine = staged(engine_home(self.home), Path(self.stage_folder))
        texts = {
            _CT: _phantom_header(request),
            _PLAN: plan_text(request),
            _CONFIG: _configuration(request),
            **{name: (engine / name).read_text("utf-8") for name in (HU_TO_DENSITY, HU_TO_MATERIAL, MACHINE)},
        }
        for name, text in texts.items():
            path = run_folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8", newline="\n")
        with (run_folder / _CT_VALUES).open("wb") as file:
            file.truncate(request.voxels**3 * _BYTES_PER_VOXEL)  # Water has HU 0, all bits 0.
        return PreparedRun(
            folder=run_folder,
            inputs=(*texts, _CT_VALUES),
            argv=(str(engine / PROGRAM), _CONFIG),
            environ={"MCsquare_Materials_Dir": str(engine / MATERIALS)},
        )

    def _absent(self, program: str) -> EngineError:
        return EngineError(
            f"The compute host has no '{program}': the CPU engine runs on this machine only; set"
            " BEAMS_COMPUTE_HOST=local, or BEAMS_ENGINE=moqui."
        )


def plan_text(request: McsquareRequest) -> str:
    """The spots as the engine reads them: one field at gantry 0, a control point for each layer with spots.

    Raises:
        ValueError: there is no spot.
    """
    layers = [(energy, spots) for energy, spots in request.layers if spots]
    if not layers:
        raise ValueError("no layer has a spot, so there is nothing to simulate")
    total = sum(weight for _, spots in layers for _, _, weight in spots)
    across = request.side_mm / 2
    # The beam comes from the face of highest y.
    isocentre = (across, request.side_mm - request.isocentre_depth_mm, across)
    lines = [
        *("#TREATMENT-PLAN-DESCRIPTION", "#PlanName", "beam", "#NumberOfFractions", "1"),
        *("##FractionID", "1", "##NumberOfFields", "1", "###FieldsID", "1"),
        *("#TotalMetersetWeightOfAllFields", f"{total:.6f}", ""),
        *("#FIELD-DESCRIPTION", "###FieldID", "1", "###FinalCumulativeMeterSetWeight", f"{total:.6f}"),
        *("###GantryAngle", "0", "###PatientSupportAngle", "0"),
        *("###IsocenterPosition", " ".join(f"{position:.6f}" for position in isocentre)),
        *("###NumberOfControlPoints", str(len(layers)), "", "#SPOTS-DESCRIPTION"),
        *_control_points(layers),
    ]
    return "\n".join(lines) + "\n"


def _control_points(layers: Sequence[tuple[float, Sequence[Spot]]]) -> Iterator[str]:
    delivered = 0.0
    for number, (energy, spots) in enumerate(layers, start=1):
        delivered += sum(weight for _, _, weight in spots)
        yield from ("####ControlPointIndex", str(number), "####SpotTunnedID", "1")
        yield from ("####CumulativeMetersetWeight", f"{delivered:.6f}", "####Energy (MeV)", f"{energy:.6f}")
        yield from ("####NbOfScannedSpots", str(len(spots)), "####X Y Weight")
        yield from (f"{x:.6f} {y:.6f} {weight:.6f}" for x, y, weight in spots)


def _phantom_header(request: McsquareRequest) -> str:
    sides, spacing = (" ".join([str(value)] * 3) for value in (request.voxels, request.voxel_mm))
    return (
        f"ObjectType = Image\nNDims = 3\nDimSize = {sides}\nElementSpacing = {spacing}\n"
        "Offset = 0.0 0.0 0.0\nElementType = MET_FLOAT\nElementByteOrderMSB = False\n"
        f"ElementDataFile = {_CT_VALUES}\n"
    )


def _configuration(request: McsquareRequest) -> str:
    """The engine ignores a key that it does not know, so none may be misspelt."""
    return (
        f"Num_Threads {request.threads}\n"
        f"RNG_Seed {request.seed}\n"
        f"Num_Primaries {request.primaries}\n"
        f"CT_File {_CT}\n"
        f"HU_Density_Conversion_File {HU_TO_DENSITY}\n"
        f"HU_Material_Conversion_File {HU_TO_MATERIAL}\n"
        f"BDL_Machine_Parameter_File {MACHINE}\n"
        f"BDL_Plan_File {_PLAN}\n"
        "Output_Directory output\n"
        "Dose_MHD_Output True\n"
        "Compute_stat_uncertainty True\n"
    )
