"""Finding SQL files, proving their bytes, and splitting them."""

from pathlib import Path

import pytest

from resources.warehouse import SqlFile, StatementRefused, read_sql
from resources.warehouse.sql_files import statements_of


def test_the_bytes_are_proven_as_the_manifest_says(tmp_path: Path) -> None:
    (tmp_path / "one.sql").write_bytes(b"SELECT 1;\n")
    file = read_sql("one.sql", root=tmp_path)
    assert file.size == 10
    assert file.sha256 == "b4e0497804e46e0a0b0b8c31975b062152d551bac49c3c2e80932567b4085dcd"
    assert file.path == "one.sql"


def test_files_are_found_beside_the_code_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "warehouse" in read_sql("resources/warehouse/__init__.py").text


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"assets/aim/sql/no_such\.sql does not exist"):
        read_sql("assets/aim/sql/no_such.sql")


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(StatementRefused, match=r"one\.sql is not UTF-8 at byte 8"):
        SqlFile.from_bytes("one.sql", b"SELECT '\xff'")


def test_a_script_is_split_at_its_own_semicolons_only() -> None:
    script = "-- a; b\nDELETE FROM t WHERE x = ';';\n\n/* c; */ SELECT @a, '@b', @@error.message, \"@c\";\n"
    first, second = statements_of([SqlFile.from_bytes("s.sql", script.encode())])
    assert (first.text, first.line, first.parameters) == ("DELETE FROM t WHERE x = ';'", 2, frozenset())
    assert second.text == "SELECT @a, '@b', @@error.message, \"@c\""
    assert (second.line, second.parameters) == (4, {"a"})


def test_a_line_of_a_statement_is_a_line_of_its_file() -> None:
    (statement,) = statements_of([SqlFile.from_bytes("s.sql", b"\n\nSELECT\n  1")])
    assert statement.location() == "s.sql, line 3"
    assert statement.location(2) == "s.sql, line 4"


# ---- other tables ----


def renamed(text: str, **tables: str) -> str:
    names = {f"AIM.{old}": new for old, new in tables.items()}
    return SqlFile.from_bytes("s.sql", text.encode()).renamed(names).text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 'ß', x FROM `AIM.a` AS a", "SELECT 'ß', x FROM `proj-1.ds.b-c` AS a"),
        ("MERGE `AIM.a` USING `AIM.a`", "MERGE `proj-1.ds.b-c` USING `proj-1.ds.b-c`"),
        ("SELECT 1 FROM `AIM.a_history`, `x.AIM.a`, `AIM.A`", None),
        ("SELECT 1 FROM AIM.a, `AIM`.`a`", None),
        ('SELECT \'AIM.a\', \'`AIM.a`\', "`AIM.a`", r\'`AIM.a`\', """\n`AIM.a`"""', None),
        ("SELECT 1 -- `AIM.a`\n/* `AIM.a` */ # `AIM.a`\n;", None),
    ],
)
def test_a_table_is_renamed_where_it_is_the_whole_name_in_backquotes(text: str, expected: str | None) -> None:
    assert renamed(text, a="proj-1.ds.b-c") == (text if expected is None else expected)


def test_two_tables_can_change_places() -> None:
    assert renamed("SELECT * FROM `AIM.a`, `AIM.b`", a="AIM.b", b="AIM.a") == "SELECT * FROM `AIM.b`, `AIM.a`"


def test_a_renamed_script_is_proven_by_the_same_bytes() -> None:
    file = SqlFile.from_bytes("s.sql", b"SELECT 1 FROM `AIM.a`")
    other = file.renamed({"AIM.a": "ds.longer_name"})
    assert (other.path, other.sha256, other.size) == (file.path, file.sha256, file.size)
    assert file.text == "SELECT 1 FROM `AIM.a`"
    assert file.renamed({}) == file


def test_a_new_name_that_is_no_table_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'a` WHERE TRUE' is no table"):
        renamed("SELECT 1 FROM `AIM.a`", a="a` WHERE TRUE")
