"""The copy of the CPU engine that runs: made of any folder that has the engine, once, whole, with LF ends."""

from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from resources.dose_engine import EngineError, mcsquare_home
from resources.dose_engine.mcsquare_home import engine_digest, engine_home, staged

PROGRAM = b"\x7fELF\r\n\x00not a text"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with what the engine's package has, in small."""
    home = tmp_path / "package"
    files = {
        "MCsquare_linux": PROGRAM,
        "MCsquare_win.exe": b"of another system",
        "Materials/list.dat": b"17 Water\r\n",
        "Materials/Water/Material_Properties.dat": b"Density 1.0\r\n\r\n",
        "Materials/__init__.py": b"\r\n",
        "BDL/BDL_default_DN_RangeShifter.txt": b"Nozzle\r\n410.0\r\n",
        "Scanners/UCL_Toshiba/HU_Density_Conversion.txt": b"0 1.0\n",
        "Scanners/UCL_Toshiba/HU_Material_Conversion.txt": b"8 45\n",
    }
    for name, content in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(content)
    return home


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_the_copy_has_lf_ends_an_executable_program_and_nothing_of_other_systems(
    home: Path, tmp_path: Path
) -> None:
    copy = staged(home, tmp_path / "work")
    assert content_of(copy) == {
        "MCsquare_linux": PROGRAM,
        "Materials/list.dat": b"17 Water\n",
        "Materials/Water/Material_Properties.dat": b"Density 1.0\n\n",
        "BDL/BDL_default_DN_RangeShifter.txt": b"Nozzle\n410.0\n",
        "Scanners/UCL_Toshiba/HU_Density_Conversion.txt": b"0 1.0\n",
        "Scanners/UCL_Toshiba/HU_Material_Conversion.txt": b"8 45\n",
    }
    assert (copy / "MCsquare_linux").stat().st_mode & 0o111


def test_the_engine_itself_is_left_as_it_is(home: Path, tmp_path: Path) -> None:
    before = content_of(home)
    staged(home, tmp_path / "work")
    assert content_of(home) == before


def test_a_copy_is_made_once_for_each_content(home: Path, tmp_path: Path) -> None:
    first = staged(home, tmp_path / "work")
    made = (first / "MCsquare_linux").stat()
    assert staged(home, tmp_path / "work") == first
    assert (first / "MCsquare_linux").stat() == made
    (home / "Materials/list.dat").write_bytes(b"17 Heavy_Water\r\n")
    assert staged(home, tmp_path / "work") != first
    assert len(list((tmp_path / "work").iterdir())) == 2


def test_a_copy_has_the_digest_of_what_it_is_a_copy_of(home: Path, tmp_path: Path) -> None:
    assert engine_digest(staged(home, tmp_path / "work")) == engine_digest(home)


@pytest.mark.parametrize("name", ["MCsquare_linux", "Materials/list.dat", "BDL/new.txt"])
def test_every_file_counts_in_the_digest(home: Path, name: str) -> None:
    before = engine_digest(home)
    (home / name).write_bytes(b"changed")
    assert engine_digest(home) != before


def test_a_file_of_another_name_is_another_engine(home: Path) -> None:
    before = engine_digest(home)
    (home / "Materials/Water").rename(home / "Materials/Wader")
    assert engine_digest(home) != before


def test_two_files_are_not_one_with_the_content_of_both(home: Path) -> None:
    (home / "Scanners/x").write_bytes(b"1")
    (home / "Scanners/y").write_bytes(b"2")
    before = engine_digest(home)
    (home / "Scanners/y").unlink()
    (home / "Scanners/x").write_bytes(b"1Scanners/y\x002")
    assert engine_digest(home) != before


@pytest.mark.parametrize("harm", ["cut", "lost", "not executable", "a file"])
def test_a_copy_that_is_no_longer_whole_is_made_anew(home: Path, tmp_path: Path, harm: str) -> None:
    copy = staged(home, tmp_path / "work")
    whole = content_of(copy)
    if harm == "cut":
        (copy / "Materials/list.dat").write_bytes(b"")
    elif harm == "lost":
        (copy / "MCsquare_linux").unlink()
    elif harm == "not executable":
        (copy / "MCsquare_linux").chmod(0o644)
    else:
        copy.rename(tmp_path / "away")
        copy.write_bytes(b"")
    assert content_of(staged(home, tmp_path / "work")) == whole
    assert [path.name for path in (tmp_path / "work").iterdir()] == [copy.name]


def test_many_at_once_get_one_whole_copy_and_leave_nothing_else(home: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        copies = list(pool.map(lambda _: staged(home, tmp_path / "work"), range(16)))
    assert len(set(copies)) == 1
    assert engine_digest(copies[0]) == engine_digest(home)
    assert [path.name for path in (tmp_path / "work").iterdir()] == [copies[0].name]


def test_a_copy_that_another_process_puts_in_place_meanwhile_is_used(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = mcsquare_home._write
    others: list[Path] = []

    def slowly(source: Path, target: Path) -> None:
        write(source, target)
        if not others:
            others.append(target)
            others.append(staged(home, tmp_path / "work"))

    monkeypatch.setattr(mcsquare_home, "_write", slowly)
    assert staged(home, tmp_path / "work") == others[1]
    assert [path.name for path in (tmp_path / "work").iterdir()] == [others[1].name]


def test_a_crash_while_copying_leaves_no_copy(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(source: Path, target: Path) -> None:
        target.mkdir()
        raise OSError("no space")

    monkeypatch.setattr(mcsquare_home, "_write", broken)
    with pytest.raises(OSError, match="no space"):
        staged(home, tmp_path / "work")
    assert not any((tmp_path / "work").iterdir())


def test_a_path_that_the_engine_cannot_hold_is_refused_with_its_limit(home: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="at most 170 characters; choose a shorter QUINTET_HOME"):
        staged(home, tmp_path / ("x" * 150) / "work")


@pytest.mark.parametrize(
    "part",
    [
        "MCsquare_linux",
        "Materials",
        "BDL/BDL_default_DN_RangeShifter.txt",
        "Scanners/UCL_Toshiba/HU_Density_Conversion.txt",
        "Scanners/UCL_Toshiba/HU_Material_Conversion.txt",
    ],
)
def test_a_named_folder_without_a_part_of_the_engine_is_refused(home: Path, part: str) -> None:
    assert engine_home(str(home)) == home
    (home / part).rename(home / "elsewhere")
    with pytest.raises(EngineError, match=f"has no '{part}'.*BEAMS_MCSQUARE_HOME") as refusal:
        engine_home(str(home))
    assert refusal.value.code == "no_evidence"


def test_without_the_package_the_refusal_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(mcsquare_home, "distribution", absent)
    with pytest.raises(EngineError, match=r"not installed; install requirements/engines\.txt"):
        engine_home(None)
