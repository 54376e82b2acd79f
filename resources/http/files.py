"""Files of this machine, read like the web: a cap, gzip by content, validators, the same errors."""

import zlib
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

from resources.http.bodies import capped, gunzipped_by_content, pieces_of, put_down
from resources.http.errors import AccessRefused, AnswerRefused, NotFound, RequestRefused
from resources.http.shown import shown
from resources.http.values import Request, Response


def local_path(url: str) -> Path | None:
    """The file that a `file:` URL or an absolute path names; None for anything else."""
    if url.startswith("/") and not url.startswith("//"):
        return Path(url)
    if url[:5].lower() != "file:":
        return None
    try:
        host, path = urlsplit(url)[1:3]
    except ValueError:
        host, path = "", ""
    if host.lower() not in ("", "localhost") or not path.startswith("/"):
        raise RequestRefused(f"{shown(url)} names no file of this machine; write file:///path.")
    return Path(url2pathname(path))


def read_file(request: Request, path: Path) -> Response:
    """The content of a plain file. Its validator is its size and the time of its last change."""
    if not request.allow_files:
        raise RequestRefused(f"{path} is a file of this machine; set allow_files: true if that is meant.")
    problem: Exception
    try:
        if path.exists() and not path.is_file():
            raise RequestRefused(f"{path} is no plain file; name one.")
        with path.open("rb") as file:
            return _response(request, path, file)
    except FileNotFoundError:
        problem = NotFound(f"{path} does not exist; correct the path.")
    except OSError as error:
        problem = AccessRefused(f"{path} cannot be read: {error.strerror}.")
    except (EOFError, zlib.error):
        problem = AnswerRefused(f"{path} has gzip data that are cut or damaged.")
    raise problem


def _response(request: Request, path: Path, file: BinaryIO) -> Response:
    pieces = capped(pieces_of(file), request.max_bytes, str(path))
    if request.gunzip:
        pieces = capped(gunzipped_by_content(pieces), request.max_bytes, f"{path}, unpacked,")
    found = path.stat()
    validators = {"etag": f'"{found.st_size}-{found.st_mtime_ns}"'}
    if request.validators.get("etag") == validators["etag"]:
        return Response(path.as_uri(), 304, {}, BytesIO(), dict(request.validators))
    body = put_down(pieces)
    if body.tell() == 0:
        raise AnswerRefused(f"{path} is empty.")
    body.seek(0)
    return Response(path.as_uri(), 200, {}, body, validators)
