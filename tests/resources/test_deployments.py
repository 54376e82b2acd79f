"""The deployment table: what each row has, what overrides it, what it imports and what it never tells."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from resources.deployments import DEPLOYMENTS, RESOURCES, resources_for
from resources.notifier import (
    LogNotifier,
    NotificationFailed,
    RecordingNotifier,
    SnsNotifier,
    WebhookNotifier,
)
from resources.object_store import LocalObjectStore
from resources.waves import HttpWaves

REPOSITORY = Path(__file__).resolve().parents[2]
TOPIC = "arn:aws:sns:eu-west-2:123456789012:quintet-alerts"


def names(deployment: str | None, environ: dict[str, str]) -> dict[str, str]:
    return {key: type(resource).__name__ for key, resource in resources_for(deployment, environ).items()}


@pytest.mark.parametrize(
    ("deployment", "store", "notifier", "warehouse", "waves"),
    [
        ("local", "LocalObjectStore", "LogNotifier", "DuckDBWarehouse", "EmbeddedWaves"),
        ("test", "LocalObjectStore", "RecordingNotifier", "DuckDBWarehouse", "FaultyWaves"),
        ("aws", "S3ObjectStore", "WebhookNotifier", "DuckDBWarehouse", "HttpWaves"),
        ("gcp", "GCSObjectStore", "WebhookNotifier", "BigQueryWarehouse", "HttpWaves"),
    ],
)
def test_each_row_has_its_variants_and_loads_with_nothing_set(
    deployment: str, store: str, notifier: str, warehouse: str, waves: str
) -> None:
    expected = {"object_store": store, "notifier": notifier, "warehouse": warehouse, "waves": waves}
    assert names(deployment, {}).items() >= expected.items()
    assert names(None, {"QUINTET_DEPLOYMENT": deployment}).items() >= expected.items()


def test_every_column_chooses_an_existing_variant_for_every_row() -> None:
    for resource in RESOURCES.values():
        assert set(resource.by_deployment) == set(DEPLOYMENTS)
        assert set(resource.by_deployment.values()) <= set(resource.variants)


@pytest.mark.parametrize("environ", [{}, {"QUINTET_DEPLOYMENT": ""}, {"QUINTET_DEPLOYMENT": "  "}])
def test_an_unset_or_blank_deployment_is_local(environ: dict[str, str]) -> None:
    assert isinstance(resources_for(None, environ)["notifier"], LogNotifier)


def test_the_argument_wins_over_the_variable() -> None:
    assert isinstance(resources_for("test", {"QUINTET_DEPLOYMENT": "aws"})["notifier"], RecordingNotifier)


@pytest.mark.parametrize("environ", [{"QUINTET_DEPLOYMENT": "azure"}, {"QUINTET_DEPLOYMENT": "Local"}])
def test_an_unknown_deployment_lists_the_choices(environ: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=rf"'{environ['QUINTET_DEPLOYMENT']}'.*local, test, aws, gcp"):
        resources_for(None, environ)


@pytest.mark.parametrize(
    ("variant", "store"), [("local", "LocalObjectStore"), ("s3", "S3ObjectStore"), ("gcs", "GCSObjectStore")]
)
def test_the_object_store_can_be_overridden_alone(variant: str, store: str) -> None:
    for deployment in DEPLOYMENTS:
        chosen = names(deployment, {"QUINTET_OBJECT_STORE": variant})
        assert chosen["object_store"] == store
        assert chosen["notifier"] == names(deployment, {})["notifier"]


@pytest.mark.parametrize(
    ("value", "project"), [("aim-production", "aim-production"), (" ", None), (None, None)]
)
def test_bigquery_jobs_are_made_in_the_project_of_the_environment(
    value: str | None, project: str | None
) -> None:
    environ = {"QUINTET_WAREHOUSE": "bigquery"} | ({} if value is None else {"PROJECT_ID": value})
    assert getattr(resources_for("local", environ)["warehouse"], "project") == project  # noqa: B009


def test_a_blank_override_is_none() -> None:
    assert names("aws", {"QUINTET_OBJECT_STORE": " "})["object_store"] == "S3ObjectStore"


def test_an_unknown_override_lists_the_choices() -> None:
    with pytest.raises(ValueError, match=r"QUINTET_OBJECT_STORE is 'ftp'.*local, s3, gcs"):
        resources_for("local", {"QUINTET_OBJECT_STORE": "ftp"})


@pytest.mark.parametrize("deployment", ["local", "test"])
def test_local_objects_lie_in_the_storage_of_the_home(deployment: str, tmp_path: Path) -> None:
    store = resources_for(deployment, {"QUINTET_HOME": str(tmp_path)})["object_store"]
    assert isinstance(store, LocalObjectStore)
    assert store.root == str(tmp_path / "storage")


def test_a_store_works_outside_of_a_run(isolated_environment: Path) -> None:
    store = resources_for("local")["object_store"]
    assert isinstance(store, LocalObjectStore)
    store.put_bytes("a-bucket", "a", b"content")
    assert [info.key for info in store.list("a-bucket")] == ["a"]
    assert (isolated_environment / "storage" / "a-bucket" / "a").read_bytes() == b"content"


def test_the_region_of_the_environment_is_used() -> None:
    from resources.object_store.s3 import S3ObjectStore

    def region(environ: dict[str, str]) -> str:
        store = resources_for("aws", environ)["object_store"]
        assert isinstance(store, S3ObjectStore)
        return store.region_name

    assert region({}) == "us-east-1"
    assert region({"AWS_DEFAULT_REGION": "eu-west-2"}) == "eu-west-2"
    assert region({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}) == "eu-west-1"


def test_aws_notifies_through_sns_where_a_topic_is_set() -> None:
    notifier = resources_for("aws", {"QUINTET_SNS_TOPIC_ARN": TOPIC})["notifier"]
    assert isinstance(notifier, SnsNotifier)
    assert notifier.topic_arn == TOPIC


@pytest.mark.parametrize("deployment", ["aws", "gcp"])
def test_a_webhook_without_its_url_fails_when_used_and_not_when_loaded(deployment: str) -> None:
    notifier = resources_for(deployment, {"QUINTET_ALERT_WEBHOOK_URL": ""})["notifier"]
    assert isinstance(notifier, WebhookNotifier)

    @dg.op
    def work(notifier: WebhookNotifier) -> None:
        """A run that has the resource and does not need it."""

    @dg.job(resource_defs={"notifier": notifier})
    def silent_job() -> None:
        work()

    assert silent_job.execute_in_process(instance=dg.DagsterInstance.ephemeral()).success
    with pytest.raises(NotificationFailed, match="QUINTET_ALERT_WEBHOOK_URL"):
        notifier.notify("subject", "text")


def test_the_url_of_the_webhook_is_in_no_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    from dagster._core.remote_representation.external_data import RepositorySnap
    from dagster._serdes import serialize_value

    monkeypatch.setenv("QUINTET_ALERT_WEBHOOK_URL", "https://hooks.example.com/secret-of-the-webhook")
    resources = resources_for("gcp")
    told = serialize_value(RepositorySnap.from_def(dg.Definitions(resources=resources).get_repository_def()))
    assert "QUINTET_ALERT_WEBHOOK_URL" in told
    assert "secret-of-the-webhook" not in told + repr(resources)


# ---- in a fresh interpreter ----


def run_python(code: str, environ: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("deployment", ["local", "test"])
def test_a_row_on_this_machine_imports_no_cloud_client(deployment: str, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from resources.deployments import resources_for\n"
        "resources_for()\n"
        "heavy = ['boto3', 'botocore', 'dagster_aws', 'dagster_gcp', 'google.cloud', 'google.auth']\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    assert run_python(code, {"QUINTET_DEPLOYMENT": deployment, "QUINTET_HOME": str(tmp_path)}) == "[]"


def test_a_test_deployment_without_a_home_cleans_up_after_itself() -> None:
    code = (
        "from resources.deployments import resources_for\n"
        "first = resources_for()['object_store']\n"
        "second = resources_for()['object_store']\n"
        "first.put_bytes('a-bucket', 'a', b'content')\n"
        "assert second.list('a-bucket') == []\n"
        "print(first.root, second.root)\n"
    )
    roots = [Path(root) for root in run_python(code, {"QUINTET_DEPLOYMENT": "test"}).split()]
    assert len(set(roots)) == 2
    assert not any(root.parent.exists() for root in roots)
    assert not any(root.is_relative_to(REPOSITORY) for root in roots)


@pytest.mark.parametrize("variable", ["AIM_WAVES_URL", "AIM_BASE_URL"])
def test_an_address_of_waves_takes_the_place_of_the_embedded_one(variable: str) -> None:
    for deployment in DEPLOYMENTS:
        waves = resources_for(deployment, {variable: "https://waves.example"})["waves"]
        assert isinstance(waves, HttpWaves)
        assert waves.url == "https://waves.example"
        assert waves.google_identity == (deployment == "gcp")


def test_the_password_of_waves_is_a_reference_to_its_variable() -> None:
    waves = resources_for("aws", {"AIM_SERVICE_PASSWORD": "not told"})["waves"]
    assert "not told" not in repr(waves)
    assert getattr(waves, "password", None) == dg.EnvVar("AIM_SERVICE_PASSWORD")
