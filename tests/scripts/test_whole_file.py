"""A file is there whole or not at all."""

from pathlib import Path

import pytest

from scripts.whole_file import whole_file


@pytest.mark.parametrize("before", [None, "old"])
def test_a_file_takes_its_place_at_the_end(tmp_path: Path, before: str | None):
    target = tmp_path / "made" / "here.txt"
    if before is not None:
        target.parent.mkdir()
        target.write_text(before)
    with whole_file(target) as unfinished:
        unfinished.write_text("new")
        assert (target.read_text() if target.exists() else None) == before
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o644
    assert list(target.parent.iterdir()) == [target]


def test_what_fails_leaves_everything_as_it_was(tmp_path: Path):
    target = tmp_path / "made" / "here.txt"
    target.parent.mkdir()
    target.write_text("old")
    with pytest.raises(FileNotFoundError), whole_file(target) as unfinished:
        unfinished.write_text((tmp_path / "absent.txt").read_text())
    assert target.read_text() == "old"
    assert list(target.parent.iterdir()) == [target]
