"""All CSVs of a beam in its folder, or none of them."""

import errno
from dataclasses import replace
from hashlib import sha256

import pytest

from assets.beams import log_publication
from assets.beams.failures import PermanentBeamFailure, RetryableBeamFailure
from assets.beams.log_publication import LayerLog, folder_problem, publish_spot_csvs
from tests.assets.beams.ptn_words import BEAM_ON, G2, Sample, write_ptn
from tests.assets.beams.published_beams import (
    NEW,
    NEW_WITH_A_LAYER_LESS,
    OLD,
    beam_folder,
    content,
    csv_names,
    expected,
    layers,
    publish,
)


def test_a_beam_gets_one_csv_per_layer(tmp_path):
    publish(tmp_path, OLD)

    assert content(tmp_path) == expected(tmp_path, OLD)
    assert folder_problem(beam_folder(tmp_path), csv_names(OLD)) is None


def test_nothing_is_left_beside_the_log_folder(tmp_path):
    publish(tmp_path, OLD)

    assert [path.name for path in (tmp_path / "out" / "Log_csv").iterdir()] == ["log"]


@pytest.mark.parametrize("delivery", [NEW, NEW_WITH_A_LAYER_LESS])
def test_a_new_delivery_replaces_all_of_the_old_one_in_the_same_folder(tmp_path, delivery):
    publish(tmp_path, OLD)
    folder = beam_folder(tmp_path).stat().st_ino

    publish(tmp_path, delivery)

    assert content(tmp_path) == expected(tmp_path, delivery)
    assert beam_folder(tmp_path).stat().st_ino == folder


def test_strangers_are_removed_and_links_among_them_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    folder = beam_folder(tmp_path)
    (folder / "old").mkdir(parents=True)
    (folder / "old" / "a.csv").touch()
    (folder / "04_120.00MeV.csv").touch()
    (folder / "link").symlink_to(elsewhere)

    publish(tmp_path, OLD)

    assert content(tmp_path) == expected(tmp_path, OLD)
    assert (elsewhere / "kept").exists()


def test_the_folders_of_other_beams_are_not_touched(tmp_path):
    other = beam_folder(tmp_path).with_name("003_F3")
    other.mkdir(parents=True)
    (other / "01_100.00MeV.csv").write_text("other")

    publish(tmp_path, OLD)

    assert (other / "01_100.00MeV.csv").read_text() == "other"


def test_what_was_published_is_reported(tmp_path):
    first, *_ = publish(tmp_path, OLD)
    ptn = layers(tmp_path, OLD)[0].ptn

    assert first == log_publication.SpotCsv(
        name="01_150.00MeV.csv",
        samples=3,
        beam_on_samples=2,
        beam_on_counts=200,
        rescans=(1,),
        ptn_sha256=sha256(ptn.read_bytes()).hexdigest(),
        csv_sha256=sha256(content(tmp_path)["01_150.00MeV.csv"]).hexdigest(),
    )


def test_many_layers_are_reported_in_the_order_of_the_beam(tmp_path):
    beam_folder(tmp_path).mkdir(parents=True)
    logs = []
    for number in range(1, 21):
        samples = [Sample(layer=number)] * (21 - number) * 100  # The first ones take longest.
        ptn = write_ptn(tmp_path / "in" / f"{number:02d}.ptn", *samples)
        logs.append(LayerLog(ptn, number, 2, f"{number:02d}_150.00MeV.csv"))

    published = publish_spot_csvs(logs, G2, beam_folder(tmp_path))

    assert [(csv.name, csv.samples) for csv in published] == [
        (log.csv_name, (21 - log.layer_number) * 100) for log in logs
    ]
    assert all(csv.csv_sha256 == sha256(content(tmp_path)[csv.name]).hexdigest() for csv in published)


def test_the_rescan_numbers_of_the_beam_are_reported_and_those_of_idle_samples_not(tmp_path):
    layer, *_ = layers(tmp_path, OLD)
    write_ptn(layer.ptn, *(Sample(state=state) for state in (5, BEAM_ON | 2, BEAM_ON | 1, BEAM_ON | 2)))
    beam_folder(tmp_path).mkdir(parents=True)

    (published,) = publish_spot_csvs([layer], G2, beam_folder(tmp_path))

    assert published.rescans == (1, 2)


def test_a_refused_layer_leaves_everything_as_it_was(tmp_path):
    publish(tmp_path, OLD)
    new = layers(tmp_path, NEW)
    write_ptn(new[2].ptn, Sample(layer=3), Sample(layer=9))

    with pytest.raises(PermanentBeamFailure, match=r"2026032110000000/03\.ptn': sample 2 of 2"):
        publish_spot_csvs(new, G2, beam_folder(tmp_path))

    assert content(tmp_path) == expected(tmp_path, OLD)
    assert [path.name for path in (tmp_path / "out" / "Log_csv").iterdir()] == ["log"]


def test_every_refused_layer_is_listed_and_the_first_gives_the_code(tmp_path):
    new = layers(tmp_path, NEW)
    write_ptn(new[0].ptn, Sample(layer=2, dose1=65535))
    write_ptn(new[1].ptn, Sample(layer=1))
    new[2].ptn.write_bytes(b"")
    beam_folder(tmp_path).mkdir(parents=True)

    with pytest.raises(PermanentBeamFailure) as refusal:
        publish_spot_csvs(new, G2, beam_folder(tmp_path))

    assert refusal.value.code == "layer_word"
    codes = [problem.code for problem in refusal.value.problems]
    assert codes == ["layer_word", "dose_saturated", "layer_word", "ptn_empty"]
    assert content(tmp_path) == {}


def test_a_log_that_vanished_is_named(tmp_path):
    new = layers(tmp_path, NEW)
    new[1].ptn.unlink()
    beam_folder(tmp_path).mkdir(parents=True)

    with pytest.raises(PermanentBeamFailure, match=r"'2026032110000000/02\.ptn' is gone") as refusal:
        publish_spot_csvs(new, G2, beam_folder(tmp_path))

    assert refusal.value.code == "ptn_missing"


def test_two_layers_never_share_a_csv(tmp_path):
    publish(tmp_path, OLD)
    first, second, _ = layers(tmp_path, NEW)

    with pytest.raises(FileExistsError):
        publish_spot_csvs([first, replace(second, csv_name=first.csv_name)], G2, beam_folder(tmp_path))

    assert content(tmp_path) == expected(tmp_path, OLD)


def test_a_beam_without_its_folder_is_refused(tmp_path):
    with pytest.raises(PermanentBeamFailure, match="no folder '002_F2_A_P'") as refusal:
        publish_spot_csvs(layers(tmp_path, NEW), G2, beam_folder(tmp_path))

    assert refusal.value.code == "csv_mismatch"


def test_a_csv_that_changes_on_its_way_to_the_disk_is_refused(tmp_path, monkeypatch):
    publish(tmp_path, OLD)

    def write_another_number(path, content):
        path.write_bytes(content.replace(b"200\r\n", b"201\r\n"))

    monkeypatch.setattr(log_publication, "write_new", write_another_number)
    with pytest.raises(PermanentBeamFailure, match="reads back with other numbers") as refusal:
        publish(tmp_path, NEW)

    assert refusal.value.code == "csv_mismatch"
    assert content(tmp_path) == expected(tmp_path, OLD)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_can_be_retried_and_leaves_what_was_published(tmp_path, monkeypatch, number):
    publish(tmp_path, OLD)

    def fill_the_disk(path, content):
        path.write_bytes(content[:10])
        raise OSError(number, "no space")

    with monkeypatch.context() as full:
        full.setattr(log_publication, "write_new", fill_the_disk)
        with pytest.raises(RetryableBeamFailure, match="disk of the output folder 'out' is full") as refusal:
            publish(tmp_path, NEW)

    assert refusal.value.code == "disk_full"
    assert content(tmp_path) == expected(tmp_path, OLD)
    publish(tmp_path, NEW)
    assert content(tmp_path) == expected(tmp_path, NEW)


def test_another_error_of_the_disk_passes_unchanged(tmp_path, monkeypatch):
    def break_the_disk(path, content):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(log_publication, "write_new", break_the_disk)
    with pytest.raises(OSError, match="broken"):
        publish(tmp_path, NEW)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda folder: (folder / "02_140.00MeV.csv").unlink(),
            "2 files for 3 layers, '02_140.00MeV.csv' is missing",
        ),
        (lambda folder: (folder / "x.csv").touch(), "4 files for 3 layers, 'x.csv' is none of them"),
        (lambda folder: (folder / ".publishing").touch(), "publication was interrupted"),
    ],
)
def test_a_folder_that_is_no_complete_publication_says_why(tmp_path, change, problem):
    publish(tmp_path, OLD)
    change(beam_folder(tmp_path))

    assert problem in (folder_problem(beam_folder(tmp_path), csv_names(OLD)) or "")


def test_a_folder_that_is_not_there_is_no_publication(tmp_path):
    assert folder_problem(tmp_path / "absent", csv_names(OLD)) is not None
