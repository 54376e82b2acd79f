"""Reading what nvidia-smi answers: values that are unknown, rows that are refused, answers that are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.beams.failures import RetryableBeamFailure
from assets.beams.nvidia_smi import GPU_QUERY, PROCESS_QUERY, Answer, Gpu, read_gpu, read_inventory

PUBLISHED = "0, GPU-11111111-aaaa, NVIDIA GeForce RTX 2080, 8192, 10, 8182, 35, 0, 300"
UUID = "GPU-11111111-aaaa"


def row(**cells: str) -> str:
    default = {"index": "0", "uuid": UUID, "name": "NVIDIA GeForce RTX 2080", "total": "8192", "used": "10"}
    default |= {"free": "8182", "temperature": "35", "utilisation": "0", "clock": "300"}
    return ", ".join({**default, **cells}.values())


def known(*lines: str, processes: str = ""):
    found = read_inventory(Answer("\n".join(lines) + "\n"), Answer(processes))
    assert found.state == "known"
    return found


def test_the_published_row_is_read():
    assert read_gpu(PUBLISHED) == Gpu(0, UUID, "GeForce RTX 2080", 8192, 10, 8182, 35, 0, 300)


def test_the_queries_are_those_of_the_contract():
    columns = "index,uuid,name,memory.total,memory.used,memory.free,temperature.gpu,utilization.gpu,clocks.gr"
    assert list(GPU_QUERY) == [f"--query-gpu={columns}", "--format=csv,noheader,nounits"]
    assert PROCESS_QUERY == (
        "--query-compute-apps=pid,gpu_uuid,process_name,used_memory",
        "--format=csv,noheader,nounits",
    )


@pytest.mark.parametrize(
    "cell", ["N/A", "[N/A]", "[n/a]", "null", "NULL", "", "[Not Supported]", "[not supported]"]
)
@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("name", "name"),
        ("total", "memory_total_mib"),
        ("used", "memory_used_mib"),
        ("free", "memory_free_mib"),
        ("temperature", "temperature_c"),
        ("utilisation", "utilization_percent"),
        ("clock", "core_clock_mhz"),
    ],
)
def test_a_value_that_is_not_available_is_unknown_and_the_gpu_stays(cell, column, field):
    (gpu,) = known(row(**{column: cell})).gpus
    assert getattr(gpu, field) is None
    assert gpu.uuid == UUID


def test_a_row_without_the_clock_is_read():
    (gpu,) = known(PUBLISHED.rpartition(",")[0]).gpus
    assert gpu.core_clock_mhz is None
    assert gpu.utilization_percent == 0


@pytest.mark.parametrize(
    ("written", "read"),
    [("24576.9", 24576), ("24576", 24576), ("0.9", 0), ("7.", 7), ("999999999999", 999_999_999_999)],
)
def test_numbers_are_cut_to_integers(written, read):
    assert read_gpu(row(free=written)).memory_free_mib == read


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"index": "-1"}, "index '-1'"),
        ({"index": "0.0"}, "index"),
        ({"index": "[N/A]"}, "index"),
        ({"uuid": "GPU-12345"}, "uuid"),
        ({"uuid": "[Not Supported]"}, "uuid"),
        ({"used": "-1"}, "negative"),
        ({"free": "-0.5"}, "negative"),
        ({"total": "8192 MiB"}, "not a number"),
        ({"total": "1e9"}, "not a number"),
        ({"total": "nan"}, "not a number"),
        ({"total": "٣"}, "not a number"),
        ({"temperature": "201"}, "temperature 201"),
        ({"utilisation": "101"}, "utilisation 101"),
        ({"utilisation": "-1"}, "negative"),
        ({"clock": "300, 1"}, "10 columns"),
        ({"clock": "x"}, "clock"),
        ({"name": '"RTX'}, "3 columns"),
    ],
)
def test_a_row_that_cannot_be_true_is_refused_with_its_reason_and_the_others_stay(cells, reason):
    other = row(index="1", uuid="GPU-22222222-bbbb")
    found = known(row(**cells), other)
    assert [gpu.index for gpu in found.gpus] == [1]
    (rejected,) = found.rejected_rows
    assert reason in rejected.reason
    assert rejected.line == row(**cells)


@pytest.mark.parametrize("temperature", ["200", "0", "-5"])
def test_temperatures_up_to_200_are_read(temperature):
    assert read_gpu(row(temperature=temperature)).temperature_c == int(temperature)


def test_quoted_names_may_hold_commas():
    (gpu,) = known(row(name='"NVIDIA RTX A6000, rev 2"')).gpus
    assert gpu.name == "RTX A6000, rev 2"


def test_memory_above_the_total_is_kept_with_a_warning():
    found = known(row(used="1000", free="8182"), row(uuid="GPU-22222222-bbbb", index="1", used="500"))
    assert len(found.gpus) == 2
    (warning,) = found.warnings
    assert "GPU 0" in warning


def test_both_rows_of_a_double_uuid_are_refused():
    found = known(row(), row(index="1"), row(index="2", uuid="GPU-22222222-bbbb"))
    assert [gpu.index for gpu in found.gpus] == [2]
    assert [rejected.line for rejected in found.rejected_rows] == [row(), row(index="1")]


def test_gpus_are_listed_by_index():
    found = known(row(index="3"), row(index="1", uuid="GPU-22222222-bbbb"))
    assert [gpu.index for gpu in found.gpus] == [1, 3]


def test_processes_are_counted_on_their_gpu_whatever_their_other_cells_say():
    processes = f'12, {UUID}, "a, b", 700\n13, {UUID}, /opt/a,b, [N/A]\n[N/A], {UUID}, [Not Found], [N/A]\n'
    found = known(row(), row(index="1", uuid="GPU-22222222-bbbb"), processes=processes)
    assert [gpu.compute_processes for gpu in found.gpus] == [3, 0]
    assert [gpu.observed(1000) for gpu in found.gpus] == ["foreign", "idle"]


@pytest.mark.parametrize(
    ("cells", "status"),
    [
        ({}, "idle"),
        ({"free": "1000"}, "idle"),
        ({"free": "999.9"}, "small"),
        ({"free": "[N/A]"}, "small"),
        ({"used": "[N/A]"}, "idle"),
        ({"utilisation": "ERR!"}, "quarantined"),
        ({"temperature": "[Unknown Error]"}, "quarantined"),
        ({"name": "[GPU requires reset]"}, "quarantined"),
    ],
)
def test_a_gpu_is_idle_only_with_enough_free_memory_that_is_known_and_without_an_error(cells, status):
    assert read_gpu(row(**cells)).observed(1000) == status


PROBLEM = Answer(problem="exit code 9")
GOOD = Answer(PUBLISHED)


@pytest.mark.parametrize(
    ("gpu_answer", "process_answer", "reason"),
    [
        (PROBLEM, Answer(""), "exit code 9"),
        (GOOD, Answer(problem="no answer within 15 s"), "no answer within 15 s"),
        (Answer(PUBLISHED, problem="exit code 1"), Answer(""), "exit code 1"),
        (GOOD, Answer("12, [N/A], tps_env, 700"), "process"),
        (GOOD, Answer("No running processes found"), "process"),
        (GOOD, Answer("12,\rx"), "process"),
    ],
)
def test_without_both_good_answers_nothing_is_known_and_so_nothing_is_idle(
    gpu_answer, process_answer, reason
):
    found = read_inventory(gpu_answer, process_answer)
    assert (found.state, found.gpus) == ("unknown", ())
    assert reason in (found.reason or "")
    with pytest.raises(RetryableBeamFailure) as failure:
        found.require_known()
    assert failure.value.code == "gpu_unknown"


def test_a_known_inventory_lets_pass():
    known(PUBLISHED).require_known()


@given(st.text(), st.text())
def test_whatever_the_tool_writes_is_read_or_refused_row_by_row(gpus, processes):
    found = read_inventory(Answer(gpus), Answer(processes))
    lines = [line for line in gpus.split("\n") if line.strip()]
    if found.state == "known":
        assert len(found.gpus) + len(found.rejected_rows) == len(lines)
