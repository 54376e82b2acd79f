"""Docker: images, what a job finds in its environment, its log, and messages that are whole."""

import io
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resources.compute import Compute, ComputeMisconfigured, PlatformUnavailable, Polling
from resources.compute.container import ContainerBackend, ContainerFileReader
from tests.resources.compute.backend_runs import Work, run_over
from tests.resources.compute.remote_platforms import IMAGE, Container, backend_of, container_serving

pytestmark = [pytest.mark.materialise, pytest.mark.services]

QUICK = Polling(first=0.05, cap=0.05)


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Container]:
    folder = tmp_path / "platform"
    folder.mkdir()
    with container_serving(folder, monkeypatch) as serving:
        yield serving


def test_a_container_carries_the_token_and_is_removed_at_the_end(docker: Container, tmp_path: Path) -> None:
    recorded = run_over(backend_of(docker, QUICK), Work(tmp_path), "quintet-token")
    assert recorded.result.success, recorded.failure
    (made,) = docker.fake.made
    assert made.asked["Labels"]["quintet.launch"] == "quintet-token"
    assert made.asked["Labels"]["dagster/run-id"] == recorded.result.run_id
    assert made.asked["HostConfig"]["Init"] is True
    assert docker.fake.containers == {}
    metadata = recorded.materialisations[0].metadata
    assert metadata["container"].value == made.id
    assert metadata["image"].value == IMAGE


def test_an_image_that_the_daemon_lacks_is_pulled(
    docker: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker.fake.registry.add("quintet:1.5")
    monkeypatch.setenv("QUINTET_CONTAINER_IMAGE", "quintet:1.5")
    recorded = run_over(backend_of(docker, QUICK), Work(tmp_path))
    assert recorded.result.success, recorded.failure
    assert "quintet:1.5" in docker.fake.images


def test_an_image_that_nobody_has_is_named_as_the_reason(
    docker: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUINTET_CONTAINER_IMAGE", "quintet:9.9")
    recorded = run_over(backend_of(docker, QUICK), Work(tmp_path))
    assert "pull access denied for quintet:9.9" in recorded.failure
    assert "correct QUINTET_CONTAINER_IMAGE" in recorded.failure


def test_the_job_finds_what_is_passed_on_and_no_secret_of_it_is_shown(
    docker: Container,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AIM_SERVICE_PASSWORD", "correct horse")
    monkeypatch.setenv("QUINTET_CONTAINER_ENVIRONMENT", "AIM_SERVICE_PASSWORD")
    recorded = run_over(backend_of(docker, QUICK), Work(tmp_path))
    shown = capfd.readouterr()
    assert "the password is ***" in shown.err
    assert "correct horse" not in recorded.log + shown.out + shown.err
    assert recorded.messages == [{"records_read": 20, "compute": "in_process"}]


def test_further_options_reach_docker_and_are_not_changed(docker: Container, tmp_path: Path) -> None:
    options: dict[str, Any] = {"mem_limit": "2g", "volumes": {"/data": {"bind": "/data", "mode": "ro"}}}
    before = json.loads(json.dumps(options))
    recorded = run_over(ContainerBackend(IMAGE, options=options, polling=QUICK), Work(tmp_path))
    assert recorded.result.success, recorded.failure
    assert docker.fake.made[0].asked["HostConfig"]["Memory"] == 2 * 1024**3
    assert docker.fake.made[0].asked["HostConfig"]["Binds"] == ["/data:/data:ro"]
    assert options == before


def test_a_job_that_used_too_much_memory_is_told_apart_from_one_that_was_killed(
    docker: Container, tmp_path: Path
) -> None:
    killed = run_over(backend_of(docker, QUICK), Work(tmp_path, "be killed"))
    assert "was stopped from outside: exit code 137" in killed.failure

    def mark(_: float) -> None:
        docker.fake.made[-1].killed_for_memory = True

    exhausted = run_over(backend_of(docker, Polling(sleep=mark)), Work(tmp_path, "be killed"))
    assert "failed: it used more memory than the container may have" in exhausted.failure


def test_a_container_that_somebody_removed_was_stopped_from_outside(
    docker: Container, tmp_path: Path
) -> None:
    recorded = run_over(
        backend_of(docker, Polling(sleep=lambda _: docker.fake.containers.clear())), Work(tmp_path, "wait")
    )
    assert "was stopped from outside: its container has been removed" in recorded.failure


def test_a_daemon_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(PlatformUnavailable, match="see DOCKER_HOST"):
        ContainerBackend(IMAGE).find("quintet-token")


def test_a_container_that_the_daemon_does_not_know_cannot_be_adopted(docker: Container) -> None:
    assert backend_of(docker, QUICK).find("quintet-other") is None


class OneContainer:
    """A Docker client with one container, whose one file the test writes."""

    def __init__(self) -> None:
        self.content = b""
        self.cut = 0
        self.containers = self

    def get_archive(self, path: str) -> tuple[list[bytes], dict[str, str]]:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            info = tarfile.TarInfo(Path(path).name)
            info.size = len(self.content)
            tar.addfile(info, io.BytesIO(self.content))
        packed = archive.getvalue()
        return [packed[: len(packed) - self.cut]], {}

    def list(self, **_: object) -> "list[OneContainer]":
        return [self]


def test_a_message_is_read_once_and_only_when_it_is_whole() -> None:
    client: Any = OneContainer()
    reader = ContainerFileReader(client, "/messages")
    line = '{"picture": "' + "é" * 20_000 + '"}\n'
    client.content = line.encode()[:16_384]
    assert reader.download_messages_chunk(1, {}) is None
    client.content = line.encode() + b'{"ha'
    assert reader.download_messages_chunk(1, {}) == line
    assert reader.download_messages_chunk(2, {}) is None
    client.content = line.encode() + b'{"half": 1}\n'
    assert reader.download_messages_chunk(2, {}) == '{"half": 1}\n'


@pytest.mark.parametrize("left", [0, 100, 512, 600])
def test_an_archive_that_comes_cut_is_read_again(left: int) -> None:
    client: Any = OneContainer()
    reader = ContainerFileReader(client, "/messages")
    client.content = b'{"a": "' + b"x" * 2000 + b'"}\n'
    client.cut = 10_240 - left
    assert reader.download_messages_chunk(1, {}) is None
    client.cut = 0
    assert reader.download_messages_chunk(1, {}) == client.content.decode()


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "The compute backend container needs QUINTET_CONTAINER_IMAGE: set it to "),
        (
            {"QUINTET_CONTAINER_IMAGE": IMAGE, "QUINTET_CONTAINER_ENVIRONMENT": "HOME, AIM_PASSWORD"},
            "The compute backend container needs HOME: set it to ",
        ),
        (
            {"QUINTET_CONTAINER_IMAGE": IMAGE, "QUINTET_CONTAINER_OPTIONS": '{"auto_remove": true}'},
            "QUINTET_CONTAINER_OPTIONS names auto_remove, which the job itself sets",
        ),
    ],
)
def test_a_setting_that_is_missing_or_wrong_is_named(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(ComputeMisconfigured, match=sentence):
        Compute(backend="container").for_run({}, environment)


def test_without_the_library_the_command_that_installs_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    with pytest.raises(ComputeMisconfigured, match=r"pip install 'quintet\[container\]'"):
        Compute(backend="container").for_run({}, {"QUINTET_CONTAINER_IMAGE": IMAGE})
