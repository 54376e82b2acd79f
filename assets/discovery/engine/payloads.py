"""What handlers return, as it is kept: small payloads in the row, big ones in a file named by its digest.

Files lie beside the ledger, in `discovery-blobs/<2 hex>/<sha256>`, and are never changed: the same payload is
the same file. Not here: which result is current (`ledger.results`).
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from assets.discovery.keys import canonical_json
from assets.discovery.ledger.results import Result
from assets.failures import PermanentFailure, TransientFailure

LARGEST_IN_ROW: Final = 100_000
"""Bytes of canonical JSON; what is larger goes to a file."""
_FOLDER: Final = "discovery-blobs"


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a payload is: its JSON text, or the path of its file, relative to the folder of the ledger."""

    output_hash: str
    """SHA-256 of the canonical JSON, 64 hex digits."""
    size: int
    """Bytes of the canonical JSON."""
    payload_json: str | None = None
    blob_path: str | None = None


def store_payload(ledger_path: Path, payload: Mapping[str, Any]) -> Stored:
    """Keep a payload. Its file, if it needs one, is whole and on the disk before this returns.

    Raises:
        ValueError: the payload is no JSON object.
        TransientFailure: its file cannot be written, for the disk is full for example.
    """
    text = canonical_json(payload)
    content = text.encode()
    digest = sha256(content).hexdigest()
    if len(content) <= LARGEST_IN_ROW:
        return Stored(digest, len(content), payload_json=text)
    blob_path = f"{_FOLDER}/{digest[:2]}/{digest}"
    path = ledger_path.parent / blob_path
    try:
        _write_once(path, content)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TransientFailure(
            f"the payload {path} cannot be written ({reason}); make room on that disk, or let this user write"
        ) from None
    return Stored(digest, len(content), blob_path=blob_path)


def read_payload_text(ledger_path: Path, blob_path: str) -> str:
    """The text of a payload that is kept in a file.

    Raises:
        PermanentFailure: the file is gone, or is not what was written.
    """
    path = ledger_path.parent / blob_path
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PermanentFailure(
            f"the payload {path} cannot be read ({reason}); restore it, or run its stage again"
        ) from None
    if not _is_whole(path, content):
        raise PermanentFailure(
            f"the payload {path} is damaged: it no longer has the digest in its name; "
            "restore it, or run its stage again"
        )
    return content.decode()


def payload_of(ledger_path: Path, result: Result) -> dict[str, Any]:
    """The payload of a result, wherever it is."""
    if result.blob_path is not None:
        return json.loads(read_payload_text(ledger_path, result.blob_path))
    return json.loads(result.payload_json or "{}")


def _write_once(path: Path, content: bytes) -> None:
    if path.is_file() and _is_whole(path, path.read_bytes()):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # Else the name may be lost with the power, and the ledger would refer to nothing.
    finally:
        os.close(folder)


def _is_whole(path: Path, content: bytes) -> bool:
    return sha256(content).hexdigest() == path.name
