"""SQL files: found relative to the code, proven by their bytes, renamed in, and split into statements.

Not here: running them, and any dialect but GoogleSQL.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from zipfile import Path as ZipPath

from resources.warehouse.columns import split_table
from resources.warehouse.errors import StatementRefused

_CODE = Path(__file__).resolve().parents[2]
# On a platform the code is a zip, from which Python imports as from a folder.
CODE_ROOT = ZipPath(_CODE) if _CODE.is_file() else _CODE
_TRANSACTION_WORDS = frozenset({"BEGIN", "COMMIT", "ROLLBACK"})


@dataclass(frozen=True, slots=True)
class SqlFile:
    """A GoogleSQL script: `path` relative to the code, and the `sha256` and `size` of its raw bytes.

    The text is that of the bytes, but for the tables that an installation calls otherwise (`renamed`).
    """

    path: str
    text: str
    sha256: str
    size: int

    @classmethod
    def from_bytes(cls, path: str, content: bytes) -> "SqlFile":
        """The script that these bytes are; raises `StatementRefused` where they are not UTF-8."""
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise StatementRefused(f"{path} is not UTF-8 at byte {error.start}; save it as UTF-8.") from error
        return cls(path, text, sha256(content).hexdigest(), len(content))

    def renamed(self, tables: Mapping[str, str]) -> "SqlFile":
        """The script with other tables: every `` `name` `` in backquotes that is a key becomes its value.

        A value is `dataset.table` or `project.dataset.table`, either with `_*` at its end for all tables that
        begin so. Names in texts and comments stay, and so does what the bytes are proven by. Raises
        `ValueError` for a value that is no table.
        """
        from sqlglot import TokenType

        for name in tables.values():
            split_table(name.removesuffix("_*"))
        pieces, end = [], 0
        for token in _tokens(self):
            if token.token_type == TokenType.IDENTIFIER and token.text in tables:
                pieces += [self.text[end : token.start], f"`{tables[token.text]}`"]
                end = token.end + 1
        return replace(self, text="".join([*pieces, self.text[end:]]))


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a script: its text without the semicolon, the line it begins at, its parameters."""

    path: str
    line: int
    text: str
    parameters: frozenset[str]

    def location(self, line: int = 1) -> str:
        """Where the statement's own `line` is, as people write it: `file.sql, line 12`."""
        return f"{self.path}, line {self.line + line - 1}"


def read_sql(path: str, root: Path | ZipPath = CODE_ROOT) -> SqlFile:
    """The file at `path`, forward slashes, below the folder of the code, wherever the process was started.

    Raises `FileNotFoundError`, naming the file.
    """
    try:
        content = (root / path).read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"The SQL file {path} does not exist beside the code; restore it from the repository."
        ) from error
    return SqlFile.from_bytes(path, content)


def statements_of(files: Iterable[SqlFile]) -> list[Statement]:
    """The statements of all files in order.

    Raises `StatementRefused` for a file without one and for statements that would end the transaction that
    the warehouse puts around them.
    """
    return [statement for file in files for statement in _split(file)]


def _tokens(file: SqlFile) -> list:
    from sqlglot.dialects import BigQuery
    from sqlglot.errors import TokenError

    try:
        return BigQuery().tokenize(file.text)
    except TokenError as error:
        raise StatementRefused(
            f"{file.path} cannot be split into statements; look for an unclosed quote or comment."
        ) from error


def _split(file: SqlFile) -> list[Statement]:
    from sqlglot import TokenType

    statements, current = [], []
    for token in _tokens(file):
        if token.token_type != TokenType.SEMICOLON:
            current.append(token)
        elif current:
            statements.append(_statement(file, current))
            current = []
    if current:
        statements.append(_statement(file, current))
    if not statements:
        raise StatementRefused(f"{file.path} holds no statement.")
    return statements


def _statement(file: SqlFile, tokens: list) -> Statement:
    from sqlglot import TokenType

    text = file.text[tokens[0].start : tokens[-1].end + 1]
    line = file.text.count("\n", 0, tokens[0].start) + 1
    word = text.upper().split()[0]
    if word in _TRANSACTION_WORDS:
        raise StatementRefused(
            f"{file.path}, line {line}: {word} is not allowed, a script is one transaction already."
        )
    # Two signs in a row begin a system variable.
    signs = [token.token_type == TokenType.PARAMETER and token.text == "@" for token in tokens]
    names = frozenset(
        tokens[at + 1].text
        for at, (is_sign, is_next) in enumerate(pairwise(signs))
        if is_sign and not is_next and not (at and signs[at - 1])
    )
    return Statement(file.path, line, text, names)
