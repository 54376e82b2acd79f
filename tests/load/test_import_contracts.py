"""The import contracts of pyproject.toml really refuse what they are for.

Each case is a small repository of our shape with one import too many; the contracts are the real ones.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

MODULES = {
    "assets/__init__.py": "",
    "assets/failures.py": "",
    "assets/metadata.py": "import dagster",
    "assets/parallel.py": "",
    "assets/pictures.py": "",
    "assets/recording.py": "import dagster",
    "assets/retries.py": "import dagster\nfrom assets import failures",
    "definitions.py": "from assets.market import assets",
    "jobs/__init__.py": "",
    "jobs/market.py": "import dagster\nfrom assets.market import assets",
    "resources/__init__.py": "",
    "resources/object_store/__init__.py": "import dagster",
    "resources/object_store/s3.py": "import boto3",
    "scripts/__init__.py": "",
    "scripts/demo.py": "import definitions",
    "sensors/__init__.py": "",
    "sensors/market.py": "import dagster\nfrom assets.market import partitions\nfrom jobs import market",
} | {
    f"assets/{pipeline}/{module}.py": content
    for pipeline in ("market", "aim")
    for module, content in {
        "__init__": "",
        "assets": f"import dagster\nimport resources.object_store\nfrom assets import retries\n"
        f"from assets.{pipeline} import labels, partitions",
        "checks": f"import dagster\nfrom assets.{pipeline} import assets",
        "labels": f"from assets import failures, parallel, pictures\nfrom assets.{pipeline} import weights",
        "partitions": "import dagster",
        "weights": "",
    }.items()
}

VIOLATIONS = {
    "Layers": [
        ("resources/object_store/s3.py", "from assets import failures"),
        ("resources/object_store/s3.py", "import sensors"),
        ("assets/market/assets.py", "import jobs"),
        ("assets/market/weights.py", "import scripts"),
        ("jobs/market.py", "import sensors"),
    ],
    "Domain modules do not know Dagster": [
        ("assets/market/weights.py", "import dagster"),
        ("assets/market/weights.py", "def f():\n    import dagster"),
        ("assets/market/__init__.py", "import dagster"),
        ("assets/failures.py", "from dagster import Failure"),
    ],
    "Domain modules do not know the Dagster side of their pipeline": [
        ("assets/market/weights.py", "from assets import retries"),
        ("assets/market/weights.py", "from assets.market import partitions"),
        ("assets/market/weights.py", "from assets.market.checks import x"),
    ],
    "Domain modules do not know resources": [
        ("assets/market/weights.py", "from resources import object_store"),
        ("assets/parallel.py", "import resources"),
    ],
    "Only resources talk to other systems": [
        ("assets/market/assets.py", "import boto3"),
        ("sensors/market.py", "from google.cloud import storage"),
    ],
    "Pipelines do not know each other": [
        ("assets/market/weights.py", "from assets.aim import weights"),
        ("assets/market/assets.py", "from assets.aim import assets"),
        ("assets/pictures.py", "from assets.market import weights"),
    ],
    "Only scripts import the assembled definitions": [
        ("sensors/market.py", "import definitions"),
    ],
}


def lint(repository: Path, settings: Path) -> subprocess.CompletedProcess[str]:
    shutil.copy(settings, repository)
    command = [LINT_IMPORTS, "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, content in MODULES.items():
        path = tmp_path / "repository" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return tmp_path / "repository"


@pytest.fixture
def settings(root: Path) -> Path:
    return root / "pyproject.toml"


def test_a_repository_of_our_shape_keeps_every_contract(repository, settings):
    done = lint(repository, settings)
    assert done.returncode == 0, done.stdout
    assert "BROKEN" not in done.stdout


@pytest.mark.parametrize(
    ("contract", "module", "line"),
    [(contract, *violation) for contract, violations in VIOLATIONS.items() for violation in violations],
)
def test_an_import_too_many_breaks_its_contract(contract, module, line, repository, settings):
    (repository / module).write_text(f"{MODULES[module]}\n{line}\n")
    done = lint(repository, settings)
    broken = [verdict for verdict in done.stdout.splitlines() if " BROKEN" in verdict]
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(verdict.startswith(contract) for verdict in broken), done.stdout
