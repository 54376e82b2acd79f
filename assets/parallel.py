"""One function over many keys, in processes of this machine, each outcome as soon as it is there.

Processes are spawned, never forked: a forked child inherits the locks of Polars' threads without the threads,
and waits for ever. The function therefore has to be a top-level function of an importable module.

Not here: Dagster, retries of what the function raises, other machines.
"""

import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from assets.failures import TransientFailure

Argument = TypeVar("Argument")
Result = TypeVar("Result")
Outcomes = Generator[tuple[str, Result | Exception], None, None]

THREAD_COUNTS = ("POLARS_MAX_THREADS", "NUMBA_NUM_THREADS")

LONGEST_WAIT = 1.0
"""Seconds. With Polars imported Ctrl-C does not interrupt a wait without a limit: its handler restarts it."""

_DEATH = (
    "The process working on {key} died without a word, even when it worked alone, as it does when memory runs"
    " out: use a machine with more memory."
)


def available_cores(
    cgroups: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
) -> int:
    """Return how many cores this process may use, by its CPU affinity and by its container's quota."""
    cores = len(os.sched_getaffinity(0))
    lines = membership.read_text().splitlines() if membership.is_file() else []
    own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    for group in (cgroups / own, *(cgroups / own).parents):
        limit = group / "cpu.max"
        if group.is_relative_to(cgroups) and limit.is_file():
            quota, period = limit.read_text().split()
            if quota != "max":
                cores = min(cores, int(quota) // int(period))
    return max(1, cores)


def run_each(
    function: Callable[[Argument], Result], arguments: Mapping[str, Argument], *, workers: int
) -> Outcomes[Result]:
    """Yield each key with what `function` returned for its argument or raised, in the order of completion.

    With one worker, or one key, everything happens in this process. Otherwise each of the `workers` processes
    gets its share of the cores for the threads of Polars and numba. A process that dies (the kernel kills one
    when memory runs out) costs no other key: each key that was under way is run again, alone, and becomes a
    `TransientFailure` if its process dies once more.

    Close the iterator, or let an exception leave the loop over it, and the processes end; they also end when
    this process is killed.

    Raises:
        ValueError: `workers` is below 1.
        pickle.PicklingError, AttributeError: the function or an argument cannot travel to another process.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}: at least one process has to do the work.")
    if min(workers, len(arguments)) <= 1:
        return _run_here(function, arguments)
    return _run_in_processes(function, arguments, min(workers, len(arguments)))


def _run_here(function: Callable[[Argument], Result], arguments: Mapping[str, Argument]) -> Outcomes[Result]:
    for key, argument in arguments.items():
        try:
            outcome = function(argument)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is this key's outcome)
            outcome = error
        yield key, outcome


def _run_in_processes(
    function: Callable[[Argument], Result], arguments: Mapping[str, Argument], workers: int
) -> Outcomes[Result]:
    threads = max(1, available_cores() // workers)
    waiting = deque(arguments)
    while waiting:
        suspects = yield from _run_until_a_process_dies(function, arguments, waiting, workers, threads)
        for key in suspects:
            alone = deque([key])
            if (yield from _run_until_a_process_dies(function, arguments, alone, 1, threads)):
                yield key, TransientFailure(_DEATH.format(key=key))


def _run_until_a_process_dies(
    function: Callable[[Argument], Result],
    arguments: Mapping[str, Argument],
    waiting: deque[str],
    workers: int,
    threads: int,
) -> Generator[tuple[str, Result | Exception], None, list[str]]:
    """Work off `waiting`; return the keys that were under way when a process died.

    Two keys a worker are under way, so that none idles while the consumer is busy with an outcome. More would
    only make more suspects: the pool does not tell which key its process died of.
    """
    under_way: dict[Future[Result], str] = {}
    suspects: list[str] = []
    with _pool(workers) as pool:
        while under_way or (waiting and not suspects):
            while waiting and not suspects and len(under_way) < 2 * workers:
                key = waiting.popleft()
                under_way[_submit(pool, threads, function, arguments[key])] = key
            for future in wait(under_way, LONGEST_WAIT, FIRST_COMPLETED).done:
                key = under_way.pop(future)
                try:
                    outcome = future.result()
                except BrokenProcessPool:
                    suspects.append(key)
                    continue
                except Exception as error:  # noqa: BLE001 (whatever it is, it is this key's outcome)
                    outcome = error
                yield key, outcome
    return suspects


def _submit(
    pool: ProcessPoolExecutor, threads: int, function: Callable[[Argument], Result], argument: Argument
) -> Future[Result]:
    call = pickle.dumps((function, argument))
    try:
        with _thread_counts(threads):
            return pool.submit(_call, call)
    except BrokenProcessPool as broken:
        future: Future[Result] = Future()
        future.set_exception(broken)
        return future


def _call(call: bytes) -> Any:
    """Run in a worker: a pickled function on its argument.

    The pool could unpickle them itself, but would take a module that it cannot import for the death of the
    process. An exception that cannot be unpickled on its way back would end the pool in the same way.
    """
    function, argument = pickle.loads(call)  # noqa: S301 (made by this module)
    try:
        return function(argument)
    except Exception as error:
        if _can_travel(error):
            raise
        raise RuntimeError(f"{type(error).__name__}: {error}") from error


def _can_travel(error: Exception) -> bool:
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 (made in the same breath)
    except Exception:  # noqa: BLE001 (pickling runs code of the exception's class)
        return False
    return True


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Open a pool whose processes end with this block, at once if an exception leaves it.

    They hang on a pipe that only this process holds open; the kernel closes it when this process is killed.
    """
    spawn = multiprocessing.get_context("spawn")
    lifeline, hold = spawn.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, spawn, initializer=_live_no_longer_than, initargs=(lifeline,))
    try:
        yield pool
    except BaseException:
        hold.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        hold.close()
        lifeline.close()


def _live_no_longer_than(lifeline: Connection) -> None:
    """Prepare a worker: it ends with its parent, and leaves Ctrl-C, which reaches all, to its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with, args=(lifeline,), daemon=True).start()


def _exit_with(lifeline: Connection) -> None:
    lifeline.poll(None)  # Nothing is ever sent: it returns when the other end is closed.
    os._exit(1)


@contextmanager
def _thread_counts(count: int) -> Iterator[None]:
    """Set what Polars and numba read on import, for the processes that start inside the block."""
    before = {name: os.environ.get(name) for name in THREAD_COUNTS}
    os.environ.update(dict.fromkeys(THREAD_COUNTS, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
