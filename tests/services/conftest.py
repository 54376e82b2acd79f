"""Real servers for the tests of this tier, on free ports of 127.0.0.1, stopped by their own handles.

`s3_server` and `gcs_server` are empty at the beginning of each test and set what their clients read from the
environment (also Sail, which reads it when it starts and is stopped for that); `s3_store` and `gcs_store`
are an object store on each, with the bucket `BUCKET`. `local_store` and `folder_store` are the two in
directories.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from pathlib import Path
from threading import Lock, Thread
from typing import Any, NoReturn

import httpx
import pytest

from resources.object_store import FolderObjectStore, LocalObjectStore, ObjectStore
from resources.spark.sail_server import SAIL
from tests.services.bigquery_server import bigquery_endpoint, bigquery_warehouse

__all__ = ["bigquery_endpoint", "bigquery_warehouse"]  # Fixtures of this folder.

BUCKET = "quintet-contract"
INSTALL = ".venv/bin/python -m pip install --require-hashes -r requirements/dev.txt"


@pytest.fixture(scope="session")
def moto_endpoint(missing_service: Callable[[str], NoReturn]) -> Iterator[str]:
    try:
        from moto.moto_server.werkzeug_app import (
            DomainDispatcherApplication,
            MotoRequestHandler,
            create_backend_app,
        )
        from werkzeug.serving import make_server
    except ImportError:
        missing_service(f"moto's S3 server is not installed: {INSTALL}")
    app = one_at_a_time(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def one_at_a_time(app: Callable[..., Any]) -> Callable[..., Any]:
    """moto looks whether an object exists and then stores it, and another thread may do so in between.

    S3 does both in one step, so the requests are put in a row.
    """
    lock = Lock()

    def serialised(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        with lock:
            return app(environ, start_response)

    return serialised


@pytest.fixture
def s3_server(moto_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The endpoint of an empty S3 server, which boto's own variables name; the region is us-east-1."""
    httpx.post(f"{moto_endpoint}/moto-api/reset", timeout=30).raise_for_status()
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    SAIL.stop()
    return moto_endpoint


@pytest.fixture(scope="session")
def gcs_endpoint(missing_service: Callable[[str], NoReturn]) -> Iterator[str]:
    try:
        from gcp_storage_emulator import server as emulator
    except ImportError:
        missing_service(f"The GCS emulator is not installed: {INSTALL}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emulator, "HANDLERS", corrected(emulator.HANDLERS))
        server = emulator.create_server("127.0.0.1", 0, in_memory=True)
        server.start()
        listening: Any = server._api._httpd  # The only one who knows which port the system chose.
        yield f"http://127.0.0.1:{listening.server_port}"
        server.stop()


def corrected(routes: Any) -> list[Any]:
    """The emulator (2026.7.19) with what GCS does and it does not, as far as our clients rely on it.

    It ignores `ifGenerationMatch`, where GCS answers 412. On its XML interface, which Polars reads, it knows
    no bucket name with an escaped character, no range from the end, and sends neither ETag nor Last-Modified.
    """
    return [
        (
            path.replace(r"[-.\w]+", r"[-.%\w]+"),
            {method: correct(handler) for method, handler in methods.items()},
        )
        for path, methods in routes
    ]


def correct(handler: Callable[..., Any]) -> Callable[..., Any]:
    def handle(request: Any, response: Any, storage: Any) -> None:
        present = None
        if "bucket_name" in request.params:
            objects = storage.objects.get(request.params["bucket_name"], {})
            present = objects.get(object_name(request, storage))
        wanted = request.query.get("ifGenerationMatch")
        if wanted and wanted != [present["generation"] if present else "0"]:
            response.status = HTTPStatus.PRECONDITION_FAILED
            return
        if present and request.method == "GET":
            updated = datetime.fromisoformat(present["updated"])
            response["Last-Modified"] = format_datetime(updated, usegmt=True)
            response["ETag"] = present["etag"]
            count_from_beginning(request, int(present["size"]))
        handler(request, response, storage)

    return handle


def count_from_beginning(request: Any, size: int) -> None:
    if match := re.fullmatch(r"bytes=-(\d+)", request.get_header("range", "")):
        first = max(0, size - int(match[1]))
        request._request_handler.headers.replace_header("range", f"bytes={first}-")


def object_name(request: Any, storage: Any) -> str | None:
    if "object_id" in request.params:
        return request.params["object_id"]
    if "upload_id" in request.query:
        return storage.get_resumable_file_obj(request.query["upload_id"][0])["name"]
    if "uploadType" in request.query:
        return request.data.get("meta", request.data)["name"]
    return None


@pytest.fixture
def gcs_server(gcs_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The endpoint of an empty GCS emulator, which the client's own variable names."""
    httpx.get(f"{gcs_endpoint}/wipe", timeout=30).raise_for_status()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_endpoint)
    # The client (3.17) otherwise asks for the bucket's location in the background, to decorate traces.
    monkeypatch.setenv("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    SAIL.stop()
    return gcs_endpoint


@pytest.fixture
def local_store(tmp_path: Path) -> ObjectStore:
    return LocalObjectStore(root=str(tmp_path / "storage"))


@pytest.fixture
def folder_store(tmp_path: Path) -> ObjectStore:
    return FolderObjectStore(root=str(tmp_path / "folder"))


@pytest.fixture
def s3_store(s3_server: str) -> ObjectStore:
    import boto3

    from resources.object_store.s3 import S3ObjectStore

    boto3.client("s3").create_bucket(Bucket=BUCKET)
    return S3ObjectStore()


@pytest.fixture
def gcs_store(gcs_server: str) -> ObjectStore:
    from google.cloud.storage import Client

    from resources.object_store.gcs import GCSObjectStore

    Client().create_bucket(BUCKET)
    return GCSObjectStore()
