"""Every environment variable that the code reads stands in a document, and every documented one is read."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = ("aim-job", "assets", "jobs", "resources", "scripts", "sensors")
DOCUMENTS = ("README.md", "docs/*.md")

OURS = re.compile(r"(?:AIM|BEAMS|DWH|QUINTET|TYRESCORE)_[A-Z0-9_]*[A-Z0-9]")
NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z]{4,}")

READERS = {"setting", "required", "optional", "EnvVar", "Variable", "_first_set", "_variable"}
"""The calls that take the name of a variable: of `Site`, of `Settings`, of tables of settings."""

SET_BY_OTHERS = {
    "CUDA_DEVICE_ORDER": "the stand-in of an engine tells what it was given",
    "EMR_CLUSTER_ID": "EMR sets it on its clusters",
    "ENVIRONMENT": "a platform's own label of where a job runs",
    "GLUE_COMMAND_CRITERIA": "Glue sets it",
    "PYSPARK_GATEWAY_PORT": "spark-submit sets it",
    "PYSPARK_PYTHON": "we set it for Spark's workers",
    "SPARK_CONNECT_MODE_ENABLED": "PySpark sets it",
}
"""What nobody configures by hand."""


def modules(root: Path) -> Iterator[tuple[str, ast.Module]]:
    for path in [root / "definitions.py", *(p for name in PACKAGES for p in (root / name).rglob("*.py"))]:
        yield path.relative_to(root).as_posix(), ast.parse(path.read_text("utf-8"))


def names_in(tree: ast.Module) -> Iterator[str]:
    """Variables of ours wherever a text is one; those of others where one is read."""
    constants = dict(constants_of(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if OURS.fullmatch(text):
                yield text
            case ast.Call(func=function, args=arguments) if reads(function):
                yield from (name for name in texts(arguments, constants) if NAME.fullmatch(name))
            case ast.Subscript(value=value, slice=key, ctx=ast.Load()) if is_environment(value):
                yield from (name for name in texts([key], constants) if NAME.fullmatch(name))


def constants_of(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The texts that a module has under a name."""
    for statement in tree.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text)))
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(text)))
            ):
                yield name, text


def reads(function: ast.expr) -> bool:
    match function:
        case ast.Attribute(value=value, attr="get" | "pop"):
            return is_environment(value)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name in READERS
    return False


def is_environment(value: ast.expr) -> bool:
    return "environ" in ast.unparse(value)


def texts(arguments: list[ast.expr], constants: dict[str, str]) -> Iterator[str]:
    for argument in arguments:
        match argument:
            case ast.Constant(value=str(text)):
                yield text
            case ast.Name(id=name) if name in constants:
                yield constants[name]


@pytest.fixture(scope="module")
def read_names(root: Path) -> dict[str, set[str]]:
    """The modules, instance and container files that know a variable, by its name."""
    found: dict[str, set[str]] = {}
    for module, tree in modules(root):
        for name in names_in(tree):
            found.setdefault(name, set()).add(module)
    for path in (root / "deploy").rglob("*.yaml"):
        for name in re.findall(r"\{env: (\w+)\}|\$\{(\w+)", path.read_text("utf-8")):
            found.setdefault("".join(name), set()).add(path.relative_to(root).as_posix())
    return found


def documented(text: str) -> set[str]:
    """The names in a document; `_PORT` behind `QUINTET_PG_HOST` is `QUINTET_PG_PORT`."""
    names: set[str] = set()
    for line in text.splitlines():
        stem = ""
        for word in re.findall(r"[A-Z_][A-Z0-9_]{2,}", line):
            name = f"{stem}{word}" if word.startswith("_") else word
            names.add(name)
            stem = stem if word.startswith("_") else word.rpartition("_")[0]
    return names


@pytest.fixture(scope="module")
def documents(root: Path) -> list[str]:
    return [path.read_text("utf-8") for pattern in DOCUMENTS for path in root.glob(pattern)]


def test_every_variable_that_is_read_stands_in_a_document(read_names, documents):
    missing = read_names.keys() - set().union(*map(documented, documents)) - SET_BY_OTHERS.keys()
    assert {name: sorted(read_names[name]) for name in sorted(missing)} == {}


def test_every_variable_of_ours_in_a_document_is_read(read_names, documents):
    # Blocks of code may show how a variable would be added.
    texts_alone = (
        re.sub(r"^ *```.*?^ *```", "", document, flags=re.DOTALL | re.MULTILINE) for document in documents
    )
    ours = {name for name in set().union(*map(documented, texts_alone)) if OURS.fullmatch(name)}
    assert sorted(ours - read_names.keys()) == []


def test_what_is_set_by_others_is_still_read(read_names):
    assert sorted(SET_BY_OTHERS.keys() - read_names.keys()) == []


def test_the_readers_are_found(read_names):
    """A reader that was renamed would make the other tests see nothing."""
    seen = {
        "QUINTET_PG_PASSWORD",
        "PROJECT_ID",
        "AIM_BASE_URL",
        "BEAMS_SSH_WORKDIR",
        "JAVA_HOME",
        "AWS_REGION",
    }
    assert seen <= read_names.keys()
