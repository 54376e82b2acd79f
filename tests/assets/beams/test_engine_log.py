"""What is read out of an engine's log, however it is cut, and how little of it is kept."""

import tracemalloc
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.beams.engine_log import LONGEST_LINE, NO_FREE_GPU, TAIL_BYTES, EngineLog, EngineName, LineStream
from assets.beams.progress import rises
from tests.assets.beams.engine_outputs import MCSQUARE_LOG, MOQUI_LOG

MIB = 1 << 20


def log_of(engine: EngineName, *pieces: str | bytes) -> EngineLog:
    log = EngineLog(engine)
    for piece in pieces:
        log.feed(piece.encode() if isinstance(piece, str) else piece)
    log.close()
    return log


def verdict(log: EngineLog):
    return (
        log.size,
        log.progress,
        log.completion_line,
        log.failure_line,
        log.lost_share,
        log.excerpt,
        log.tail,
    )


def test_a_whole_log_of_the_cpu_engine_is_complete_at_ninety_percent() -> None:
    log = log_of("mcsquare", MCSQUARE_LOG)
    assert log.completion_line == "Total computation time: 0.550874 s "
    assert log.failure_line is None
    assert log.progress == 90.0
    assert log.lost_share == 0.0
    assert log.size == len(MCSQUARE_LOG)


def test_a_whole_log_of_the_gpu_engine_is_complete_and_its_relative_error_is_no_failure() -> None:
    log = log_of("moqui", MOQUI_LOG)
    assert log.completion_line == "Total execution time: 12.34 seconds"
    assert log.failure_line is None
    assert log.progress == 90.0


@pytest.mark.parametrize(
    ("engine", "line", "progress"),
    [
        ("mcsquare", " 10.0 % ", 45.0),
        ("mcsquare", " 50.0 % (stat uncertainty: 5.71 %) ", 65.0),
        ("mcsquare", "100.0 % ", 90.0),
        ("mcsquare", " 0.5 % ", 40.25),
        ("mcsquare", " 110.0 % ", None),
        ("mcsquare", "uncertainty: 5.0 %", None),
        ("mcsquare", "Generating particles for (1 of 4 batches) in CPU ..", None),
        ("moqui", "Generating particles for (1 of 4 batches) in CPU ..", 52.5),
        ("moqui", "[beam 1] Generating particles for (3 of 4 batches) in CPU ..", 77.5),
        ("moqui", "Generating particles for (5 of 4 batches) in CPU ..", None),
        ("moqui", "Generating particles for (1 of 0 batches) in CPU ..", None),
        ("moqui", "Generating particles for (0 of 0 batches) in CPU ..", None),
        ("moqui", f"Generating particles for ({'9' * 400} of {'9' * 400} batches) in CPU ..", None),
        ("moqui", " 10.0 % ", None),
    ],
)
def test_a_line_of_progress_counts_only_for_its_engine_and_only_if_it_can_be(
    engine: EngineName, line: str, progress: float | None
) -> None:
    assert log_of(engine, line + "\n").progress == progress


def batches(all_of_them: int, upto: int) -> list[float]:
    """The values that are stored while a log grows batch by batch."""
    log, stored = EngineLog("moqui"), [25.0]
    for done in range(1, upto + 1):
        log.feed(f"Generating particles for ({done} of {all_of_them} batches) in CPU ..\n".encode())
        if log.progress is not None and rises(stored[-1], log.progress):
            stored.append(log.progress)
    return stored[1:]


def test_of_four_batches_each_is_stored_and_of_two_hundred_every_fourth() -> None:
    assert batches(4, 4) == [52.5, 65.0, 77.5, 90.0]
    assert batches(200, 5) == [40.25, 41.25]


def test_progress_never_falls_when_an_engine_begins_again() -> None:
    again = "Generating particles for (1 of 4 batches) in CPU ..\n"
    assert log_of("moqui", MOQUI_LOG, again).progress == 90.0


@pytest.mark.parametrize(
    "line",
    [
        "FATAL ERROR: cannot allocate device memory",
        "FATAL ERROR",
        "ERROR: no such file",
        "Segmentation fault (core dumped)",
        f"ERROR: {NO_FREE_GPU}",
        f"[beam 1] {NO_FREE_GPU}.",
    ],
)
@pytest.mark.parametrize("engine", ["mcsquare", "moqui"])
def test_a_failure_line_is_found_and_quoted(engine: EngineName, line: str) -> None:
    assert log_of(engine, f"begin\n{line}\nend\n").failure_line == line


@pytest.mark.parametrize(
    "line",
    [
        "Relative MC ERROR: 1.2 %",
        " ERROR: of another line",
        "No ERROR:",
        "a FATAL ERROR that is told of",
        "error: lower case",
        "ERROR without a colon",
        "caught Segmentation fault",
    ],
)
def test_words_within_a_line_are_no_failure(line: str) -> None:
    assert log_of("moqui", f"{line}\n").failure_line is None


def test_the_first_failure_line_counts_and_the_lines_before_it_are_the_excerpt() -> None:
    lines = [f"line {number}" for number in range(20)]
    log = log_of("moqui", "\n".join([*lines, "ERROR: first", "ERROR: second", *lines]))
    assert log.failure_line == "ERROR: first"
    assert log.excerpt.splitlines() == [*lines[-9:], "ERROR: first"]


def test_without_a_failure_line_the_excerpt_is_the_end_of_the_log() -> None:
    lines = [f"line {number}" for number in range(20)]
    assert log_of("moqui", "\n".join(lines)).excerpt.splitlines() == lines[-10:]


@pytest.mark.parametrize(
    ("engine", "line"),
    [
        ("mcsquare", "Total execution time: 1 s"),
        ("moqui", "Total computation time: 1 s"),
        ("moqui", " Total execution time: 1 s"),
        ("moqui", "no Time taken by MC engine: 3"),
        ("mcsquare", "MC computation time: 0.387018 s"),
        ("mcsquare", "Total computation time"),
    ],
)
def test_only_the_engines_own_line_says_that_it_is_done(engine: EngineName, line: str) -> None:
    assert log_of(engine, f"{line}\n").completion_line is None


def test_both_completion_lines_of_the_gpu_engine_count() -> None:
    assert log_of("moqui", "Time taken by MC engine: 3 s\n").completion_line == "Time taken by MC engine: 3 s"


def test_the_first_completion_line_is_the_one_that_is_kept() -> None:
    log = log_of("moqui", "Time taken by MC engine: 3 s\nTotal execution time: 4 s\n")
    assert log.completion_line == "Time taken by MC engine: 3 s"


def test_a_marker_is_read_only_once_its_line_has_ended() -> None:
    log = EngineLog("moqui")
    log.feed(b"Total exec")
    log.feed(b"ution time: 1")
    assert log.completion_line is None
    log.feed(b"2.34 seconds\n")
    assert log.completion_line == "Total execution time: 12.34 seconds"


def test_a_last_line_without_an_end_counts_when_the_engine_has_ended() -> None:
    log = EngineLog("moqui")
    log.feed(b"ERROR: cut off")
    assert log.failure_line is None
    log.close()
    assert log.failure_line == "ERROR: cut off"
    log.close()
    assert log.excerpt == "ERROR: cut off"


@pytest.mark.parametrize(
    ("line", "share"),
    [
        ("Nbr primaries simulated: 20000 ", 0.0),
        ("Nbr primaries simulated: 20000 (20000 generated outside the geometry) ", 1.0),
        ("Nbr primaries simulated: 20000 (500 generated outside the geometry) ", 0.025),
        ("Nbr primaries simulated: 0 (0 generated outside the geometry) ", 0.0),
    ],
)
def test_the_share_of_lost_protons_is_read(line: str, share: float) -> None:
    assert log_of("mcsquare", f"{line}\n").lost_share == share


def test_only_the_cpu_engine_tells_of_lost_protons() -> None:
    line = "Nbr primaries simulated: 20000 (20000 generated outside the geometry) \n"
    assert log_of("moqui", line).lost_share == 0.0


def test_line_ends_of_windows_and_bytes_that_are_no_text_do_no_harm() -> None:
    log = log_of("moqui", b"\xff\xfe\x00\n", b"Total execution time: 1\r\n")
    assert log.completion_line == "Total execution time: 1"
    assert log.excerpt.splitlines()[0].endswith("\x00")


_WORDS = st.sampled_from(
    [
        b"Total execution time: 1 s",
        b"ERROR: x",
        b"Generating particles for (1 of 4 batches) in CPU ..",
        b"Generating particles for (3 of 4 batches) in CPU ..",
        b" 30.0 % ",
        b"Total computation time: 2 s",
        b"Nbr primaries simulated: 100 (7 generated outside the geometry) ",
        b"y" * (LONGEST_LINE - 1),
        b"z" * (LONGEST_LINE + 1),
        b"\r",
        "\u00e4\u20ac".encode(),
    ]
)
_CONTENTS = st.lists(st.one_of(_WORDS, st.just(b"\n"), st.binary(max_size=5)), max_size=40).map(b"".join)


def split(content: bytes, places: Iterable[int]) -> list[bytes]:
    ends = [0, *sorted(place % (len(content) + 1) for place in places), len(content)]
    return [content[start:end] for start, end in pairwise(ends)]


@given(_CONTENTS, st.lists(st.integers(min_value=0), max_size=12), st.sampled_from(["mcsquare", "moqui"]))
def test_however_a_log_is_cut_its_verdict_is_the_same(content: bytes, places: list[int], engine: EngineName):
    assert verdict(log_of(engine, *split(content, places))) == verdict(log_of(engine, content))


@given(_CONTENTS, st.lists(st.integers(min_value=0), max_size=12))
def test_however_a_log_is_cut_its_lines_are_those_of_the_whole(content: bytes, places: list[int]):
    stream = LineStream()
    lines = [line for piece in split(content, places) for line in stream.feed(piece)]
    lines += stream.close()
    whole = content.split(b"\n")
    if not whole[-1]:
        whole.pop()
    assert lines == [line[:LONGEST_LINE].decode("utf-8", "replace").removesuffix("\r") for line in whole]


@pytest.mark.parametrize("ending", [b"\n", b"x" * 1023 + b"\n"])
def test_fifty_mebibytes_are_read_in_a_bounded_memory_and_to_their_end(ending: bytes) -> None:
    piece = (b"x" * (MIB - 1) + b"\n") if len(ending) == 1 else ending * (MIB // len(ending))
    assert_bounded([piece] * 50, b"Total execution time: 1\n")


def test_one_line_of_fifty_mebibytes_is_read_in_a_bounded_memory_and_what_follows_is_found() -> None:
    assert_bounded([b"x" * MIB] * 50, b"\nTotal execution time: 1\n")


def assert_bounded(pieces: list[bytes], end: bytes) -> None:
    log = EngineLog("moqui")
    tracemalloc.start()
    for piece in pieces:
        log.feed(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    log.feed(end)
    assert peak < 4 * MIB
    assert log.completion_line == "Total execution time: 1"
    assert log.size == sum(map(len, pieces)) + len(end)
    assert len(log.excerpt) <= 10 * (LONGEST_LINE + 1)
    assert len(log.tail) == TAIL_BYTES


def test_the_marker_of_a_line_that_is_too_long_to_keep_is_still_found() -> None:
    log = log_of("moqui", b"ERROR: ", b"x" * MIB, b"\n")
    assert log.failure_line is not None
    assert len(log.failure_line) == LONGEST_LINE


def test_the_tail_is_the_last_four_kibibytes() -> None:
    content = "".join(f"line {number}\n" for number in range(1000))
    assert log_of("moqui", content[:5000], content[5000:]).tail == content[-TAIL_BYTES:]
