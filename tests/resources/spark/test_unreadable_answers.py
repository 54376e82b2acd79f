"""An answer of the engine whose bytes are no message is asked for again, a few times; rows are not."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from resources.spark import Spark
from resources.spark.sail_server import SAIL

SERVICE = "/spark.connect.SparkConnectService/"
STREAMING = ("ExecutePlan", "ReattachExecute")
# Field 1 is said to be of a kind that there is not.
NO_MESSAGE = b"\x0f"


@dataclass
class Garbling(grpc.GenericRpcHandler):
    """Passes every call on to Sail and the answers back, the next few of a method replaced by no message."""

    channel: grpc.Channel
    method: str = ""
    times: int = 0
    asked: list[str] = field(default_factory=list)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any]":
        path = str(handler_call_details.method)
        method = path.removeprefix(SERVICE)

        def answer(request: bytes, _context: grpc.ServicerContext) -> bytes:
            return self._passed(method, self.channel.unary_unary(path)(request))

        def answers(request: bytes, _context: grpc.ServicerContext) -> Iterator[bytes]:
            for part in self.channel.unary_stream(path)(request):
                yield self._passed(method, part)

        if method in STREAMING:
            return grpc.unary_stream_rpc_method_handler(answers)
        return grpc.unary_unary_rpc_method_handler(answer)

    def _passed(self, method: str, answer: bytes) -> bytes:
        self.asked.append(method)
        if method == self.method and self.times:
            self.times -= 1
            return NO_MESSAGE
        return answer


@pytest.fixture
def garbling(monkeypatch: pytest.MonkeyPatch) -> Iterator[Garbling]:
    """Stands between the sessions of this process and Sail."""
    with grpc.insecure_channel(f"127.0.0.1:{SAIL.port()}") as channel, ThreadPoolExecutor(8) as pool:
        handler = Garbling(channel)
        server = grpc.server(pool, handlers=[handler])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()

        class Between:
            def port(self) -> int:
                return port

        monkeypatch.setattr("resources.spark.engines.SAIL", Between())
        yield handler
        server.stop(None).wait(10)


@pytest.mark.parametrize("times", [1, 3])
def test_a_schema_is_asked_for_again(tmp_path: Path, garbling: Garbling, times: int):
    with Spark(work_folder=str(tmp_path)).session() as session:
        frame = session.range(3)
        garbling.asked.clear()
        garbling.method, garbling.times = "AnalyzePlan", times
        assert frame.columns == ["id"]
    assert garbling.asked.count("AnalyzePlan") == times + 1


def test_rows_are_not_asked_for_again(tmp_path: Path, garbling: Garbling):
    with Spark(work_folder=str(tmp_path)).session() as session:
        garbling.method, garbling.times = "ExecutePlan", 1
        with pytest.raises(Exception, match="deserializing response"):
            session.range(3).collect()
    assert "ReattachExecute" not in garbling.asked


def test_answers_that_stay_unreadable_end_the_call(tmp_path: Path, garbling: Garbling):
    with Spark(work_folder=str(tmp_path)).session() as session:
        garbling.method, garbling.times = "AnalyzePlan", 100
        with pytest.raises(Exception, match="deserializing response"):
            _ = session.range(3).columns
        garbling.times = 0
    assert garbling.asked.count("AnalyzePlan") == 4
