"""Contexts and messages of jobs in a bucket: where they lie, whose they are, and that none is left unread."""

import json
from typing import Any

import boto3
import dagster as dg
import pytest
from dagster_aws.pipes import PipesS3MessageReader
from dagster_pipes import PipesContextData, encode_param

from resources.compute import ComputeMisconfigured, PlatformRefused, Settings
from resources.compute.s3_messages import S3Messages

pytestmark = pytest.mark.services

BUCKET = "quintet-jobs"
TOKEN = "quintet-0c82b9d8-00000000000000000000000000000000"
CONTEXT: Any = {"run_id": "0c82b9d8", "extras": {}}


@pytest.fixture
def s3(s3_server: str) -> Any:
    client: Any = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture
def messages(s3: Any) -> S3Messages:
    return messages_of({"QUINTET_PIPES_BUCKET": BUCKET})


def messages_of(environ: dict[str, str]) -> S3Messages:
    return S3Messages.from_settings(Settings("glue", environ))


def reader_of(messages: S3Messages, told: dict[str, Any] | None = None) -> PipesS3MessageReader:
    reader = messages.message_reader(TOKEN, told)
    assert isinstance(reader, PipesS3MessageReader)
    return reader


def folder_of(reader: PipesS3MessageReader) -> str:
    with reader.get_params() as params:
        assert params["bucket"] == BUCKET
        return str(params["key_prefix"])


def written(messages: S3Messages, context: PipesContextData) -> dict[str, Any]:
    with messages.context_injector(TOKEN).inject_context(context) as params:
        return dict(params)


def test_each_launch_has_a_folder_of_its_own_below_its_token(messages: S3Messages) -> None:
    folders = {folder_of(reader_of(messages)) for _ in range(3)}
    assert len(folders) == 3
    assert all(folder.startswith(f"quintet-pipes/{TOKEN}/") for folder in folders)


def test_the_prefix_is_a_setting_and_its_slashes_do_not_double(s3: Any) -> None:
    messages = messages_of({"QUINTET_PIPES_BUCKET": BUCKET, "QUINTET_PIPES_PREFIX": "/team/pipes/"})
    assert folder_of(reader_of(messages)).startswith(f"team/pipes/{TOKEN}/")


def test_a_context_stays_where_a_job_that_is_still_queued_will_read_it(messages: S3Messages, s3: Any) -> None:
    params = written(messages, CONTEXT)
    assert json.loads(s3.get_object(Bucket=params["bucket"], Key=params["key"])["Body"].read()) == CONTEXT


def test_a_bucket_that_does_not_exist_is_named_before_anything_starts(s3: Any) -> None:
    with pytest.raises(PlatformRefused, match=r"s3://absent/quintet-pipes/.* refused \(NoSuchBucket\)"):
        written(messages_of({"QUINTET_PIPES_BUCKET": "absent"}), CONTEXT)


def test_all_chunks_that_are_there_are_read_at_once_and_none_twice(messages: S3Messages, s3: Any) -> None:
    reader = reader_of(messages)
    folder = folder_of(reader)

    def write(*numbers: int) -> None:
        for number in numbers:
            s3.put_object(Bucket=BUCKET, Key=f"{folder}/{number}.json", Body=f'{{"number": {number}}}')

    def read() -> list[int]:
        found = reader.download_messages(None, {})
        return [json.loads(line)["number"] for line in found[1].splitlines()] if found else []

    assert read() == []
    write(*range(1, 41), 42)
    assert read() == list(range(1, 41))
    write(41)
    assert read() == [41, 42]
    assert read() == []


def test_messages_that_cannot_be_read_now_are_read_later(
    messages: S3Messages, s3: Any, caplog: pytest.LogCaptureFixture
) -> None:
    reader = reader_of(messages)
    s3.delete_bucket(Bucket=BUCKET)
    assert reader.download_messages(None, {}) is None
    assert "are read again later" in caplog.text
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=f"{folder_of(reader)}/1.json", Body="{}")
    assert reader.download_messages(None, {}) == (2, "{}")


def test_what_a_job_was_told_says_whose_it_is(messages: S3Messages) -> None:
    told = {"bucket": BUCKET, "key_prefix": folder_of(reader_of(messages))}
    assert messages.told(TOKEN, encode_param(told)) == told
    assert folder_of(reader_of(messages, told)) == told["key_prefix"]


@pytest.mark.parametrize(
    "encoded",
    [
        None,
        "",
        "not base64",
        "bm90IHpsaWI=",
        encode_param("text"),
        encode_param({}),
        encode_param({"bucket": BUCKET}),
        encode_param({"bucket": "other", "key_prefix": f"quintet-pipes/{TOKEN}/1"}),
        encode_param({"bucket": BUCKET, "key_prefix": f"quintet-pipes/{TOKEN}0/1"}),
        encode_param({"bucket": BUCKET, "key_prefix": f"{TOKEN}/1"}),
    ],
)
def test_what_another_job_was_told_is_not_ours(messages: S3Messages, encoded: str | None) -> None:
    assert messages.told(TOKEN, encoded) is None


def test_a_bucket_must_be_set(s3_server: str) -> None:
    with pytest.raises(ComputeMisconfigured, match="The compute backend glue needs QUINTET_PIPES_BUCKET"):
        messages_of({})


def test_the_texts_for_debugging_say_where_to_look(messages: S3Messages) -> None:
    pair: tuple[dg.PipesContextInjector, dg.PipesMessageReader] = (
        messages.context_injector(TOKEN),
        messages.message_reader(TOKEN),
    )
    for side in pair:
        assert f"s3://{BUCKET}/quintet-pipes/{TOKEN}/" in side.no_messages_debug_text()
