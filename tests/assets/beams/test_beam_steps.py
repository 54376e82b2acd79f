"""The steps from a case folder to CSVs and TPS files: the right log for every layer, or nothing at all."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.beams.failures import BeamFailure, PendingBeamFailure
from assets.beams.listing import NoSuchCase
from assets.beams.machines import machine
from assets.beams.manifest import NoManifest
from assets.beams.registry.cases import StaleWorker
from assets.beams.registry.rows import Unregistered
from assets.beams.stages.case_manifest import make_manifest
from assets.beams.stages.spot_csvs import make_csvs
from assets.beams.stages.tps_files import make_tps_input
from tests.assets.beams.delivered_cases import case_folder, deliver, deliver_all, log_file_name, moment
from tests.assets.beams.installations import Installation, csvs_of

G2 = machine(2).blocks[0].constants
FIELDS = ("QA0001|1", "QA0001|2", "QA0001|3")
FOLDERS = ["001_SETUP", "002_F2_A_P", "003_F3", "004_F4"]


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    """An installation with one case, delivered in the order 9, 5, 3 of its beams 5, 3, 9."""
    installation = Installation(tmp_path)
    folder = case_folder(installation.room)
    (folder / "_CASE_READY").touch()
    deliver_all(folder)
    return installation


def case_of(here: Installation) -> Path:
    return here.room / "QA0001"


def prepared(here: Installation) -> None:
    here.manifest()
    for field in FIELDS:
        make_csvs(here.site(f"r{field}"), field)
        make_tps_input(here.site(f"r{field}"), field)


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@settings(max_examples=25, deadline=None)
@given(order=st.permutations((5, 3, 9)), second=st.permutations((5, 3, 9)))
def test_any_order_of_delivery_gives_every_beam_its_own_log(tmp_path_factory, order, second):
    here = Installation(tmp_path_factory.mktemp("permuted"))
    folder = case_folder(here.room)
    deliver_all(folder, numbers=order)
    deliver_all(folder, hour=14, numbers=second)
    prepared(here)
    csvs = csvs_of(here.output())
    # Samples of a log have as their x word a thousand times the number of its beam, and the layer.
    assert {
        name: round(float(csv.split(b",")[1]) / G2.x_gain) + G2.x_offset for name, csv in csvs.items()
    } == {
        "002_F2_A_P/01_150.00MeV.csv": 5001,
        "002_F2_A_P/02_140.00MeV.csv": 5002,
        "003_F3/01_100.00MeV.csv": 3001,
        "004_F4/01_120.00MeV.csv": 9001,
    }


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_single_missing_log_is_refused_by_name_and_nothing_is_published(tmp_path_factory, data):
    here = Installation(tmp_path_factory.mktemp("missing"))
    folder = case_folder(here.room)
    deliver_all(folder)
    logs = sorted(folder.rglob("*.ptn"))
    gone = data.draw(st.sampled_from(logs))
    gone.unlink()
    with pytest.raises(BeamFailure) as refused:
        here.manifest()
    # The only log of a delivery leaves a delivery with its PlanInfo, which still names it.
    assert refused.value.code == "ptn_missing"
    assert gone.name in str(refused.value)
    assert not here.settings.output_root.exists()


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_single_foreign_log_is_refused_by_name(tmp_path_factory, data):
    here = Installation(tmp_path_factory.mktemp("foreign"))
    folder = case_folder(here.room)
    deliveries = deliver_all(folder)
    source, target = data.draw(st.permutations(deliveries))[:2]
    foreign = data.draw(st.sampled_from(sorted(source.glob("*.ptn"))))
    shutil.copyfile(foreign, target / foreign.name)
    with pytest.raises(BeamFailure, match=foreign.name) as refused:
        here.manifest()
    assert refused.value.code == "ptn_unlisted"


def test_every_item_of_the_plan_has_its_folder_and_nothing_else_has(here):
    log = here.output() / "Log_csv" / "log"
    (log / "009_OLD").mkdir(parents=True)
    (log / "002_F2_A_P").write_text("in the way")
    (here.output() / "Log_csv" / "plan").mkdir()
    (here.output() / "Log_csv" / "plan" / "old.dcm").touch()
    here.manifest()
    assert sorted(path.name for path in log.iterdir()) == FOLDERS
    (copy,) = (here.output() / "Log_csv" / "plan").iterdir()
    assert (copy.name, copy.read_bytes()) == ("RTPLAN.dcm", (case_of(here) / "plan.dcm").read_bytes())


def test_a_manifest_registers_beams_and_deliveries_and_names_its_keys(here):
    made = here.manifest()
    assert made.field_keys == FIELDS
    case = here.case()
    assert (case.status, case.room, case.case_path, case.attempt) == ("interpreting", "G2", "G2/QA0001", 1)
    beams = [(b.beam_id, b.dicom_number, b.plan_position, b.folder) for b in here.beams()]
    assert beams == [
        ("QA0001_beam_1", 5, 2, "002_F2_A_P"),
        ("QA0001_beam_2", 3, 3, "003_F3"),
        ("QA0001_beam_3", 9, 4, "004_F4"),
    ]
    assert here.rows("SELECT count(*), sum(is_reference) FROM deliveries") == [(3, 3)]


def test_made_twice_the_manifest_is_the_same_and_another_attempt(here):
    here.manifest()
    first = files_below(here.output())
    here.manifest(run="m2")
    assert files_below(here.output()) == first
    assert here.case().attempt == 2


def test_an_open_window_is_waited_for_and_changes_nothing(here):
    folder = case_of(here)
    deliver(folder, "12:00", 5)
    here.now = moment("12:30:00")
    with pytest.raises(PendingBeamFailure) as waiting:
        here.manifest()
    assert waiting.value.code == "fraction_window_open"
    assert here.case() is None
    assert not here.settings.output_root.exists()


def test_a_case_without_a_plan_waits_for_as_long_as_its_marker_is_young(here):
    folder = case_of(here)
    (folder / "plan.dcm").unlink()
    young = here.now
    here.now = young.fromtimestamp((folder / "_CASE_READY").stat().st_mtime + 899, young.tzinfo)
    with pytest.raises(PendingBeamFailure) as waiting:
        here.manifest()
    assert (waiting.value.code, here.case()) == ("missing_rtplan", None)
    here.now = young.fromtimestamp((folder / "_CASE_READY").stat().st_mtime + 901, young.tzinfo)
    with pytest.raises(BeamFailure) as failed:
        here.manifest()
    assert (failed.value.category, here.case().status) == ("permanent", "failed")


def test_a_refused_case_has_its_code_and_no_beams(here):
    folder = case_of(here)
    (folder / "2026032010050000" / log_file_name(5, 2)).unlink()
    with pytest.raises(BeamFailure, match=log_file_name(5, 2)):
        here.manifest()
    case = here.case()
    assert (case.status, case.failure_code, case.failure_category) == ("failed", "ptn_missing", "permanent")
    assert here.beams() == []
    assert here.rows("SELECT count(*) FROM deliveries") == [(0,)]


def test_what_an_earlier_manifest_made_stays_when_the_next_is_refused(here):
    prepared(here)
    before = files_below(here.output())
    (case_of(here) / "2026032010050000" / log_file_name(5, 2)).unlink()
    with pytest.raises(BeamFailure):
        here.manifest(run="m2")
    assert files_below(here.output()) == before


def test_a_case_that_is_not_there_is_refused_before_anything_exists(here):
    with pytest.raises(NoSuchCase, match="QA0009"):
        here.manifest("QA0009")
    assert not (here.home / "ledger").exists()


@pytest.mark.parametrize("key", ["../x", "a;b", "-rf", "a\nb", "a\0b", "x" * 65, "$(x)", ".", ""])
def test_an_unsafe_key_is_refused_before_anything_exists(here, key):
    for attempt in (lambda: make_manifest(here.site(), key), lambda: make_csvs(here.site(), f"{key}|1")):
        with pytest.raises(BeamFailure) as refused:
            attempt()
        assert refused.value.code == "bad_case_id"
    assert not (here.home / "ledger").exists()


def test_a_beam_is_prepared_once_its_csvs_and_its_tps_file_are_made(here):
    here.manifest()
    make_csvs(here.site(), FIELDS[0])
    assert here.beams()[0].status == "pending"
    made = make_tps_input(here.site(), FIELDS[0])
    row = here.beams()[0]
    assert (row.status, row.progress, row.attempt, row.run_id) == ("prepared", 10, 1, "r1")
    assert f"RandomSeed {made.seed}\n" in made.text
    steps = here.rows("SELECT step, status FROM workflow_steps WHERE beam_id IS NOT NULL ORDER BY id")
    assert steps == [("log_csv", "completed"), ("tps_input", "completed")]


def test_twice_by_hand_is_another_attempt_with_the_same_bytes(here):
    prepared(here)
    before = csvs_of(here.output())
    make_csvs(here.site("r9"), FIELDS[0])
    assert csvs_of(here.output()) == before
    row = here.beams()[0]
    assert (row.attempt, row.retry_count, row.status, row.run_id) == (2, 0, "pending", "r9")


def test_beside_a_run_at_work_nothing_is_made(here):
    here.manifest()
    make_csvs(here.site("r1"), FIELDS[0])
    with pytest.raises(StaleWorker, match="r1"):
        make_csvs(here.site("s2", attempt=1), FIELDS[0])


def _another_reference(here: Installation) -> None:
    """An earlier fraction arrives, and the manifest is made anew: CSVs are of what is no reference now."""
    deliver_all(case_of(here), hour=8)
    here.manifest(run="m2")


def _edited(here: Installation) -> None:
    csv = here.output() / "Log_csv" / "log" / "002_F2_A_P" / "01_150.00MeV.csv"
    csv.write_bytes(csv.read_bytes().replace(b"0.0,", b"0.5,", 1))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (_another_reference, "2026032008050000"),
        (_edited, "01_150.00MeV.csv"),
        (lambda here: next((here.output() / "Log_csv").glob("spot_csvs_*_1.json")).unlink(), "log_csv first"),
        (
            lambda here: (here.output() / "Log_csv" / "log" / "002_F2_A_P" / "02_140.00MeV.csv").unlink(),
            "002_F2_A_P",
        ),
    ],
)
def test_no_tps_file_points_to_csvs_that_are_not_of_todays_reference(here, change, what):
    prepared(here)
    change(here)
    with pytest.raises(BeamFailure, match=what) as refused:
        make_tps_input(here.site("r9"), FIELDS[0])
    assert refused.value.code == "tps_invalid"
    assert "TPS file 'moqui_tps_QA0001_beam_1.in'" in str(refused.value)
    assert here.beams()[0].status == "failed"


def test_a_log_that_changed_since_the_manifest_fails_its_beam_and_no_other(here):
    here.manifest()
    log = case_of(here) / "2026032010050000" / log_file_name(5, 1)
    log.write_bytes(log.read_bytes() + bytes(16))
    with pytest.raises(BeamFailure, match="2026032010050000"):
        make_csvs(here.site("r1"), FIELDS[0])
    make_csvs(here.site("r2"), FIELDS[1])
    assert [beam.status for beam in here.beams()] == ["failed", "pending", "pending"]
    assert here.case().status == "interpreting"
    assert "002_F2_A_P" not in str(csvs_of(here.output()))


def test_a_beam_of_a_case_without_a_manifest_is_refused(here):
    with pytest.raises(Unregistered, match="QA0001"):
        make_csvs(here.site(), FIELDS[0])
    here.manifest()
    (here.output() / "manifest.json").unlink()
    with pytest.raises(NoManifest, match="beams/case_manifest"):
        make_csvs(here.site(), FIELDS[0])


@pytest.mark.parametrize("files", [0, 2])
def test_a_plan_folder_without_exactly_one_file_fails_the_beam_before_anything_is_written(here, files):
    here.manifest()
    make_csvs(here.site("r1"), FIELDS[0])
    plan = here.output() / "Log_csv/plan"
    if files:
        (plan / "other.dcm").write_bytes(b"")
    else:
        (plan / "RTPLAN.dcm").unlink()
    with pytest.raises(BeamFailure, match=r"RTPLAN\.dcm of case QA0001"):
        make_tps_input(here.site("r1"), FIELDS[0])
    beam = here.beams()[0]
    assert (beam.status, beam.failure_phase, beam.failure_code) == ("failed", "tps", "tps_invalid")
    assert not list(here.output().glob("Log_csv/*.in"))


def test_what_an_earlier_plan_left_for_a_beam_that_is_gone_is_removed(here):
    prepared(here)
    folder = case_of(here)
    shutil.rmtree(folder)
    smaller = case_folder(here.room, {5: (150.0, 140.0)})
    deliver(smaller, "10:00", 5)
    here.manifest(run="m2")
    names = sorted(path.name for path in (here.output() / "Log_csv").iterdir())
    assert names == ["log", "moqui_tps_QA0001_beam_1.in", "plan", "spot_csvs_QA0001_beam_1.json"]
    assert [beam.beam_id for beam in here.beams()] == ["QA0001_beam_1"]
