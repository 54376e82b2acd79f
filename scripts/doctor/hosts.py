"""The machine of the dose engine: whether it lets us in, its work folder, its GPUs, and the engine itself."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from uuid import uuid4

from resources.compute_host import ComputeHost, HostSession
from resources.dose_engine import DoseEngine
from scripts.doctor.findings import Finding, ok, problem, sentence_of, warning
from scripts.doctor.installation import Installation


def compute_host(matter: str, installation: Installation) -> Iterator[Finding]:
    """Connect as a run does, with the host key that is known, and look at what a job needs."""
    host = installation.hurried("compute_host", ComputeHost)
    engine = installation.resource("dose_engine", DoseEngine)
    engine_matter = installation.matter("dose_engine")
    if host.is_remote and not engine.needs_gpu:
        found = f"the CPU engine runs on this machine only, and the compute host is {host.name}"
        yield problem(engine_matter, found, "set BEAMS_COMPUTE_HOST=local, or BEAMS_ENGINE=moqui")
        return
    with host.connect() as session:
        yield ok(matter, f"{host.name} lets us in" if host.is_remote else "this machine")
        yield _work_folder(matter, session, host.workdir())
        if engine.needs_gpu:
            yield _gpus(matter, installation, session)
        yield _engine(engine_matter, engine, session)


def _work_folder(matter: str, session: HostSession, folder: PurePosixPath) -> Finding:
    def holds(test: str, path: PurePosixPath) -> bool:
        return session.run(["test", test, str(path)]).exit_code == 0

    nearest = next(place for place in (folder, *folder.parents) if holds("-e", place))
    if not (holds("-d", nearest) and holds("-w", nearest)):
        remedy = "give its user the right to write there, or name another work folder"
        return problem(matter, f"work folder {folder}: {nearest} cannot be written to", remedy)
    if nearest != folder:
        return ok(matter, f"work folder {folder}, which the first job makes")
    probe = folder / f".quintet-doctor-{uuid4().hex}"
    session.make_folders(probe)
    session.remove_tree(probe)
    return ok(matter, f"work folder {folder}, writable")


def _gpus(matter: str, installation: Installation, session: HostSession) -> Finding:
    from assets.beams.settings import settings_of
    from assets.beams.stages.gpu_inventory import asked_gpus

    nvidia_smi = settings_of(installation.environ, installation.home).nvidia_smi
    inventory = asked_gpus(session, nvidia_smi)
    if inventory.state == "unknown":
        remedy = "repair the driver, or let BEAMS_NVIDIA_SMI name the command on the host"
        return problem(matter, f"the GPUs are unknown, so none is given out: {inventory.reason}", remedy)
    if not inventory.gpus:
        return problem(
            matter, f"{nvidia_smi} shows no GPU", "use a host that has one, or BEAMS_ENGINE=mcsquare"
        )
    named = ", ".join(f"{gpu.index} {gpu.name or gpu.uuid}" for gpu in inventory.gpus)
    if inventory.rejected_rows:
        return warning(
            matter, f"GPUs {named}; {len(inventory.rejected_rows)} rows were refused", "scripts.beams gpus"
        )
    return ok(matter, f"GPUs {named}")


def _engine(matter: str, engine: DoseEngine, session: HostSession) -> Finding:
    from resources.dose_engine import EngineError

    try:
        digest = engine.digest(session)
    except EngineError as error:
        return problem(matter, sentence_of(error))
    command = getattr(engine, "command", None)
    if command and session.run(["test", "-x", command]).exit_code != 0:
        return problem(matter, f"the host may not execute {command}", f"chmod +x {command}, there")
    return ok(matter, f"SHA-256 {digest[:16]}…" + (f", {command}" if command else ""))
