"""What is different between two cases of the beams samples, in words: for tests of what is wrong with one."""

from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from itertools import product
from pathlib import PurePosixPath

import numpy as np
import pydicom
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset

from scripts.sample_data.beams_case import CaseTree


def changes(sound: CaseTree, bad: CaseTree) -> list[str]:
    """Every difference between two cases at one place, in a line each; whole folders count as one."""
    before = {below_the_case(path): content for path, content in sound.files.items()}
    after = {below_the_case(path): content for path, content in bad.files.items()}
    moved = dict(moved_folders(before, after))
    before = {moved.get(path.parent, path.parent) / path.name: content for path, content in before.items()}
    lines = [f"{old} -> {new}" for old, new in moved.items()]
    for sign, some, others in (("-", before, after), ("+", after, before)):
        folders = {path.parent for path in some} - {path.parent for path in others}
        lines += [f"{sign} {folder}/" for folder in folders]
        lines += [f"{sign} {path}" for path in some if path not in others and path.parent not in folders]
    for path in before.keys() & after.keys():
        if before[path] != after[path]:
            lines += [f"{path}: {line}" for line in differences(path, before[path], after[path])]
    return sorted(lines)


def below_the_case(path: PurePosixPath) -> PurePosixPath:
    return path.relative_to("G2/QA0001")


def moved_folders(
    before: dict[PurePosixPath, bytes], after: dict[PurePosixPath, bytes]
) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """Folders that are gone, and those that have come with one of their logs."""
    gone, come = before.keys() - after.keys(), after.keys() - before.keys()
    for old, new in product(gone, come):
        if before[old] == after[new] and old.name == new.name:
            yield old.parent, new.parent


def differences(path: PurePosixPath, before: bytes, after: bytes) -> Iterator[str]:
    if path.suffix.casefold() == ".ptn":
        yield from log_differences(before, after)
    elif path.suffix == ".dcm":
        yield from plan_differences(before, after)
    else:
        yield from text_differences(before.decode().splitlines(), after.decode().splitlines())


def text_differences(before: list[str], after: list[str]) -> Iterator[str]:
    """The fields that are others; in a text of more or fewer lines, how the others begin."""
    if len(before) != len(after):
        old, new = Counter(before), Counter(after)
        yield from (f"- {line[:24]}" for line in (old - new).elements())
        yield from (f"+ {line[:24]}" for line in (new - old).elements())
        return
    for old, new in zip(before, after, strict=True):
        if old != new:
            key = old.partition(",")[0].strip()
            names = before[0].split(",") if "LAYER_NO" in before[0] else ["", key]
            fields = zip(names, old.split(","), new.split(","), strict=True)
            yield from (f"{name}: {was.strip()} -> {now.strip()}" for name, was, now in fields if was != now)


def log_differences(before: bytes, after: bytes) -> Iterator[str]:
    if len(before) != len(after):
        yield f"{len(before)} -> {len(after)} bytes"
        return
    old, new = (np.frombuffer(content, ">u2").reshape(-1, 8) for content in (before, after))
    words = [str(word + 1) for word in np.flatnonzero((old != new).any(axis=0))]
    samples = np.count_nonzero((old != new).any(axis=1))
    yield f"word {', '.join(words)} of {'one sample' if samples == 1 else 'many samples'}"


def plan_differences(before: bytes, after: bytes) -> Iterator[str]:
    if not after.endswith(before[-16:]):
        yield f"cut at {100 * len(after) // len(before)} %"
        return
    old, new = (elements_of(pydicom.dcmread(BytesIO(content))) for content in (before, after))
    for where in sorted(old.keys() | new.keys()):
        if old.get(where) != new.get(where):
            yield f"{where}: {shortened(old.get(where))} -> {shortened(new.get(where))}"


def elements_of(dataset: Dataset, where: str = "") -> dict[str, str]:
    """What stands in every plain element, by its place; the group of file meta information is left out."""
    found: dict[str, str] = {}
    for element in dataset:
        name = f"{where}{keyword_for_tag(element.tag) or element.tag}"
        if element.VR == "SQ":
            for place, item in enumerate(element.value):
                found |= elements_of(item, f"{name.removesuffix('Sequence')}[{place}].")
        else:
            found[name] = str(element.value)
    return found


def shortened(text: str | None) -> str:
    return "nothing" if text is None else text if len(text) < 50 else "another value"
