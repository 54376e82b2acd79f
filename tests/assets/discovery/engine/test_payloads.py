"""Where payloads are kept, and what is said when they are not there any more."""

import os

import pytest

from assets.discovery.engine.payloads import LARGEST_IN_ROW, read_payload_text, store_payload
from assets.failures import PermanentFailure, TransientFailure
from tests.assets.discovery.engine.drain_worlds import Clock, World

FRAME = len('{"text":""}')


def big(size):
    """A payload of so many bytes."""
    return {"text": "x" * (size - FRAME)}


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "discovery.sqlite"


def test_up_to_100_kilobytes_a_payload_is_in_its_row_and_above_in_a_file_named_by_its_digest(ledger):
    small, large = store_payload(ledger, big(LARGEST_IN_ROW)), store_payload(ledger, big(LARGEST_IN_ROW + 1))
    assert (small.size, len(small.payload_json or ""), small.blob_path) == (100_000, 100_000, None)
    assert (large.size, large.payload_json) == (100_001, None)
    assert large.blob_path == f"discovery-blobs/{large.output_hash[:2]}/{large.output_hash}"
    assert read_payload_text(ledger, str(large.blob_path)) == '{"text":"' + "x" * (100_001 - FRAME) + '"}'
    assert [path.name for path in (ledger.parent / large.blob_path).parent.iterdir()] == [large.output_hash]


def test_bytes_are_counted_and_not_characters(ledger):
    assert store_payload(ledger, {"text": "ü" * 50_000}).blob_path is not None


def test_a_payload_that_is_there_is_not_written_again_and_a_damaged_one_is(ledger):
    blob = store_payload(ledger, big(200_000)).blob_path
    path = ledger.parent / str(blob)
    os.utime(path, (1, 1))
    store_payload(ledger, big(200_000))
    assert path.stat().st_mtime == 1
    path.write_bytes(b"y" * 200_000)
    store_payload(ledger, big(200_000))
    assert len(read_payload_text(ledger, str(blob))) == 200_000


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (
            lambda path: path.unlink(),
            "cannot be read (no such file or directory); restore it, or run its stage",
        ),
        (
            lambda path: path.write_bytes(b"{}"),
            "is damaged: it no longer has the digest in its name; restore",
        ),
    ],
)
def test_a_stage_whose_input_is_lost_fails_for_good_and_says_which_file_and_what_to_do(tmp_path, harm, words):
    world = World(tmp_path, {"one": lambda work: big(150_000), "two": lambda work: {}}, clock=Clock())
    world.add("a")
    stop_behind_first(world)
    blob = world.value("SELECT blob_path FROM results")
    path = tmp_path / "ledger" / blob
    harm(path)
    world.drain()
    row = world.stage("a", "two")
    assert (row["status"], row["error_class"]) == ("failed", "permanent")
    assert row["error_text"].startswith(f"the payload {path} ")
    assert words in row["error_text"]


def stop_behind_first(world):
    """Drain the first stage only."""
    world.write("UPDATE item_stages SET not_before = 9999999999999 WHERE stage = 'two'")
    world.drain(single_pass=True)
    world.write("UPDATE item_stages SET not_before = 0")
    assert world.statuses() == {"a": ["done", "pending"]}


def test_the_next_stage_reads_a_payload_from_its_file(tmp_path):
    sizes = []
    world = World(
        tmp_path,
        {
            "one": lambda work: big(150_000),
            "two": lambda work: sizes.append(len(work.inputs["one"]["text"])) or {},
        },
    )
    world.add("a")
    world.drain()
    assert sizes == [150_000 - FRAME]


def test_a_disk_that_takes_no_payload_is_a_passing_failure_and_leaves_no_part_behind(ledger, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TransientFailure, match="cannot be written \\(no space left on device\\); make room"):
        store_payload(ledger, big(150_000))
    assert [path for path in ledger.parent.rglob("*") if path.is_file()] == []


def test_a_path_that_is_no_file_is_named(ledger):
    with pytest.raises(PermanentFailure, match="cannot be read"):
        read_payload_text(ledger, "discovery-blobs/ab/abc")
