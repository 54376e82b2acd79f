"""The container files, as far as they can be held to account without a container engine.

They are held against each other and against the lock, what is copied has to load, and commands are started
on loopback beside a real PostgreSQL.
"""

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest
import yaml

from scripts.dagster_home import ROOT
from scripts.dev import any_free_port
from scripts.web_server import shown_locations
from tests.deploy.served_location import PATIENCE, awaited, ended_run
from tests.postgres_server import postgres_server

CONTAINER = ROOT / "deploy" / "container"
DOCKERFILE = (CONTAINER / "Dockerfile").read_text("utf-8")
COMPOSE_TEXT = (CONTAINER / "compose.yaml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name in SERVICES if name != "postgres"]
SETTINGS: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "dagster.postgres.yaml").read_text("utf-8"))


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, with continued lines joined and comments left out."""
    lines = [line for line in dockerfile.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    parted = (line.partition(" ") for line in joined.splitlines())
    return [(word, rest.strip()) for word, _, rest in parted]


INSTRUCTIONS = instructions(DOCKERFILE)


def copied() -> list[str]:
    """What the Dockerfile takes from the folder it is built in."""
    words = [shlex.split(rest) for word, rest in INSTRUCTIONS if word == "COPY"]
    return sorted({source for line in words if not line[0].startswith("--from") for source in line[:-1]})


def is_ignored(path: str) -> bool:
    """Whether `.dockerignore` leaves a path out: the last line that fits it or a folder above it decides."""
    ignored = False
    parents = [path, *(str(parent) for parent in Path(path).parents if str(parent) != ".")]
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        plain = pattern.removeprefix("!")
        if any(_fits(parent, plain) for parent in parents):
            ignored = not pattern.startswith("!")
    return ignored


def _fits(path: str, pattern: str) -> bool:
    """Whether a pattern names the path: `*` stays within a folder, `**/` is any number of them."""
    parts = {"**/": "(?:.*/)?", "*": "[^/]*"}
    words = re.split(r"(\*\*/|\*)", pattern)
    return re.fullmatch("".join(parts.get(word, re.escape(word)) for word in words), path) is not None


# ---- the image ----


def test_what_is_copied_exists_and_is_not_ignored():
    assert {"assets", "resources", "sensors", "jobs", "scripts", "definitions.py", "deploy"} <= set(copied())
    assert [path for path in copied() if not (ROOT / path).exists() or is_ignored(path)] == []


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".venv/bin/python",
        ".quintet/storage/bucket/key",
        "tests/conftest.py",
        "docs/ci.md",
        "assets/__pycache__/failures.cpython-311.pyc",
        "assets/market/__pycache__/months.cpython-311.pyc",
        "deploy/container/quintet.env",
        "deploy/container/.env",
        ".env",
    ],
)
def test_history_data_and_secrets_stay_outside(path):
    assert is_ignored(path)


def test_the_folder_that_is_sent_to_the_engine_is_small():
    top = [path for path in ROOT.iterdir() if not is_ignored(path.name)]
    sent = [
        file
        for path in top
        for file in ([path] if path.is_file() else path.rglob("*"))
        if file.is_file() and not is_ignored(str(file.relative_to(ROOT)))
    ]
    assert sum(file.stat().st_size for file in sent) < 30e6


def test_every_base_is_named_with_a_tag():
    arguments = dict(rest.split("=", 1) for word, rest in INSTRUCTIONS if word == "ARG" and "=" in rest)
    bases = [
        rest.split()[0].replace("${BASE}", arguments["BASE"]) for word, rest in INSTRUCTIONS if word == "FROM"
    ]
    bases.append(SERVICES["postgres"]["image"])
    assert all(re.fullmatch(r"[a-z]+:\d[\w.-]*", base) for base in bases)


def test_packages_come_from_the_locks_with_their_hashes():
    installs = [
        rest
        for word, rest in INSTRUCTIONS
        if word == "RUN"
        for rest in rest.split("&&")
        if "pip install" in rest
    ]
    locked = [command for command in installs if " -r " in command]
    assert [re.search(r"-r (\S+)", command)[1] for command in locked] == [  # pyright: ignore[reportOptionalSubscript]
        "requirements/runtime.txt",
        "requirements/engines.txt",
    ]
    assert all("--require-hashes" in command for command in locked)
    assert all("--no-deps" in command for command in installs if command not in locked)
    assert "://" not in DOCKERFILE
    assert "index" not in " ".join(installs)


def test_the_image_runs_as_nobody_in_particular_and_holds_no_secret():
    assert [rest for word, rest in INSTRUCTIONS if word == "USER"] == ["quintet"]
    assert INSTRUCTIONS.index(("USER", "quintet")) > max(
        place for place, (word, _) in enumerate(INSTRUCTIONS) if word in ("RUN", "COPY")
    )
    set_in_the_image = " ".join(rest for word, rest in INSTRUCTIONS if word in ("ENV", "ARG"))
    assert not re.search(r"PASSWORD|SECRET|TOKEN|KEY|QUINTET_PG", set_in_the_image)


def test_the_image_alone_is_the_code_server_of_the_compose_file():
    (command,) = [yaml.safe_load(rest) for word, rest in INSTRUCTIONS if word == "CMD"]
    assert command == SERVICES["code"]["command"]
    (health,) = [rest.split("CMD", 1)[1] for word, rest in INSTRUCTIONS if word == "HEALTHCHECK"]
    assert ["CMD", *yaml.safe_load(health)] == SERVICES["code"]["healthcheck"]["test"]


def locked(name: str) -> set[str]:
    """The distributions of a lock file."""
    text = (ROOT / "requirements" / name).read_text("utf-8")
    return set(re.findall(r"^([a-z0-9.-]+)==", text, re.MULTILINE))


# Extras of pyproject.toml, which deployments that need them install beside the lock, and what takes pictures
# of the web UI in a checkout.
BESIDE_THE_LOCK = {"docker", "databricks", "playwright"}


def test_the_lock_has_whatever_the_code_in_the_image_imports():
    distributions = packages_distributions()
    runtime = locked("runtime.txt")
    missing = {
        f"{file.relative_to(ROOT)}: {module}"
        for file, module in imports()
        if module not in BESIDE_THE_LOCK
        and module in distributions
        and not runtime & {re.sub(r"[-_.]+", "-", name).lower() for name in distributions[module]}
        and "quintet" not in distributions[module]
    }
    assert missing == set()


def imports() -> Iterator[tuple[Path, str]]:
    """The top-level modules that product code imports, also inside of functions."""
    for folder in ("assets", "resources", "jobs", "sensors", "scripts"):
        for file in (ROOT / folder).rglob("*.py"):
            if file.is_relative_to(ROOT / "scripts" / "benchmarks"):
                continue  # They compare with packages that only a checkout has.
            for node in run_nodes(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    yield from ((file, alias.name.partition(".")[0]) for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    yield file, node.module.partition(".")[0]


def run_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """The parts of a module, without what only type checkers read."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from run_nodes(node)


LOADED = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"{name} is not in the lock", name=name)

sys.meta_path.insert(0, Absent())
import definitions
print(definitions.__file__, len(definitions.defs.get_repository_def().get_all_jobs()))
"""


def test_what_is_copied_loads_without_the_packages_that_only_a_checkout_has(tmp_path):
    image = tmp_path / "image"
    for source in copied():
        (image / source).parent.mkdir(parents=True, exist_ok=True)
        (image / source).symlink_to(ROOT / source)
    (image / "definitions.py").unlink()
    (image / "definitions.py").write_bytes((ROOT / "definitions.py").read_bytes())
    only_in_checkouts = locked("dev.txt") - locked("runtime.txt")
    absent = {
        module
        for module, names in packages_distributions().items()
        if all(re.sub(r"[-_.]+", "-", name).lower() in only_in_checkouts for name in names)
    }
    assert {"pytest", "moto", "hypothesis"} <= absent
    script = tmp_path / "load.py"
    script.write_text(f"ABSENT = {absent!r}\n{LOADED}")
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=image,
        env=os.environ | {"PYTHONPATH": str(image)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(image / "definitions.py"))


# ---- compose.yaml ----


def test_there_are_the_services_that_an_installation_has():
    assert set(SERVICES) == {"postgres", "migrate", "code", "daemon", "webserver"}


def test_services_wait_for_what_can_tell_that_it_is_ready():
    for service in SERVICES.values():
        for name, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
            else:
                assert how["condition"] == "service_completed_successfully"
                assert SERVICES[name]["restart"] == "no"


@pytest.mark.parametrize("name", OURS)
def test_each_of_our_services_has_an_init_and_no_rights_that_it_does_not_need(name):
    service = SERVICES[name]
    assert service["init"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["build"] == {"context": "../..", "dockerfile": "deploy/container/Dockerfile"}
    assert (CONTAINER / service["build"]["context"]).resolve() == ROOT


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrate"])
def test_what_stays_up_is_started_again_and_looked_after(name):
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert {"test", "interval", "timeout", "retries"} <= set(SERVICES[name]["healthcheck"])


def test_the_web_ui_alone_is_published_and_on_the_loopback_interface():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"webserver": ["127.0.0.1:3000:3000"]}


def test_the_password_comes_from_the_environment_and_its_absence_is_a_sentence():
    uses = re.findall(r"\$\{([^}]*)\}", COMPOSE_TEXT)
    assert uses
    for use in uses:
        name, sentence = use.split(":?")
        assert name == "QUINTET_PG_PASSWORD"
        assert len(sentence.split()) > 5
    given = {name: it for service in SERVICES.values() for name, it in service["environment"].items()}
    assert {name for name in given if "PASSWORD" in name} == {"POSTGRES_PASSWORD", "QUINTET_PG_PASSWORD"}
    assert all(value.startswith("${") for name, value in given.items() if "PASSWORD" in name)


@pytest.mark.parametrize("name", OURS)
def test_our_services_know_the_database_that_the_instance_file_asks_for(name):
    asked = SETTINGS["storage"]["postgres"]["postgres_db"]
    names = {value["env"] for value in asked.values() if isinstance(value, dict)}
    environment = SERVICES[name]["environment"]
    assert {variable for variable in environment if variable.startswith("QUINTET_PG_")} == names
    assert environment["QUINTET_PG_HOST"] in SERVICES
    assert environment["QUINTET_PG_DATABASE"] == SERVICES["postgres"]["environment"]["POSTGRES_DB"]
    assert environment["QUINTET_PG_USER"] == SERVICES["postgres"]["environment"]["POSTGRES_USER"]


@pytest.mark.parametrize("name", list(SERVICES))
def test_volumes_are_declared_and_files_that_are_mounted_exist(name):
    for mount in SERVICES[name]["volumes"]:
        source = mount.split(":")[0]
        assert source in COMPOSE["volumes"] or (CONTAINER / source).resolve().is_file()


def test_credentials_of_the_pipelines_reach_the_code_server_only():
    assert [name for name, service in SERVICES.items() if "env_file" in service] == ["code"]
    assert SERVICES["code"]["env_file"] == [{"path": "quintet.env", "required": False}]


def test_everybody_means_the_same_location():
    (location,) = yaml.safe_load((CONTAINER / "workspace.yaml").read_text("utf-8"))["load_from"]
    server = location["grpc_server"]
    command = SERVICES["code"]["command"]
    assert server["host"] == "code"
    assert str(server["port"]) == command[command.index("-p") + 1]
    assert server["location_name"] == command[command.index("--location-name") + 1]
    (of_a_checkout,) = yaml.safe_load((ROOT / "workspace.yaml").read_text("utf-8"))["load_from"]
    assert server["location_name"] == of_a_checkout["python_file"]["location_name"]


def test_the_commands_are_those_of_the_services_of_a_machine():
    for name in ("code", "daemon", "webserver"):
        unit = (ROOT / "deploy" / "systemd" / f"quintet-{name}.service").read_text("utf-8")
        (line,) = re.findall(r"^ExecStart=/opt/quintet/.venv/bin/(.*)$", unit, re.MULTILINE)
        there = line.replace("127.0.0.1", "0.0.0.0").replace("workspace.services", "container/workspace")
        assert SERVICES[name]["command"] == shlex.split(there)


# ---- the processes ----


@pytest.fixture
def translated(tmp_path: Path) -> Callable[[list[str]], list[str]]:
    """Commands of the containers as they can be run here: their folders, names and ports are others."""
    code, web = str(any_free_port()), str(any_free_port())
    workspace = tmp_path / "workspace.yaml"
    text = (CONTAINER / "workspace.yaml").read_text("utf-8")
    workspace.write_text(text.replace("host: code", "host: 127.0.0.1").replace("4266", code))
    here = {
        "deploy/container/workspace.yaml": str(workspace),
        "/opt/quintet": str(ROOT),
        "0.0.0.0": "127.0.0.1",
        "4266": code,
        "3000": web,
    }

    def translate(command: list[str]) -> list[str]:
        program, *words = [_replaced(word, here) for word in command]
        return [str(Path(sys.executable).with_name(program)), *words]

    return translate


def _replaced(text: str, replacements: Mapping[str, str]) -> str:
    for there, here in replacements.items():
        text = text.replace(there, here)
    return text


@pytest.fixture
def environment(
    tmp_path_factory: pytest.TempPathFactory, missing_service: Callable[[str], NoReturn]
) -> Iterator[dict[str, str]]:
    """The environment of our services, over a database of this machine."""
    home = Path(os.environ["DAGSTER_HOME"])
    (home / "dagster.yaml").write_bytes((ROOT / "deploy" / "dagster.postgres.yaml").read_bytes())
    with postgres_server(tmp_path_factory, missing_service) as port:
        given = {name: str(value) for name, value in SERVICES["code"]["environment"].items()}
        here = {
            "QUINTET_PG_HOST": "127.0.0.1",
            "QUINTET_PG_PORT": str(port),
            "QUINTET_PG_DATABASE": "postgres",
            "QUINTET_PG_USER": "postgres",
            "QUINTET_PG_PASSWORD": "any",
        }
        yield {**os.environ, **given, **here}


@pytest.fixture
def start(
    environment: dict[str, str], translated: Callable[[list[str]], list[str]], tmp_path: Path
) -> Iterator[Callable[[list[str]], "subprocess.Popen[bytes]"]]:
    """Starts commands of the containers, in the order in which they come; what is left of them is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start_one(command: list[str]) -> subprocess.Popen[bytes]:
        with (tmp_path / "output").open("ab") as output:
            process = subprocess.Popen(
                translated(command), cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
        started.append(process)
        return process

    yield start_one
    for process in reversed(started):
        if process.poll() is None:
            for left in [*psutil.Process(process.pid).children(recursive=True), process]:
                left.kill()
            process.wait()


@pytest.mark.services
def test_the_services_start_in_their_order_and_a_run_that_the_web_ui_launches_succeeds(
    start, translated, tmp_path
):
    def is_healthy(name: str) -> bool | None:
        return start(SERVICES[name]["healthcheck"]["test"][1:]).wait(PATIENCE) == 0 or None

    try:
        assert start(SERVICES["migrate"]["command"]).wait(PATIENCE) == 0
        processes = {"code": start(SERVICES["code"]["command"])}
        assert awaited(lambda: is_healthy("code"))
        for name in ("daemon", "webserver"):
            processes[name] = start(SERVICES[name]["command"])
        address = f"http://127.0.0.1:{translated(SERVICES['webserver']['command'])[-1]}"
        assert awaited(lambda: shown_locations(address)) == {"quintet": "RepositoryLocation"}
        assert ended_run(address, "quintet", "discovery_dumb_money_live_discover") == "SUCCESS"
        assert all(awaited(lambda name=name: is_healthy(name)) for name in processes)
        assert {name: process.poll() for name, process in processes.items()} == dict.fromkeys(processes)
        processes["webserver"].kill()
        processes["webserver"].wait(PATIENCE)
        assert not is_healthy("webserver")
    except (AssertionError, TimeoutError) as failure:
        raise AssertionError((tmp_path / "output").read_text()[-20_000:]) from failure
