"""Real processes that contend for GPUs in one registry."""

from collections import Counter

from tests.assets.beams.registry.lease_processes import GPUS, TURNS, contend, processes
from tests.assets.beams.registry.registry_worlds import rows

PROCESSES = 8


def test_eight_processes_that_contend_for_four_gpus_never_share_one(connection, tmp_path):
    context = processes()
    start = context.Barrier(PROCESSES)
    pipes = [context.Pipe(duplex=False) for _ in range(PROCESSES)]
    workers = [
        context.Process(target=contend, args=(str(tmp_path / "ledger"), number, start, to))
        for number, (_, to) in enumerate(pipes)
    ]
    for worker in workers:
        worker.start()
    answers = [source.recv() if source.poll(120) else "no answer" for source, _ in pipes]
    for worker in workers:
        worker.join(60)
    assert [answer for answer in answers if isinstance(answer, str)] == []
    taken = Counter(lease for answer in answers for lease in answer)
    assert set(taken.values()) == {1}
    assert len(taken) > TURNS
    assert {row["uuid"] for row in rows(connection, "SELECT DISTINCT uuid FROM leases")} == {
        lease for lease, _ in taken
    }
    assert len({lease for lease, _ in taken}) == GPUS
    assert rows(connection, "SELECT DISTINCT state FROM leases") == [{"state": "released"}]
    assert rows(connection, "SELECT count(*) AS n FROM leases") == [{"n": len(taken)}]
    assert rows(connection, "SELECT uuid FROM leases GROUP BY uuid HAVING max(token) <> count(*)") == []
