"""What the documents point to exists: links, anchors, pictures, files and folders of the repository."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.documents import DOCUMENTS, ROOT, blocks, inline_spans, prose

EVERY = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_PATH = re.compile(
    r"(?:aim-job|assets|deploy|docs|jobs|requirements|resources|scripts|sensors|tests)/[\w./{},-]*"
)


def slug(heading: str) -> str:
    """The anchor that a web page of the repository gives to a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def anchors(document: Path) -> set[str]:
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)}


@EVERY
def test_every_link_leads_somewhere(document):
    for target in (match["target"] for match in _LINK.finditer(prose(document))):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        assert path.exists(), f"{document.name}: {target} does not exist"
        if anchor:
            assert anchor in anchors(path), f"{document.name}: {name} has no section {anchor}"


@EVERY
def test_every_file_that_is_named_exists(document):
    """But for those that the reader writes: in a recipe, or where git ignores them."""
    written = {block.file for block in blocks(document) if block.file}
    for span in inline_spans(document):
        if not _PATH.fullmatch(span) or span in written:
            continue
        for name in expanded(span):
            exists = (ROOT / name).exists() or is_ignored(name)
            assert exists, f"{document.name}: {name} does not exist"


def is_ignored(name: str) -> bool:
    return subprocess.run(["git", "check-ignore", "--quiet", name], cwd=ROOT, check=False).returncode == 0


def expanded(span: str) -> list[str]:
    """The names that braces stand for."""
    if braces := re.search(r"\{([^{}]+)\}", span):
        return [span.replace(braces[0], choice) for choice in braces[1].split(",")]
    return [span]


def test_every_document_can_be_found_from_the_readme():
    listed = {(ROOT / match["target"]).resolve() for match in _LINK.finditer(prose(ROOT / "README.md"))}
    assert {document.name for document in DOCUMENTS if document.resolve() not in listed} <= {"README.md"}


def test_every_picture_is_small_and_shown_by_a_document():
    shown = {
        (document.parent / match["target"]).resolve()
        for document in DOCUMENTS
        for match in _LINK.finditer(prose(document))
    }
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "docs/images"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for picture in ((ROOT / name) for name in names if name):
        assert picture.resolve() in shown, f"no document shows {picture.name}"
        assert picture.stat().st_size <= 200_000, f"{picture.name} is larger than 200 kB"


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("What fails, and what to do", "what-fails-and-what-to-do"),
        ("`market`: runbook", "market-runbook"),
        ("A GPU host", "a-gpu-host"),
    ],
)
def test_an_anchor_is_a_heading_in_small_letters_with_hyphens(heading, anchor):
    assert slug(heading) == anchor
