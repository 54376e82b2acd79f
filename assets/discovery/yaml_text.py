"""YAML read so that every scalar keeps its text: `NO`, `1e3` and `07` are what they look like.

YAML readers guess types, and what they guess depends on the version of YAML. Here a scalar is text, and who
asks for a number or a flag converts it. Where nobody asks (the parameters of a handler), `plain_values` gives
a plain scalar the type that only it can mean.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from assets.failures import PermanentFailure

Path = tuple[str | int, ...]
"""Where a value stands: keys and list positions from the top."""

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_FLAGS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# The C parser is ten times as fast; it is missing where PyYAML was built without libyaml.
_LOADER: Final = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class PlainText(str):
    """The text of a scalar written without quotes."""

    __slots__ = ()


@dataclass(slots=True)
class YamlDocument:
    """What a document says, and on which lines."""

    value: Any
    """Objects, lists and texts; a plain null is `None`, other plain scalars are `PlainText`."""
    lines: dict[Path, int] = field(default_factory=dict)
    """The line, from 1, of every value."""
    doubles: list[Path] = field(default_factory=list)
    """Keys that an object gives twice; the first counts."""

    def line_of(self, path: Path) -> int:
        """The line of a value, or of the nearest one around it that is there."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_yaml(text: str) -> YamlDocument:
    """Read one YAML document.

    Raises:
        PermanentFailure: it is no YAML, it contains itself, or a key is no scalar; says the line.
    """
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise PermanentFailure(f"it is no YAML: {' '.join(str(error).split())}") from None
    document = YamlDocument(None)
    if root is not None:
        document.value = _value(root, (), (), document)
    return document


def plain_values(value: Any) -> Any:
    """A value whose plain scalars became flags and numbers where that loses nothing of their text.

    `3`, `-0.5` and `true` do; `NO`, `1e3`, `07` and `1.10` (a version) stay texts, and so does all in quotes.
    """
    if isinstance(value, dict):
        return {str(name): plain_values(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain_values(inner) for inner in value]
    if isinstance(value, PlainText):
        return _plain_scalar(str(value))
    return value


def _plain_scalar(text: str) -> str | bool | int | float:
    if text in _FLAGS:
        return _FLAGS[text]
    for number in (int, float):
        try:
            parsed = number(text)
        except ValueError:
            continue
        if repr(parsed) == text and text not in {"inf", "-inf", "nan"}:
            return parsed
    return text


def _value(node: yaml.Node, path: Path, around: tuple[int, ...], document: YamlDocument) -> Any:
    document.lines[path] = node.start_mark.line + 1
    if id(node) in around:
        raise PermanentFailure(f"line {node.start_mark.line + 1}: a value must not contain itself")
    around = (*around, id(node))
    if isinstance(node, yaml.MappingNode):
        return _object(node, path, around, document)
    if isinstance(node, yaml.SequenceNode):
        return [_value(inner, (*path, index), around, document) for index, inner in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode) and not node.style:  # None in Python, "" in C
        return None if node.value in _NULLS else PlainText(node.value)
    return str(node.value)


def _object(
    node: yaml.MappingNode, path: Path, around: tuple[int, ...], document: YamlDocument
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name_node, value_node in node.value:
        if not isinstance(name_node, yaml.ScalarNode):
            raise PermanentFailure(f"line {name_node.start_mark.line + 1}: a key must be a text")
        name = str(name_node.value)
        if name in values:
            document.doubles.append((*path, name))
            continue
        values[name] = _value(value_node, (*path, name), around, document)
        document.lines[(*path, name)] = name_node.start_mark.line + 1
    return values
