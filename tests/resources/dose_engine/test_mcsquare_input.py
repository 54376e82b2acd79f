"""What the CPU engine is given to read, on an engine in small: no program runs here."""

import hashlib
from pathlib import Path

import pytest

from resources.dose_engine import McsquareEngine, McsquareRequest
from resources.dose_engine.mcsquare import plan_text

REQUEST = McsquareRequest(
    layers=[(150.0, [(1.5, -2.25, 300.0), (0.0, 10.0, 100.0)]), (140.0, []), (130.5, [(-3.0, 0.0, 7.0)])],
    primaries=20_000,
    seed=433038655,
    threads=1,
    voxel_mm=3.0,
    voxels=134,
    isocentre_depth_mm=20.0,
)


@pytest.fixture
def engine(tmp_path: Path) -> McsquareEngine:
    home = tmp_path / "package"
    for name in (
        "MCsquare_linux",
        "Materials/list.dat",
        "BDL/BDL_default_DN_RangeShifter.txt",
        "Scanners/UCL_Toshiba/HU_Density_Conversion.txt",
        "Scanners/UCL_Toshiba/HU_Material_Conversion.txt",
    ):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(f"{name}\r\n".encode())
    return McsquareEngine(stage_folder=str(tmp_path / "work"), home=str(home))


def test_the_configuration_names_every_input_below_the_run_folder(
    engine: McsquareEngine, tmp_path: Path
) -> None:
    prepared = engine.prepare(REQUEST, tmp_path / "run")
    assert (tmp_path / "run/config.txt").read_text().splitlines() == [
        "Num_Threads 1",
        "RNG_Seed 433038655",
        "Num_Primaries 20000",
        "CT_File CT.mhd",
        "HU_Density_Conversion_File Scanners/UCL_Toshiba/HU_Density_Conversion.txt",
        "HU_Material_Conversion_File Scanners/UCL_Toshiba/HU_Material_Conversion.txt",
        "BDL_Machine_Parameter_File BDL/BDL_default_DN_RangeShifter.txt",
        "BDL_Plan_File PlanPencil.txt",
        "Output_Directory output",
        "Dose_MHD_Output True",
        "Compute_stat_uncertainty True",
    ]
    written = {
        path.relative_to(prepared.folder).as_posix() for path in prepared.folder.rglob("*") if path.is_file()
    }
    assert set(prepared.inputs) == written
    assert all(b"\r" not in (prepared.folder / name).read_bytes() for name in prepared.inputs)


def test_the_command_is_the_copy_that_works_with_its_materials(
    engine: McsquareEngine, tmp_path: Path
) -> None:
    prepared = engine.prepare(REQUEST, tmp_path / "run")
    (copy,) = (tmp_path / "work").iterdir()
    assert (copy / "MCsquare_linux").read_bytes() == (tmp_path / "package/MCsquare_linux").read_bytes()
    assert prepared.argv == (str(copy / "MCsquare_linux"), "config.txt")
    assert prepared.environ == {"MCsquare_Materials_Dir": str(copy / "Materials")}


def test_the_phantom_is_a_cube_of_water(engine: McsquareEngine, tmp_path: Path) -> None:
    engine.prepare(REQUEST, tmp_path / "run")
    assert (tmp_path / "run/CT.mhd").read_text().splitlines() == [
        "ObjectType = Image",
        "NDims = 3",
        "DimSize = 134 134 134",
        "ElementSpacing = 3.0 3.0 3.0",
        "Offset = 0.0 0.0 0.0",
        "ElementType = MET_FLOAT",
        "ElementByteOrderMSB = False",
        "ElementDataFile = CT.raw",
    ]
    assert (tmp_path / "run/CT.raw").read_bytes() == bytes(4 * 134**3)


def test_every_input_has_its_digest(engine: McsquareEngine, tmp_path: Path) -> None:
    prepared = engine.prepare(REQUEST, tmp_path / "run")
    digests = prepared.input_digests()
    assert list(digests) == list(prepared.inputs)
    for name, digest in digests.items():
        assert digest == hashlib.sha256((prepared.folder / name).read_bytes()).hexdigest()


def test_the_spots_are_one_field_at_gantry_zero_with_a_control_point_for_each_layer_that_has_any() -> None:
    assert plan_text(REQUEST) == (
        "#TREATMENT-PLAN-DESCRIPTION\n#PlanName\nbeam\n#NumberOfFractions\n1\n##FractionID\n1\n"
        "##NumberOfFields\n1\n###FieldsID\n1\n#TotalMetersetWeightOfAllFields\n407.000000\n\n"
        "#FIELD-DESCRIPTION\n###FieldID\n1\n###FinalCumulativeMeterSetWeight\n407.000000\n"
        "###GantryAngle\n0\n###PatientSupportAngle\n0\n"
        "###IsocenterPosition\n201.000000 382.000000 201.000000\n"
        "###NumberOfControlPoints\n2\n\n#SPOTS-DESCRIPTION\n"
        "####ControlPointIndex\n1\n####SpotTunnedID\n1\n####CumulativeMetersetWeight\n400.000000\n"
        "####Energy (MeV)\n150.000000\n####NbOfScannedSpots\n2\n####X Y Weight\n"
        "1.500000 -2.250000 300.000000\n0.000000 10.000000 100.000000\n"
        "####ControlPointIndex\n2\n####SpotTunnedID\n1\n####CumulativeMetersetWeight\n407.000000\n"
        "####Energy (MeV)\n130.500000\n####NbOfScannedSpots\n1\n####X Y Weight\n"
        "-3.000000 0.000000 7.000000\n"
    )


@pytest.mark.parametrize("layers", [[], [(150.0, [])]])
def test_nothing_to_simulate_is_refused(layers: list[tuple[float, list]]) -> None:
    request = McsquareRequest(
        layers=layers,
        primaries=1000,
        seed=1,
        threads=1,
        voxel_mm=3.0,
        voxels=134,
        isocentre_depth_mm=20.0,
    )
    with pytest.raises(ValueError, match="nothing to simulate"):
        plan_text(request)
