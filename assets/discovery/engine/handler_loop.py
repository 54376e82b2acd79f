"""The event loop of handlers that await: in a thread of its own, so that one that blocks keeps nobody else.

Not here: what they await, and how they are told to end (`attempts`).
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Final

_PATIENCE_S: Final = 1.0
"""How long handlers that were cancelled have to clean up."""


@contextmanager
def handler_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs while the block lasts. A handler that blocks it does not keep the process alive."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=_serve, args=(loop,), name="discovery-handlers", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(2 * _PATIENCE_S)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=_PATIENCE_S))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
