"""Which failed calls to a Spark Connect server of this machine are made again.

Imported with a session only: PySpark takes half a second.
"""

from collections.abc import Iterator, Sequence

import grpc
from pyspark.sql.connect.client.retries import DefaultPolicy, RetryPolicy


class UnreadableAnswer(RetryPolicy):
    """Asks again for a schema, a setting or a plan where the bytes of the answer are no message.

    Seen twice in some hundred thousand sessions with Sail 0.7.2 and grpcio 1.85.1, both times for a schema.
    Rows are not asked for again: Sail has forgotten them by then, and would say only that.
    """

    def __init__(self) -> None:
        super().__init__(max_retries=3, initial_backoff=10)

    def can_retry(self, exception: BaseException) -> bool:
        """Whether gRPC could not make a message of what came."""
        return (
            isinstance(exception, grpc.RpcError)
            and isinstance(exception, grpc.Call)
            and not isinstance(exception, Iterator)  # A stream of rows.
            and exception.code() is grpc.StatusCode.INTERNAL
            and str(exception.details()).startswith("Exception deserializing response")
        )


def of_this_machine() -> Sequence[RetryPolicy]:
    """A server of this machine that is gone does not come back: 4 s of tries, not PySpark's 10 minutes."""
    return (DefaultPolicy(max_retries=4), UnreadableAnswer())
