"""Every command in the documents works: run here as it stands, or run by a test that is named here.

A document's commands are run in its order, in a folder that looks like a checkout and has a home of its own.
Some documents have a test of their own (`FOLLOWED_ELSEWHERE`).
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from assets.market.months import BUCKET, raw_key
from resources.object_store import LocalObjectStore
from scripts.beams.__main__ import _COMMANDS
from scripts.dagster_home import prepare_dagster_home
from scripts.demo import DEMOS
from scripts.sample_data.market import vendor_file
from tests.docs.documents import DOCUMENTS, ROOT, Command, blocks, commands, inline_spans, words
from tests.docs.programs import help_of

FOLLOWED_ELSEWHERE = {"ci.md": "test_ci_recipes.py", "development.md": "test_development_recipes.py"}
FOLLOWED = [document for document in DOCUMENTS if document.name not in FOLLOWED_ELSEWHERE]
MONTHS = ("2025-08", "2025-09", "2025-10")

RUN_HERE = (
    r"export ",
    r"mkdir -p \"?\$\w+",
    r"make help$",
    r"sha256sum ",
    r"awk ",
    r"(\w+=\S+ )*\.venv/bin/python -m scripts\.(sample_data|beams|run_checks)\b",
    r"(\w+=\S+ )*\.venv/bin/python (aim-job|scripts)/[\w/]+\.py ",
    r"\.venv/bin/python -c ",
    r"\.venv/bin/python - <<",
    r"\.venv/bin/inv jobs\.",
    r"\.venv/bin/dagster (asset materialize|job (execute|backfill)|instance concurrency set) ",
)
"""What may be run in the temporary home: it changes nothing outside of it."""


@dataclass(frozen=True)
class Proof:
    """Where a command is run instead: a file, words of the command in it, perhaps one of its tests."""

    file: str
    words: tuple[str, ...]
    test: str | None = None

    def gaps(self) -> list[str]:
        """What it should have and has not."""
        path = ROOT / self.file
        if not path.is_file():
            return [f"{self.file} does not exist"]
        text = path.read_text("utf-8")
        wanted = [*self.words, *([f"def {self.test}("] if self.test else [])]
        return [f"{self.file} does not contain {word!r}" for word in wanted if word not in text]


CLUSTER = Proof("scripts/benchmarks/dwh_spark_cluster.py", ("spark-class", "spark-submit", "--py-files"))

ELSEWHERE = {
    r"make demo( PIPELINE=\w+)?$": Proof("scripts/demo.py", ("DEMOS",)),
    r"make dev( PORT=\d+)?$": Proof("tests/scripts/test_dev.py", ("import dev",)),
    r"make test( ARGS=.*)?$": Proof(".ci/run", ("exec make test",)),
    r"make test-long$": Proof("Makefile", ("test-long:", "-m long")),
    r"make check$": Proof("Makefile", ("test: check",)),
    r"make bench-aim": Proof("tests/scripts/test_bench_aim.py", ("scripts.benchmarks",)),
    r"make bench-beams": Proof("tests/scripts/test_bench_beams.py", ("scripts.benchmarks",)),
    r"make bench-discovery": Proof("tests/scripts/test_bench_discovery.py", ("scripts.benchmarks",)),
    r"make bench-dwh-cluster": CLUSTER,
    r"make bench-dwh": Proof("tests/scripts/test_bench_dwh.py", ("scripts.benchmarks",)),
    r"make bench-market": Proof("tests/scripts/test_bench_all.py", ('"market"',)),
    r"make bench( ARGS=.*)?$": Proof("tests/scripts/test_bench_all.py", ("scripts.benchmarks",)),
    r"make bench-location": Proof("tests/scripts/test_bench_location.py", ("scripts.benchmarks",)),
    r"make doctor": Proof("tests/scripts/test_doctor.py", ("scripts.doctor",)),
    r"make screenshots|\.venv/bin/python -m scripts\.screenshots": Proof(
        "tests/scripts/test_screenshots.py", ("screenshots",)
    ),
    r"\.venv/bin/python -m scripts\.failed_partitions": Proof(
        "tests/scripts/test_failed_partitions_command.py", ("failed_partitions", "--group", "--json")
    ),
    r"CREATE (ROLE|DATABASE) ": Proof(
        "tests/services/test_backfills_on_postgres.py", ("CREATE ROLE quintet", "CONNECTION LIMIT")
    ),
    r"make dwh-package$": Proof("tests/scripts/test_dwh_package.py", ("dwh_package",)),
    r"\.venv/bin/python -m scripts\.sample_data market .*--size full": Proof(
        "tests/scripts/test_sample_data_market.py", ("--start", "--end", "--size")
    ),
    r"\.venv/bin/python -m scripts\.beams gpus --free": Proof(
        "tests/scripts/test_beams_gpus.py", ("--free",)
    ),
    r"\.venv/bin/python scripts/beam_watcher\.py": Proof(
        "tests/scripts/test_beam_watcher.py", ("beam_watcher",)
    ),
    r"\.venv/bin/python -m scripts\.waves_server": Proof(
        "tests/scripts/test_waves_server.py", ("waves_server",)
    ),
    r"\.venv/bin/python -m pytest tests/assets/aim/test_golden_run\.py --record-golden-run": Proof(
        "tests/assets/aim/conftest.py", ("--record-golden-run",)
    ),
    r"\.venv/bin/python -m pytest tests/load.* --record-snapshot": Proof(
        "tests/load/conftest.py", ("--record-snapshot",)
    ),
    r"\.venv/bin/python -m scripts\.doctor": Proof("tests/scripts/test_doctor.py", ("scripts.doctor",)),
    r"\.venv/bin/python -m scripts\.(backup|retention)": Proof(
        "tests/scripts/test_backup_runbook.py",
        ("scripts.backup", "scripts.retention"),
        "test_every_command_of_the_page_works_in_its_order",
    ),
    r"PGPASSWORD=\S+ pg_(dump|restore) ": Proof(
        "tests/services/test_backup_on_postgres.py", ("pg_dump", "pg_restore")
    ),
    r"\$SPARK_HOME/bin/|QUINTET_SPARK_ENGINE=connect ": CLUSTER,
    r"ssh-keygen -t ed25519": Proof("tests/services/ssh_server.py", ("ssh-keygen", "ed25519")),
}
"""Commands that another test or the demo runs, in a form that suits it."""

OUTSIDE = {
    r"(aws|databricks) ": "needs an account of the platform",
    r"ssh-keyscan |ssh-keygen -l ": "needs the GPU host",
    r"cp deploy/|systemctl ": "changes the machine",
    r"docker |export QUINTET_PG_PASSWORD=": "needs a container engine",
    r"python3\.11 -m venv|\.venv/bin/pip install|make lock": "asks the package registry",
}
"""Commands that no test can run, and why. Keep it short."""


def fenced(document: Path) -> list[Command]:
    return [c for block in blocks(document) if not block.language for c in commands(block)]


def account(command: str) -> str | None:
    """Who answers for a command: a pattern of one of the tables. What is elsewhere or outside goes first."""
    for table in (ELSEWHERE, OUTSIDE, RUN_HERE):
        for pattern in table:
            if re.match(pattern, command):
                return pattern
    return None


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with everything of the repository in it, by links, and nothing of what it has made."""
    folder = tmp_path / "quintet"
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in {".git", ".venv", ".quintet", "demo", "dist"}:
            (folder / entry.name).symlink_to(entry)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "dist").mkdir()
    return folder


@pytest.fixture
def environment(checkout: Path, tmp_path: Path) -> dict[str, str]:
    """A user who has set nothing, but for the homes and a simulation of few protons."""
    home = tmp_path / "home"
    home.mkdir()
    given = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "PYTHONPATH": str(checkout),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "QUINTET_HOME": str(checkout / ".quintet"),
        "BEAMS_PRIMARIES": "1000",
    }
    prepare_dagster_home(given)
    return given


def put_vendor_files(checkout: Path) -> None:
    """Small ones: the documents buy them, or write large ones."""
    store = LocalObjectStore(root=str(checkout / ".quintet" / "storage"))
    for month in MONTHS:
        store.put_bytes(BUCKET, raw_key(month), vendor_file(month))


@pytest.mark.materialise
@pytest.mark.parametrize("document", FOLLOWED, ids=lambda document: document.stem)
def test_the_commands_of_a_document_run_in_its_order(document, checkout, environment):
    shell = [command for command in fenced(document) if account(command.text) in RUN_HERE]
    if any("market" in command.text or "process_monthly" in command.text for command in shell):
        put_vendor_files(checkout)
    for command in shell:
        if command.text.startswith("export "):
            environment |= exported(command.text, checkout, environment)
            continue
        done = subprocess.run(
            ["bash", "-c", command.text],
            cwd=checkout,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{command} ends with {done.returncode}:\n{done.stdout[-3000:]}"


def exported(command: str, checkout: Path, environment: dict[str, str]) -> dict[str, str]:
    """What an export sets, as a shell says it."""
    script = f"{command}; env -0"
    told = subprocess.run(
        ["bash", "-c", script], cwd=checkout, env=environment, capture_output=True, text=True, check=True
    )
    return dict(pair.split("=", 1) for pair in told.stdout.split("\0") if pair)


@pytest.mark.parametrize("document", FOLLOWED, ids=lambda document: document.stem)
def test_every_command_is_run_by_a_test(document):
    unknown = [str(command) for command in fenced(document) if account(command.text) is None]
    assert unknown == [], (
        "Nobody runs these commands. Add a pattern to RUN_HERE if they are harmless in a temporary home, "
        "to ELSEWHERE with the test that runs them, or to OUTSIDE with the reason why no test can."
    )


WITHIN = {
    r"inv jobs\.([\w-]+)": "tests/scripts/discovery_cli/test_*.py",
    r"inv (--list)": "tasks.py",
    r"python -m scripts\.beams (\w+)": "tests/scripts/test_beams_{}.py",
    r"python -m scripts\.(run_checks|retention|doctor|backup|failed_partitions)": "tests/scripts/test_{}*.py",
    r"python (aim-job)/main\.py": "tests/scripts/test_aim_job.py",
    r"dagster (sensor start)": "scripts/dev.py",
}
"""Commands in sentences are shown in part: by their verb, whose tests are the files of such names."""


def is_tried(span: str) -> bool:
    """Whether a command in a sentence is one that is run here, elsewhere, or by the tests of its verb."""
    bare = span.removeprefix(".venv/bin/")
    for pattern, files in WITHIN.items():
        if found := re.match(pattern, bare):
            texts = (path.read_text("utf-8") for path in ROOT.glob(files.format(found[1])))
            return any(found[1] in text for text in texts)
    return account(span) is not None or account(f".venv/bin/{bare} ") is not None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_every_command_within_a_sentence_is_tried(document):
    assert [span for span in commands_within(document) if not is_tried(span)] == [], (
        "Nobody tries these commands. Add a pattern to WITHIN with the files of their tests."
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_every_command_within_a_sentence_is_one_that_exists(document):
    for span in commands_within(document):
        if span.startswith("make "):
            target = span.split()[1]
            assert re.search(rf"^{target}:.* ## ", (ROOT / "Makefile").read_text(), re.MULTILINE), span
        else:
            assert help_of(words(span)), f"{document.name}: {span} is no command"


@pytest.mark.parametrize("pipeline", ["beams", "discovery"])
def test_a_table_of_commands_names_nothing_else(pipeline):
    text = (ROOT / "docs" / f"{pipeline}.md").read_text("utf-8")
    rows = text.partition("| question | command |\n|---|---|\n")[2].partition("\n\n")[0].splitlines()
    spans = [span for row in rows for span in re.findall(r"`([^`]+)`", re.split(r"(?<!\\)\|", row)[2])]
    assert len(spans) >= len(rows) > 0
    assert [span for span in spans if not re.match(rf"{_SHORT[pipeline][0]}|--", span)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_every_flag_is_one_of_its_program(document):
    """Flags of commands that are run here show themselves."""
    texts = [c.text for c in fenced(document) if account(c.text) not in (*RUN_HERE, *OUTSIDE)]
    for text in [*texts, *commands_within(document)]:
        for simple in re.split(r"\s(?:&&|\|)\s", text):
            told = help_of(words(simple)) if flags(simple) else None
            wrong = [flag for flag in flags(simple) if told is not None and not has_flag(told, flag)]
            assert wrong == [], f"{document.name}: {simple} has flags that its program has not"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_a_flag_that_stands_alone_belongs_to_a_program_of_its_document(document):
    alone = {flag for span in inline_spans(document) if re.match(r"--\w", span) for flag in flags(span)}
    alone -= FLAGS_OF_OTHERS
    for text in [*commands_within(document), *(c.text for c in fenced(document) if "<<" not in c.text)]:
        told = help_of(words(text)) if alone else None
        alone = {flag for flag in alone if told is None or not has_flag(told, flag)}
    assert alone == set()


FLAGS_OF_OTHERS = {"--py-files", "--conf"}
"""Flags of programs that are not ours, in sentences about them."""
_COMMAND = re.compile(
    r"make [a-z]|\.venv/bin/(python|inv|dagster) |python -m |python [\w-]+/|dagster |inv |jobs\.(?!yaml)"
)
_BEAMS = rf"({'|'.join(_COMMANDS)})( |$)"
_SHORT = {"discovery": (r"jobs\.(?!yaml)", "inv jobs."), "beams": (_BEAMS, "python -m scripts.beams ")}
"""How a table of commands leaves out what they all begin with."""


def commands_within(document: Path) -> list[str]:
    """The commands that stand inside sentences and tables, as they would be typed."""
    pattern, lead = _SHORT.get(document.stem, ("$.", ""))
    found = []
    for span in inline_spans(document):
        if re.match(pattern, span):
            found.append(lead + re.sub(r"^jobs\.", "", span))
        elif _COMMAND.match(span) and not re.search(r"<(verb|command)>|-m pytest", span):
            found.append(span)
    return found


def flags(command: str) -> list[str]:
    """The long flags of a command; what ARGS hands on counts, what stands in another quotation does not."""
    text = re.sub(r"ARGS=(\"[^\"]*\"|\S+)", lambda found: found[1].strip('"'), command)
    text = re.sub(r"'[^']*'|\"[^\"]*\"", "", text)
    return re.findall(r"(?<![\w-])--[a-z][\w-]*", text)


def has_flag(told: str, flag: str) -> bool:
    """Whether a help names a flag; a reader of arguments without a help names it in quotes."""
    return bool(re.search(rf"(?<![\w-]){flag}(?![\w-])|\"{flag[2:]}\"", told))


@pytest.mark.parametrize("pattern", ELSEWHERE)
def test_whoever_runs_a_command_elsewhere_really_does(pattern):
    assert ELSEWHERE[pattern].gaps() == []


@pytest.mark.parametrize("document", FOLLOWED_ELSEWHERE)
def test_a_document_that_is_followed_elsewhere_is_named_there(document):
    follower = Path(__file__).with_name(FOLLOWED_ELSEWHERE[document])
    assert f'"{document}"' in follower.read_text("utf-8")


def test_nothing_is_excused_that_no_document_has():
    texts = [c.text for document in DOCUMENTS for c in fenced(document)]
    texts += [span for document in DOCUMENTS for span in commands_within(document)]
    assert [p for p in OUTSIDE if not any(re.match(p, text) for text in texts)] == []


def test_every_demo_that_is_named_exists():
    named = {
        pipeline for document in DOCUMENTS for pipeline in re.findall(r"PIPELINE=(\w+)", document.read_text())
    }
    assert named <= set(DEMOS)


def test_a_command_that_nobody_runs_is_noticed():
    assert account("rm -rf .quintet") is None
    assert account("make clean") is None
    assert account(".venv/bin/python -m scripts.unheard_of") is None
    assert not is_tried("inv jobs.unheard-of")
    assert not is_tried("python -m scripts.beams unheard_of")
