"""Objects on S3, or on any server that speaks its protocol, through dagster-aws' `S3Resource`.

Credentials come from boto's own chain (environment, profile, instance role), another endpoint from
`AWS_ENDPOINT_URL`. Imported only where an S3 store is really made: dagster-aws takes 1.7 s.
"""

from collections.abc import Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypedDict
from uuid import uuid4

from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from dagster_aws.s3 import S3Resource
from pydantic import Field
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from resources.object_store.base import ObjectStore
from resources.object_store.errors import (
    AccessRefused,
    ObjectNotFound,
    PreconditionFailed,
    StoreUnavailable,
)
from resources.object_store.ranged_reader import RangedReader
from resources.object_store.values import Condition, ObjectInfo, ScanSource, Spool

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

MAX_PUT_BYTES = 5 * 1024**3  # S3's own limit for one PUT; an upload in parts would have no MD5 for its etag.

# Refusals that S3 answers with status 400.
_BAD_CREDENTIALS = {"ExpiredToken", "InvalidToken", "RequestExpired"}
_WRITE_ID = "quintet-write-id"


class S3ObjectStore(ObjectStore):
    """Objects on S3.

    Each request gives up after 60 s without a connection or a byte (botocore's defaults, which S3Resource
    leaves no way to change) and is repeated after a time-out, a broken connection, throttling or a 5xx
    answer, with growing random pauses of at most 20 s; 403, 404 and 412 are answers and are not repeated.
    """

    region_name: str = Field(default="us-east-1", description="The region of the buckets.")
    profile_name: str | None = Field(default=None, description="A profile of the AWS configuration file.")
    max_attempts: int = Field(default=5, description="How often a failed request is repeated.")

    @cached_property
    def _client(self) -> "S3Client":
        return S3Resource(
            region_name=self.region_name, profile_name=self.profile_name, max_attempts=self.max_attempts
        ).get_client()

    def _uri(self, bucket: str, key: str) -> str:
        return f"s3://{bucket}/{key}"

    def _list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            item: Any  # S3 sends every field, and the stubs call them all optional.
            for item in page.get("Contents", []):
                modified = item["LastModified"].astimezone(UTC)
                yield ObjectInfo(bucket, item["Key"], item["Size"], _plain(item["ETag"]), modified)

    def _head(self, bucket: str, key: str) -> ObjectInfo | None:
        answer = self._describe(bucket, key)
        return answer and answer[0]

    def _describe(self, bucket: str, key: str) -> tuple[ObjectInfo, str | None] | None:
        """The object, and the id of the write that made it."""
        try:
            answer = self._client.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if _status(error) == 404:
                return None
            raise
        modified = answer["LastModified"].astimezone(UTC)
        info = ObjectInfo(bucket, key, answer["ContentLength"], _plain(answer["ETag"]), modified)
        return info, answer["Metadata"].get(_WRITE_ID)

    def _open(self, bucket: str, key: str) -> RangedReader | None:
        info = self._head(bucket, key)
        return info and self._ranged_reader(self._uri(bucket, key), info.size, partial(self._read, info))

    def _read(self, info: ObjectInfo, start: int, length: int) -> bytes:
        wanted = f"bytes={start}-{start + length - 1}"
        for attempt in Retrying(
            # The client repeats requests by itself, but not a body that breaks off.
            retry=retry_if_exception_type((HTTPClientError, IncompleteReadError)),
            stop=stop_after_attempt(1 + self.max_attempts),
            wait=wait_random_exponential(max=20),
            reraise=True,
        ):
            answer = self._client.get_object(
                Bucket=info.bucket, Key=info.key, Range=wanted, IfMatch=f'"{info.etag}"'
            )
            with attempt:
                return answer["Body"].read()
        raise AssertionError("Retrying with reraise never ends without a result.")

    def _publish(self, bucket: str, key: str, spool: Spool, condition: Condition) -> ObjectInfo:
        if spool.size > MAX_PUT_BYTES:
            raise ValueError(
                f"{self._uri(bucket, key)} has {spool.size} bytes, and S3 takes at most {MAX_PUT_BYTES} in "
                "one piece; split it into several objects."
            )
        write_id = uuid4().hex
        try:
            with spool.path.open("rb") as body:
                answer = self._client.put_object(
                    Bucket=bucket,
                    Key=key,
                    Body=body,
                    ContentMD5=spool.content_md5,  # The server refuses a body that was damaged on the way.
                    Metadata={_WRITE_ID: write_id},
                    **_conditions(condition),
                )
        except ClientError as error:
            # An object that was to match and is not there is 404.
            if condition.is_empty or _status(error) not in (404, 409, 412) or _code(error) == "NoSuchBucket":
                raise
            if own := self._own_write(bucket, key, write_id):
                return own
            raise PreconditionFailed(condition.refusal(self._uri(bucket, key))) from error
        modified = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        return ObjectInfo(bucket, key, spool.size, _plain(answer["ETag"]), modified.astimezone(UTC))

    def _own_write(self, bucket: str, key: str, write_id: str) -> ObjectInfo | None:
        """The object, if this very write made it.

        When the answer to a conditional write is lost, the client repeats it, and the repetition is refused
        because the first one succeeded.
        """
        match self._describe(bucket, key):
            case (info, found) if found == write_id:
                return info
            case _:
                return None

    def _delete(self, bucket: str, key: str) -> None:
        try:
            self._client.delete_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if _status(error) != 404:
                raise

    def _scan_source(self, bucket: str, key: str) -> ScanSource:
        endpoint = self._client.meta.endpoint_url
        options = {"aws_region": self.region_name, "aws_endpoint_url": endpoint}
        if endpoint.startswith("http://"):
            options["aws_allow_http"] = "true"
        return ScanSource(self._uri(bucket, key), options)

    def _translate(self, error: Exception, location: str) -> Exception | None:
        match error:
            case ClientError():
                return _translate_answer(error, location)
            case (
                NoCredentialsError()
                | PartialCredentialsError()
                | CredentialRetrievalError()
                | TokenRetrievalError()
            ):
                return AccessRefused(
                    f"{location}: there are no complete AWS credentials ({error}); set AWS_PROFILE, or "
                    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
                )
            case BotoConnectionError() | HTTPClientError() | IncompleteReadError():
                return StoreUnavailable(
                    f"{location}: S3 cannot be reached ({error}); check the network, "
                    "and AWS_ENDPOINT_URL if it is set."
                )
            case _:
                return None


def _translate_answer(error: ClientError, location: str) -> Exception | None:
    status, code = _status(error), _code(error)
    if code == "NoSuchBucket":
        return ObjectNotFound(f"{location}: the bucket does not exist; create it or correct its name.")
    if status == 404:
        return ObjectNotFound(f"{location} does not exist.")
    if status in (401, 403) or code in _BAD_CREDENTIALS:
        return AccessRefused(
            f"{location}: S3 refuses access ({code}); check the credentials, the bucket policy and, for an "
            "object that may not exist, the right to list the bucket."
        )
    if status in (409, 412):
        return PreconditionFailed(f"{location} was replaced by another writer at this moment; start again.")
    if status == 429 or status >= 500 or code == "RequestTimeout":
        return StoreUnavailable(f"{location}: S3 answers {status} ({code}) again and again; try again later.")
    return None


class _Conditions(TypedDict, total=False):
    IfNoneMatch: str
    IfMatch: str


def _conditions(condition: Condition) -> _Conditions:
    if condition.if_absent:
        return {"IfNoneMatch": "*"}
    return {} if condition.if_match is None else {"IfMatch": f'"{condition.if_match}"'}


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def _plain(etag: str) -> str:
    return etag.strip('"')
