"""Which resources a deployment has: the table, and the variables that choose another variant.

`QUINTET_DEPLOYMENT` names a row. What a resource lacks (a topic, a bucket, credentials) fails the run that
needs it, never the load. Not here: the resources themselves, and what their clients read (AWS_ENDPOINT_URL,
STORAGE_EMULATOR_HOST, credentials).
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from resources.compute import BACKENDS, Compute
from resources.compute_host import ComputeHost, LocalHost
from resources.dose_engine import DoseEngine, McsquareEngine, MoquiEngine
from resources.home import quintet_home
from resources.http import CONTACT_VARIABLE, Http
from resources.ledger import Ledger
from resources.notifier import LogNotifier, Notifier, RecordingNotifier, SnsNotifier, WebhookNotifier
from resources.notifier.webhook import URL_VARIABLE
from resources.object_store import LocalObjectStore, ObjectStore
from resources.spark import ENGINES, Spark
from resources.warehouse import DuckDBWarehouse, Warehouse
from resources.waves import EmbeddedWaves, FaultyWaves, HttpWaves, Waves

DEPLOYMENTS = ("local", "test", "aws", "gcp")


@dataclass(frozen=True, slots=True)
class Site:
    """Where resources are made for: the environment, and the folder for what lies on this machine."""

    environ: Mapping[str, str]
    home: Path

    def setting(self, name: str) -> str | None:
        """The value of a variable; blank means unset."""
        return self.environ.get(name, "").strip() or None


@dataclass(frozen=True, slots=True)
class Resource:
    """One column of the table: variants by name, the one of each deployment, the overriding variable."""

    variants: Mapping[str, Callable[[Site], dg.ConfigurableResource]]
    by_deployment: Mapping[str, str]
    variable: str | None = None


def resources_for(
    deployment: str | None = None, environ: Mapping[str, str] = os.environ
) -> dict[str, dg.ConfigurableResource]:
    """Make every resource of a deployment, by its key.

    `None` takes the deployment from `QUINTET_DEPLOYMENT`, and `local` if that is blank or unset. Raises
    `ValueError`, listing the choices, for a deployment or a variant that does not exist.
    """
    chosen = deployment or environ.get("QUINTET_DEPLOYMENT", "").strip() or "local"
    if chosen not in DEPLOYMENTS:
        raise ValueError(f"There is no deployment {chosen!r}; choose one of {', '.join(DEPLOYMENTS)}.")
    site = Site(environ, _home(chosen, environ))
    return {key: _make(resource, chosen, site) for key, resource in RESOURCES.items()}


def _make(resource: Resource, deployment: str, site: Site) -> dg.ConfigurableResource:
    variant = resource.variable and site.setting(resource.variable)
    if variant and variant not in resource.variants:
        choices = ", ".join(resource.variants)
        raise ValueError(f"{resource.variable} is {variant!r}; choose one of {choices}, or leave it unset.")
    return resource.variants[variant or resource.by_deployment[deployment]](site)


def _home(deployment: str, environ: Mapping[str, str]) -> Path:
    if deployment != "test" or environ.get("QUINTET_HOME", "").strip():
        return quintet_home(environ)
    scratch = tempfile.mkdtemp(prefix="quintet-test-")
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    return Path(scratch)


def _local_object_store(site: Site) -> ObjectStore:
    return LocalObjectStore(root=str(site.home / "storage"))


def _s3_object_store(site: Site) -> ObjectStore:
    from resources.object_store.s3 import S3ObjectStore

    region = site.setting("AWS_REGION") or site.setting("AWS_DEFAULT_REGION")
    return S3ObjectStore(region_name=region) if region else S3ObjectStore()


def _gcs_object_store(_: Site) -> ObjectStore:
    from resources.object_store.gcs import GCSObjectStore

    return GCSObjectStore()


def _webhook(site: Site) -> Notifier:
    # An EnvVar that is not set would fail every run, also of jobs that never notify.
    return WebhookNotifier(url=dg.EnvVar(URL_VARIABLE)) if site.setting(URL_VARIABLE) else WebhookNotifier()


def _topic_or_webhook(site: Site) -> Notifier:
    topic = site.setting("QUINTET_SNS_TOPIC_ARN")
    return SnsNotifier(topic_arn=topic) if topic else _webhook(site)


def _duckdb_warehouse(site: Site) -> Warehouse:
    return DuckDBWarehouse(path=str(site.home / "warehouse" / "quintet.duckdb"))


def _bigquery_warehouse(site: Site) -> Warehouse:
    from resources.warehouse.bigquery import BigQueryWarehouse

    # Without it the client takes the project that the credentials name.
    return BigQueryWarehouse(project=site.setting("PROJECT_ID"))


def _compute(backend: str) -> Callable[[Site], Compute]:
    return lambda _: Compute(backend=backend)


def _spark(engine: str) -> Callable[[Site], Spark]:
    def make(site: Site) -> Spark:
        return Spark(
            engine=engine,
            remote=site.setting("QUINTET_SPARK_REMOTE"),
            work_folder=str(site.home / "work"),
            driver_memory=site.setting("QUINTET_SPARK_DRIVER_MEMORY"),
        )

    return make


def _connect_or_jvm(site: Site) -> Spark:
    return _spark("connect" if site.setting("QUINTET_SPARK_REMOTE") else "jvm")(site)


def _embedded_waves(site: Site) -> Waves:
    return _http_waves(site) if _waves_url(site) else EmbeddedWaves()


def _faulty_waves(site: Site) -> Waves:
    return _http_waves(site) if _waves_url(site) else FaultyWaves()


def _google_waves(site: Site) -> Waves:
    return _http_waves(site, google_identity=True)


def _http_waves(site: Site, *, google_identity: bool = False) -> Waves:
    url, variable = _waves_url(site), "AIM_SERVICE_PASSWORD"
    if site.setting(variable):
        return HttpWaves(url=url, google_identity=google_identity, password=dg.EnvVar(variable))
    return HttpWaves(url=url, google_identity=google_identity)


def _http(site: Site) -> Http:
    return Http(contact=site.setting(CONTACT_VARIABLE))


def _ledger(site: Site) -> Ledger:
    return Ledger(folder=str(site.home / "ledger"))


def _local_host(site: Site) -> ComputeHost:
    return LocalHost(folder=str(site.home / "work" / "beams"))


def _ssh_host(site: Site) -> ComputeHost:
    from resources.compute_host.ssh import SshHost

    port = site.setting("BEAMS_SSH_PORT") or ""
    return SshHost(
        host=site.setting("BEAMS_SSH_HOST"),
        # Another text is refused, with all other settings, when a run reads them.
        port=int(port) if port.isdecimal() else 22,
        user=site.setting("BEAMS_SSH_USER"),
        key_file=site.setting("BEAMS_SSH_KEY_FILE"),
        known_hosts=site.setting("BEAMS_SSH_KNOWN_HOSTS"),
        folder=site.setting("BEAMS_SSH_WORKDIR"),
    )


def _mcsquare(site: Site) -> DoseEngine:
    return McsquareEngine(
        stage_folder=str(site.home / "work" / "mcsquare"), home=site.setting("BEAMS_MCSQUARE_HOME")
    )


def _moqui(site: Site) -> DoseEngine:
    return MoquiEngine(command=site.setting("BEAMS_MOQUI_COMMAND") or "")


def _everywhere(make: Callable[[Site], dg.ConfigurableResource]) -> Resource:
    """The same variant in every deployment."""
    return Resource({"": make}, dict.fromkeys(DEPLOYMENTS, ""))


def _waves_url(site: Site) -> str | None:
    """The service's address; `AIM_BASE_URL` is its older name."""
    return site.setting("AIM_WAVES_URL") or site.setting("AIM_BASE_URL")


RESOURCES: Mapping[str, Resource] = {
    "object_store": Resource(
        variants={"local": _local_object_store, "s3": _s3_object_store, "gcs": _gcs_object_store},
        by_deployment={"local": "local", "test": "local", "aws": "s3", "gcp": "gcs"},
        variable="QUINTET_OBJECT_STORE",
    ),
    "notifier": Resource(
        variants={
            "log": lambda _: LogNotifier(),
            "recording": lambda _: RecordingNotifier(),
            "sns or webhook": _topic_or_webhook,
            "webhook": _webhook,
        },
        by_deployment={"local": "log", "test": "recording", "aws": "sns or webhook", "gcp": "webhook"},
    ),
    "warehouse": Resource(
        variants={"duckdb": _duckdb_warehouse, "bigquery": _bigquery_warehouse},
        by_deployment={"local": "duckdb", "test": "duckdb", "aws": "duckdb", "gcp": "bigquery"},
        variable="QUINTET_WAREHOUSE",
    ),
    "spark": Resource(
        variants={**{engine: _spark(engine) for engine in ENGINES}, "connect or jvm": _connect_or_jvm},
        by_deployment={"local": "sail", "test": "sail", "aws": "connect or jvm", "gcp": "connect or jvm"},
        variable="QUINTET_SPARK_ENGINE",
    ),
    "compute": Resource(
        variants={backend: _compute(backend) for backend in BACKENDS},
        by_deployment={"local": "in_process", "test": "in_process", "aws": "glue", "gcp": "databricks"},
        variable="QUINTET_COMPUTE",
    ),
    "waves": Resource(
        variants={
            "embedded": _embedded_waves,
            "faulty": _faulty_waves,
            "http": _http_waves,
            "http with a Google identity": _google_waves,
        },
        by_deployment={
            "local": "embedded",
            "test": "faulty",
            "aws": "http",
            "gcp": "http with a Google identity",
        },
    ),
    "compute_host": Resource(
        variants={"local": _local_host, "ssh": _ssh_host},
        by_deployment={"local": "local", "test": "local", "aws": "ssh", "gcp": "ssh"},
        variable="BEAMS_COMPUTE_HOST",
    ),
    "dose_engine": Resource(
        variants={"mcsquare": _mcsquare, "moqui": _moqui},
        # The CPU engine runs on this machine only.
        by_deployment={"local": "mcsquare", "test": "mcsquare", "aws": "moqui", "gcp": "moqui"},
        variable="BEAMS_ENGINE",
    ),
    # An SQLite file needs locks of one machine, so a ledger lies on that of its runs in every deployment.
    "ledger": _everywhere(_ledger),
    "http": _everywhere(_http),
}
