"""Jobs as steps of AWS EMR: on a cluster of their own, or on one that is there.

dagster-aws' PipesEMRClient (0.29.27) is not used. It waits for the cluster, not for the step, so a step that
failed with ActionOnFailure CONTINUE succeeds; it compares the cluster's state, a text, with the members of an
enum, which are none, so no failure is seen at all. It gives up after 30 minutes of starting or of work while
the cluster runs on, waits a minute for log files, changes the parameters that it is given, breaks those that
configure `spark-env` themselves, and cannot adopt.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final, Self

import dagster as dg
from dagster_pipes import DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT

from resources.compute.aws_clients import aws_client, aws_errors
from resources.compute.base import Phase, RemoteBackend, RunningJob, Sighting, Submission
from resources.compute.errors import PlatformRefused, PlatformUnavailable
from resources.compute.launch_options import parse_launch_options
from resources.compute.polling import Polling
from resources.compute.s3_messages import S3Messages
from resources.compute.settings import Settings

CODE: Final = "QUINTET_EMR_CODE"
JOB_FLOW: Final = "QUINTET_EMR_JOB_FLOW"
CLUSTER_ID: Final = "QUINTET_EMR_CLUSTER_ID"
PY_FILES: Final = "QUINTET_EMR_PY_FILES"

# https://docs.aws.amazon.com/emr/latest/APIReference/API_StepStatus.html; every other state goes on.
_ENDED: Final = {
    "COMPLETED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "CANCELLED": Phase.STOPPED,
    "INTERRUPTED": Phase.STOPPED,
}
_ALIVE: Final = ["PENDING", "RUNNING"]
_CLUSTER_ALIVE: Final = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]
_CLUSTER_GONE: Final = ("TERMINATED", "TERMINATED_WITH_ERRORS")
_OURS: Final = frozenset({"Name", "Steps"})
_REQUEST: Final = "A request to EMR"


class EmrBackend(RemoteBackend):
    """Runs `spark-submit <code>/<entry> <arguments>` as one step.

    `job_flow` are the parameters of RunJobFlow of the cluster that each job gets, which ends with it; with
    `cluster_id` the step goes to that cluster instead, which is left as it was. The step is named by its
    token, and so is a cluster of its own.
    """

    name = "emr"

    def __init__(
        self,
        code: str,
        messages: S3Messages,
        *,
        job_flow: Mapping[str, Any] | None = None,
        cluster_id: str | None = None,
        py_files: str | None = None,
        polling: Polling | None = None,
    ) -> None:
        super().__init__(polling)
        self._code = code.rstrip("/")
        self._messages = messages
        self._client = aws_client("emr")
        self._starter = aws_client("emr", attempts=1)
        self._job_flow = job_flow or {}
        self._cluster_id = cluster_id
        self._py_files = py_files

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Read QUINTET_EMR_CODE, _JOB_FLOW or _CLUSTER_ID, _PY_FILES, and the bucket of the messages.

        Credentials, region and endpoint come from boto's own chain.
        """
        code = settings.required(CODE, "the folder on S3 that holds scripts/, e.g. s3://bucket/quintet")
        cluster_id = settings.optional(CLUSTER_ID)
        what = f"a JSON object of RunJobFlow's parameters, or {CLUSTER_ID} to a cluster that is there"
        job_flow = None if cluster_id else settings.required(JOB_FLOW, what)
        return cls(
            code,
            job_flow=parse_launch_options(JOB_FLOW, job_flow, _OURS),
            cluster_id=cluster_id,
            py_files=settings.optional(PY_FILES),
            messages=S3Messages.from_settings(settings),
        )

    def find(self, token: str) -> RunningJob | None:
        """The step of this name that waits or runs, on our cluster or on one of the same name."""
        with aws_errors(_REQUEST):
            for cluster_id in self._clusters(token):
                for step in self._steps(cluster_id, token, StepStates=_ALIVE):
                    told = self._messages.told(token, _argument(step["Config"]["Args"]))
                    if told:
                        return RunningJob(f"{cluster_id}/{step['Id']}", told)
        return None

    def start(self, submission: Submission, session: dg.PipesSession) -> str:
        """Start a cluster with this one step, or add the step to the cluster."""
        arguments = [word for pair in session.get_bootstrap_cli_arguments().items() for word in pair]
        step = self._step(submission, arguments)
        with aws_errors(_REQUEST):
            if self._cluster_id:
                added = self._starter.add_job_flow_steps(JobFlowId=self._cluster_id, Steps=[step])
                return f"{self._cluster_id}/{added['StepIds'][0]}"
            tags = {**session.default_remote_invocation_info, "quintet:launch": submission.token}
            flow = self._starter.run_job_flow(**self._flow(submission.token, step, tags))["JobFlowId"]
            started = next(self._steps(flow, submission.token), None)
        if started is None:
            raise PlatformUnavailable(f"EMR started the cluster {flow}, but does not list its step yet.")
        return f"{flow}/{started['Id']}"

    def look(self, job_id: str) -> Sighting:
        """The state of the step, whatever that of the cluster; on a cluster that is gone no step goes on."""
        cluster_id, step_id = job_id.split("/")
        with aws_errors(_REQUEST):
            # The cluster first: it ends after its step, so the state of the step is then the last one.
            cluster = self._client.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]
            step = self._client.describe_step(ClusterId=cluster_id, StepId=step_id)["Step"]["Status"]
        phase = _ENDED.get(step["State"], Phase.RUNNING)
        if phase is Phase.RUNNING and cluster["State"] in _CLUSTER_GONE:
            phase = Phase.FAILED
        return Sighting(phase, f"{_text('the step', step)}; {_text('its cluster', cluster)}")

    def stop(self, job_id: str) -> None:
        """End the cluster of the job; on a cluster that is there, end the step only."""
        cluster_id, step_id = job_id.split("/")
        with aws_errors(_REQUEST):
            if cluster_id != self._cluster_id:
                self._client.terminate_job_flows(JobFlowIds=[cluster_id])
                return
            answer = self._client.cancel_steps(
                ClusterId=cluster_id, StepIds=[step_id], StepCancellationOption="TERMINATE_PROCESS"
            )
        for refusal in answer.get("CancelStepsInfoList", ()):
            if refusal["Status"] == "FAILED" and self.look(job_id).phase is Phase.RUNNING:
                raise PlatformRefused(f"EMR does not stop the step {job_id}: {refusal.get('Reason')}")

    def context_injector(self, submission: Submission) -> dg.PipesContextInjector:
        """In S3: all arguments of a step together have 10,280 characters."""
        return self._messages.context_injector(submission.token)

    def message_reader(self, submission: Submission, adopted: RunningJob | None) -> dg.PipesMessageReader:
        """From S3, and not from the log files, which EMR writes minutes later."""
        return self._messages.message_reader(submission.token, adopted.messages if adopted else None)

    def describe(self, job_id: str) -> Mapping[str, Any]:
        """The cluster, the step, and the cluster's page in the console."""
        cluster_id, step_id = job_id.split("/")
        region = self._client.meta.region_name
        page = (
            f"https://{region}.console.aws.amazon.com/emr/home?region={region}#/clusterDetails/{cluster_id}"
        )
        return {
            "emr_cluster_id": cluster_id,
            "emr_step_id": step_id,
            "platform_link": dg.MetadataValue.url(page),
        }

    def _step(self, submission: Submission, pipes_arguments: Sequence[str]) -> dict[str, Any]:
        packages = ("--py-files", self._py_files) if self._py_files else ()
        script = f"{self._code}/{submission.entry}"
        command = ["spark-submit", *packages, script, *submission.arguments, *pipes_arguments]
        return {
            "Name": submission.token,
            "ActionOnFailure": "CONTINUE" if self._cluster_id else "TERMINATE_CLUSTER",
            "HadoopJarStep": {"Jar": "command-runner.jar", "Args": command},
        }

    def _flow(self, token: str, step: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
        flow = deepcopy(dict(self._job_flow))
        # Or the cluster would wait, and cost, for ever.
        flow["Instances"] = {**flow.get("Instances", {}), "KeepJobFlowAliveWhenNoSteps": False}
        ours = [{"Key": key, "Value": value} for key, value in tags.items()]
        return {**flow, "Name": token, "Steps": [step], "Tags": [*flow.get("Tags", ()), *ours]}

    def _clusters(self, token: str) -> Iterator[str]:
        if self._cluster_id:
            yield self._cluster_id
            return
        since = datetime.now(UTC) - timedelta(seconds=self.polling.longest)
        pages = self._client.get_paginator("list_clusters")
        for page in pages.paginate(CreatedAfter=since, ClusterStates=_CLUSTER_ALIVE):
            yield from (cluster["Id"] for cluster in page["Clusters"] if cluster["Name"] == token)

    def _steps(self, cluster_id: str, token: str, **states: Any) -> Iterator[Mapping[str, Any]]:
        for page in self._client.get_paginator("list_steps").paginate(ClusterId=cluster_id, **states):
            yield from (step for step in page["Steps"] if step["Name"] == token)


def _argument(words: Sequence[str]) -> str | None:
    """What the step was told of its messages."""
    return dict(pairwise(words)).get(DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT)


def _text(what: str, status: Mapping[str, Any]) -> str:
    """State and reasons, as far as EMR gives any."""
    reason = {**status.get("StateChangeReason", {}), **status.get("FailureDetails", {})}
    said = [str(reason[key]) for key in ("Code", "Reason", "Message", "LogFile") if reason.get(key)]
    return f"{what} is {status['State']}" + (f" ({', '.join(said)})" if said else "")
