"""What the S3 and GCS stores do when the network or the server lets them down."""

from collections.abc import Iterator
from itertools import repeat

import pytest

from resources.object_store import AccessRefused, ObjectStore, PreconditionFailed, StoreUnavailable
from tests.services.faulty_proxy import CUT_BODY, LOST_ANSWER, FaultyProxy, standing_before

pytestmark = pytest.mark.services

BUCKET = "quintet-contract"


@pytest.fixture
def proxy(
    variant: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaultyProxy]:
    request.getfixturevalue(f"{variant}_store")  # The server with its bucket.
    with standing_before(request.getfixturevalue(f"{variant}_server")) as server:
        monkeypatch.setenv({"s3": "AWS_ENDPOINT_URL", "gcs": "STORAGE_EMULATOR_HOST"}[variant], server.url)
        yield server


def impatient(variant: str) -> ObjectStore:
    if variant == "s3":
        from resources.object_store.s3 import S3ObjectStore

        return S3ObjectStore(max_attempts=2)
    from resources.object_store.gcs import GCSObjectStore

    return GCSObjectStore(retry_seconds=6)


@pytest.fixture(params=["s3", "gcs"])
def variant(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_refusal_is_final_and_says_what_to_check(variant: str, proxy: FaultyProxy) -> None:
    store = impatient(variant)
    for use in (
        lambda: store.list(BUCKET),
        lambda: store.head(BUCKET, "a"),
        lambda: store.put_bytes(BUCKET, "a", b""),
        lambda: store.delete(BUCKET, "a"),
    ):
        proxy.meet_with(repeat(403))
        with pytest.raises(AccessRefused, match=rf"//{BUCKET}/.*refuses access.*check"):
            use()
        assert len(proxy.requests) == 1


def test_a_busy_server_is_asked_again(variant: str, proxy: FaultyProxy) -> None:
    store = impatient(variant)
    proxy.meet_with([503, 503])
    store.put_bytes(BUCKET, "a", b"content")
    proxy.meet_with([503, None, 503])
    assert store.read_bytes(BUCKET, "a") == b"content"


def test_a_server_that_stays_busy_is_unavailable(variant: str, proxy: FaultyProxy) -> None:
    store = impatient(variant)
    proxy.meet_with(repeat(503))
    with pytest.raises(StoreUnavailable, match=rf"//{BUCKET}/a: .* try again later"):
        store.head(BUCKET, "a")
    if variant == "s3":
        assert len(proxy.requests) == 1 + 2  # max_attempts counts the repetitions, whatever dagster-aws says.
    else:
        assert 2 <= len(proxy.requests) <= 10


def test_a_server_that_nobody_runs_is_unavailable(variant: str, proxy: FaultyProxy) -> None:
    proxy.shutdown()
    proxy.server_close()
    with pytest.raises(StoreUnavailable, match="reached"):
        impatient(variant).list(BUCKET)


def test_a_download_that_breaks_off_is_taken_up_again(variant: str, proxy: FaultyProxy) -> None:
    store = impatient(variant)
    store.put_bytes(BUCKET, "a", b"0123456789" * 100_000)
    proxy.meet_with([None, CUT_BODY, CUT_BODY])
    assert store.read_bytes(BUCKET, "a") == b"0123456789" * 100_000


@pytest.mark.parametrize("condition", ["if_absent", "if_match"])
def test_a_conditional_write_whose_answer_was_lost_is_not_taken_for_anothers(
    variant: str, proxy: FaultyProxy, condition: str
) -> None:
    store = impatient(variant)
    if condition == "if_absent":
        proxy.meet_with([LOST_ANSWER])
        written = store.put_bytes(BUCKET, "a", b"ours", if_absent=True)
    else:
        before = store.put_bytes(BUCKET, "a", b"before")
        # GCS first looks up the generation that has this etag.
        proxy.meet_with([LOST_ANSWER] if variant == "s3" else [None, LOST_ANSWER])
        written = store.put_bytes(BUCKET, "a", b"ours", if_match=before.etag)
    assert sum(line.startswith(("PUT", "POST")) for line in proxy.requests) == 2
    assert written == store.head(BUCKET, "a")
    assert store.read_bytes(BUCKET, "a") == b"ours"


def test_equal_bytes_of_another_writer_are_not_taken_for_ours(variant: str, proxy: FaultyProxy) -> None:
    store = impatient(variant)
    store.put_bytes(BUCKET, "a", b"the same")
    with pytest.raises(PreconditionFailed):
        store.put_bytes(BUCKET, "a", b"the same", if_absent=True)


@pytest.mark.parametrize(
    ("variant", "variables", "remedy"),
    [
        ("s3", ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "AWS_PROFILE"),
        ("gcs", ("STORAGE_EMULATOR_HOST",), "GOOGLE_APPLICATION_CREDENTIALS"),
    ],
)
def test_missing_credentials_fail_the_use_and_not_the_construction(
    variant: str,
    variables: tuple[str, ...],
    remedy: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request.getfixturevalue(f"{variant}_server")
    for name in variables:
        monkeypatch.delenv(name)
    store = impatient(variant)
    with pytest.raises(AccessRefused, match=rf"credentials.*{remedy}"):
        store.head(BUCKET, "a")


def test_what_s3_takes_in_no_single_piece_is_refused_before_it_is_sent(s3_store: ObjectStore) -> None:
    with (
        pytest.raises(ValueError, match=r"5368709121 bytes.*split"),
        s3_store.open_write(BUCKET, "a") as file,
    ):
        file.truncate(5 * 1024**3 + 1)  # A file without blocks, which takes no space.
    assert s3_store.list(BUCKET) == []
