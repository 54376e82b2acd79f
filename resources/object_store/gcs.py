"""Objects on Google Cloud Storage through dagster-gcp's `GCSResource`.

Credentials come from Google's own chain (`GOOGLE_APPLICATION_CREDENTIALS`, gcloud, the metadata server), an
emulator from `STORAGE_EMULATOR_HOST`. Imported only where a GCS store is really made: dagster-gcp takes
2.3 s.
"""

import base64
import os
from collections.abc import Iterator
from datetime import UTC
from functools import cached_property, partial
from typing import Any
from uuid import uuid4

from dagster_gcp.gcs import GCSResource
from google.api_core import exceptions as answers
from google.cloud.storage import Blob, Client
from google.cloud.storage.retry import DEFAULT_RETRY
from pydantic import Field

from resources.google_answers import (
    NO_CREDENTIALS,
    UNAVAILABLE,
    no_credentials,
    unavailable,
)
from resources.object_store.base import ObjectStore
from resources.object_store.errors import (
    AccessRefused,
    ObjectNotFound,
    PreconditionFailed,
    StoreUnavailable,
)
from resources.object_store.ranged_reader import RangedReader
from resources.object_store.values import Condition, ObjectInfo, ScanSource, Spool

CONNECT_SECONDS, READ_SECONDS = 10, 60
_WRITE_ID = "quintet-write-id"
_NO_CHECKSUM: Any = None  # What the client documents; its inferred type says str.


class GCSObjectStore(ObjectStore):
    """Objects on Google Cloud Storage.

    Each request gives up after 10 s without a connection or 60 s without a byte. After a time-out, a broken
    connection, 408, 429 or a 5xx answer it is repeated, with growing random pauses, for `retry_seconds` in
    all; 403, 404 and 412 are answers and are not repeated.
    """

    project: str | None = Field(default=None, description="The project that requests are made for.")
    retry_seconds: float = Field(default=120, description="How long a failing request is repeated.")

    @cached_property
    def _client(self) -> Client:
        return GCSResource(project=self.project).get_client()

    @property
    def _patience(self) -> dict[str, Any]:
        return {
            "timeout": (CONNECT_SECONDS, READ_SECONDS),
            "retry": DEFAULT_RETRY.with_timeout(self.retry_seconds),
        }

    def _blob(self, bucket: str, key: str) -> Blob:
        return self._client.bucket(bucket).blob(key)

    def _found(self, bucket: str, key: str) -> Any:
        """A blob with all its properties, which the client leaves untyped, or None."""
        return self._client.bucket(bucket).get_blob(key, **self._patience)

    def _uri(self, bucket: str, key: str) -> str:
        return f"gs://{bucket}/{key}"

    def _list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        return map(_info, self._client.list_blobs(bucket, prefix=prefix, **self._patience))

    def _head(self, bucket: str, key: str) -> ObjectInfo | None:
        blob = self._found(bucket, key)
        return blob and _info(blob)

    def _open(self, bucket: str, key: str) -> RangedReader | None:
        found = self._found(bucket, key)
        return found and self._ranged_reader(
            self._uri(bucket, key), found.size, partial(self._read, bucket, key, found.generation)
        )

    def _read(self, bucket: str, key: str, generation: int, start: int, length: int) -> bytes:
        # A blob that knew its generation would ask for that one by name, and get 404 once it is replaced.
        return self._blob(bucket, key).download_as_bytes(
            start=start,
            end=start + length - 1,
            raw_download=True,
            checksum=_NO_CHECKSUM,  # GCS has checksums of whole objects only.
            if_generation_match=generation,
            **self._patience,
        )

    def _publish(self, bucket: str, key: str, spool: Spool, condition: Condition) -> ObjectInfo:
        generation = self._generation_to_replace(bucket, key, condition)
        blob = self._blob(bucket, key)
        blob.md5_hash = spool.content_md5  # The server refuses a body that was damaged on the way.
        blob.metadata = {_WRITE_ID: uuid4().hex}
        try:
            with spool.path.open("rb") as body:
                blob.upload_from_file(body, size=spool.size, if_generation_match=generation, **self._patience)
        except answers.PreconditionFailed as error:
            # When the answer to a write is lost, the client repeats it and is refused by its own success.
            present = self._found(bucket, key)
            if present is not None and present.metadata == blob.metadata:
                return _info(present)
            raise PreconditionFailed(condition.refusal(self._uri(bucket, key))) from error
        return _info(blob)

    def _generation_to_replace(self, bucket: str, key: str, condition: Condition) -> int | None:
        """GCS compares generations, not digests: the one that may be replaced, 0 for none, None for any."""
        if condition.is_empty:
            return None
        if condition.if_absent:
            return 0
        found = self._found(bucket, key)
        if found is None or _info(found).etag != condition.if_match:
            raise PreconditionFailed(condition.refusal(self._uri(bucket, key)))
        return found.generation

    def _delete(self, bucket: str, key: str) -> None:
        try:
            self._blob(bucket, key).delete(**self._patience)
        except answers.NotFound:
            return

    def _scan_source(self, bucket: str, key: str) -> ScanSource:
        emulator = os.environ.get("STORAGE_EMULATOR_HOST")
        options = {"google_base_url": emulator, "google_skip_signature": "true"} if emulator else {}
        if emulator and emulator.startswith("http://"):
            options["allow_http"] = "true"
        return ScanSource(self._uri(bucket, key), options)

    def _translate(self, error: Exception, location: str) -> Exception | None:
        # Google's own messages are left out: they hold URLs of uploads, which are as good as a key.
        match error:
            case answers.NotFound():
                return ObjectNotFound(f"{location} does not exist, or its bucket does not.")
            case answers.Unauthorized() | answers.Forbidden():
                return AccessRefused(
                    f"{location}: GCS refuses access; check the account and its roles on the bucket."
                )
            case answers.PreconditionFailed() | answers.Conflict():
                return PreconditionFailed(
                    f"{location} was replaced by another writer at this moment; start again."
                )
            case _ if isinstance(error, NO_CREDENTIALS):
                return AccessRefused(no_credentials(location))
            case _ if isinstance(error, UNAVAILABLE):
                return StoreUnavailable(unavailable(location, "GCS", self.retry_seconds, error))
            case _:
                return None


def _info(blob: Any) -> ObjectInfo:
    md5 = base64.b64decode(blob.md5_hash).hex() if blob.md5_hash else blob.etag.strip('"')
    return ObjectInfo(blob.bucket.name, blob.name, blob.size, md5, blob.updated.astimezone(UTC))
