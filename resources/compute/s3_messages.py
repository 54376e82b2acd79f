"""Where jobs on AWS read their context and write their messages: one prefix of one bucket.

The keys are `<prefix>/<token>/<random>/…`: every launch has a folder of its own, below the token of its step.
So a job tells by its own arguments whose it is, and an adopted one where its messages are. Nothing here
deletes an object; a lifecycle rule on the prefix does. Imported only by backends that need it: dagster-aws
takes 1.7 s.
"""

import json
import logging
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from uuid import uuid4

import dagster as dg
from botocore.exceptions import BotoCoreError, ClientError
from dagster_aws.pipes import PipesS3MessageReader
from dagster_pipes import PipesBlobStoreMessageWriter, PipesContextData, PipesParams, decode_param

from resources.compute.aws_clients import aws_client, aws_errors
from resources.compute.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class S3Messages:
    """A prefix of a bucket, from `QUINTET_PIPES_BUCKET` and `QUINTET_PIPES_PREFIX` (else `quintet-pipes`)."""

    bucket: str
    prefix: str
    client: Any

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Read the variables, and make the client.

        Raises:
            ComputeMisconfigured: QUINTET_PIPES_BUCKET is not set.
        """
        return cls(
            settings.required("QUINTET_PIPES_BUCKET", "the bucket that jobs report through"),
            (settings.optional("QUINTET_PIPES_PREFIX") or "quintet-pipes").strip("/"),
            aws_client("s3"),
        )

    def context_injector(self, token: str) -> dg.PipesContextInjector:
        """Write the context of a new job, in a folder of its own."""
        return _FolderContext(self.bucket, self._new_folder(token), self.client)

    def message_reader(self, token: str, told: Mapping[str, Any] | None = None) -> dg.PipesMessageReader:
        """Read the messages of a job that was told where (`told`), else of a new one, in its own folder."""
        folder = told["key_prefix"] if told else self._new_folder(token)
        return _FolderMessages(self.bucket, folder, self.client)

    def told(self, token: str, encoded: str | None) -> Mapping[str, Any] | None:
        """What a job was told of its messages; None unless it is a job of this token.

        `encoded` is its argument `--dagster-pipes-messages`, or the value of the variable.
        """
        try:
            params = decode_param(encoded) if encoded else {}
        except (ValueError, zlib.error):
            return None  # Not ours: whoever starts the job by hand may pass anything.
        if not isinstance(params, dict) or params.get("bucket") != self.bucket:
            return None
        return params if str(params.get("key_prefix")).startswith(f"{self.prefix}/{token}/") else None

    def _new_folder(self, token: str) -> str:
        return f"{self.prefix}/{token}/{uuid4().hex}"


class _FolderContext(dg.PipesContextInjector):
    """Writes the context and leaves it there: dagster-aws' own deletes it while a job may still be queued."""

    def __init__(self, bucket: str, folder: str, client: Any) -> None:
        self._bucket, self._folder, self._client = bucket, folder, client

    @contextmanager
    def inject_context(self, context_data: PipesContextData) -> Iterator[PipesParams]:
        key = f"{self._folder}/context.json"
        with aws_errors(f"The context of a job in s3://{self._bucket}/{key}"):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=json.dumps(context_data).encode())
        yield {"bucket": self._bucket, "key": key}

    def no_messages_debug_text(self) -> str:
        return f"The context of the job is below s3://{self._bucket}/{self._folder}."


class _FolderMessages(PipesS3MessageReader):
    """Reads a folder that we choose; dagster-aws' own (0.29.27) reads a random one in the bucket's root.

    That one also takes a chunk each 10 s, and for 11 s more after the job's end, so it would leave most of
    the messages of a job that was adopted late; and it ends at the first broken connection.
    """

    def __init__(self, bucket: str, folder: str, client: Any) -> None:
        super().__init__(bucket=bucket, client=client)
        self._folder = folder

    @contextmanager
    def get_params(self) -> Iterator[PipesParams]:
        yield {
            "bucket": self.bucket,
            "key_prefix": self._folder,
            PipesBlobStoreMessageWriter.INCLUDE_STDIO_IN_MESSAGES_KEY: False,
        }

    def messages_are_readable(self, params: PipesParams) -> bool:
        return True

    def download_messages(self, cursor: Any, params: PipesParams) -> tuple[Any, str] | None:
        chunks = []
        while chunk := self._chunk(f"{self._folder}/{self.counter}.json"):
            chunks.append(chunk)
            self.counter += 1
        return (self.counter, "\n".join(chunks)) if chunks else None

    def _chunk(self, key: str) -> str | None:
        try:
            return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode()
        except self.client.exceptions.NoSuchKey:
            return None
        except (BotoCoreError, ClientError) as error:
            _log.warning("The messages in s3://%s/%s are read again later: %s", self.bucket, key, error)
            return None

    def no_messages_debug_text(self) -> str:
        return f"Looked for the messages of the job below s3://{self.bucket}/{self._folder}."
