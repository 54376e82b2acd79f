"""The routing contract that users script against: command lines, job names, configurations, hooks.

This module is the public name of all of it and has no code of its own:

- `arguments`: what a command line says (`parse_arguments`, `entry_arguments`, `parse_flag`);
- `registry`: which jobs there are (`find_job`, `REGISTRY`, `job_list`);
- `job_config`: the JSON of a job, read and shown without secrets (`parse_job_config`, `masked`);
- `job_settings`: what each job can be told (`FilterImagesConfig`, `JobArguments` …), on `config_keys`;
- `job_contract`: what a job and its factory promise (`AbstractJob`, `AbstractJobFactory`).

Not here: running a job, on which platform, and exit codes.
"""

from assets.dwh.arguments import (
    EntryArguments,
    MissingArguments,
    Platform,
    UsageError,
    entry_arguments,
    parse_arguments,
    parse_flag,
    require_spark,
)
from assets.dwh.job_config import masked, parse_job_config
from assets.dwh.job_contract import AbstractJob, AbstractJobFactory, FailurePublisher, accepted_arguments
from assets.dwh.job_settings import (
    EventPublisherConfig,
    FilterImagesConfig,
    JobArguments,
    JobConfig,
    LoadPromosConfig,
    TransformImagesConfig,
    readable_publisher,
)
from assets.dwh.registry import REGISTRY, RegisteredJob, find_job, job_list

__all__ = [
    "REGISTRY",
    "AbstractJob",
    "AbstractJobFactory",
    "EntryArguments",
    "EventPublisherConfig",
    "FailurePublisher",
    "FilterImagesConfig",
    "JobArguments",
    "JobConfig",
    "LoadPromosConfig",
    "MissingArguments",
    "Platform",
    "RegisteredJob",
    "TransformImagesConfig",
    "UsageError",
    "accepted_arguments",
    "entry_arguments",
    "find_job",
    "job_list",
    "masked",
    "parse_arguments",
    "parse_flag",
    "parse_job_config",
    "readable_publisher",
    "require_spark",
]
