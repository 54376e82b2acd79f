"""The `compute` resource: where the work of a step runs, and how its report comes back over Dagster Pipes.

    resource     Compute: the backend of a run, by its tag `compute` or by the deployment
    base         Submission, ComputeBackend and RemoteBackend, launch_token, results
    polling      Polling: how often, and for how long, a remote job is looked at
    settings     Settings: the environment variables that a backend is made from
    launch_options: the JSON that a variable gives to a platform's own launch
    s3_messages  S3Messages: the messages and contexts of jobs under one prefix of a bucket
    aws_clients  boto's clients, and our errors instead of boto's
    payload      the other side: what the job does to report; imports no Dagster
    errors       what can go wrong
    in_process, child_process (subprocess), glue, emr, container, databricks: the backends, each imported when
                 a run takes it

What belongs here: launching, watching, stopping, adopting. What does not: the job, its arguments and its
results, which are the pipeline's.
"""

from resources.compute.base import (
    ComputeBackend,
    Phase,
    RemoteBackend,
    RunningJob,
    Sighting,
    Submission,
    launch_token,
    results,
)
from resources.compute.errors import (
    ComputeMisconfigured,
    JobFailed,
    JobOverdue,
    PlatformRefused,
    PlatformUnavailable,
    ReportMissing,
)
from resources.compute.polling import Polling
from resources.compute.resource import BACKENDS, COMPUTE_TAG, Compute
from resources.compute.settings import Settings

__all__ = [
    "BACKENDS",
    "COMPUTE_TAG",
    "Compute",
    "ComputeBackend",
    "ComputeMisconfigured",
    "JobFailed",
    "JobOverdue",
    "Phase",
    "PlatformRefused",
    "PlatformUnavailable",
    "Polling",
    "RemoteBackend",
    "ReportMissing",
    "RunningJob",
    "Settings",
    "Sighting",
    "Submission",
    "launch_token",
    "results",
]
