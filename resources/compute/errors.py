"""What can go wrong with a compute backend, whichever it is.

Each error is also the built-in exception that a step knows how to take. Only `PlatformUnavailable` is worth
another try: the next attempt adopts a job that is still running. No sentence names a secret.
"""


class ComputeMisconfigured(ValueError):
    """The backend does not exist, or a setting that it needs is not there; nothing was started."""


class PlatformRefused(PermissionError):
    """The platform answered, and refused: credentials, a policy, or a job that it does not know."""


class PlatformUnavailable(ConnectionError):
    """The platform could not be reached, or had no room for the job, after the client's own retries."""


class JobFailed(RuntimeError):
    """The job ended, and not well: its own error, a stop from outside, or a time that ran out."""


class ReportMissing(RuntimeError):
    """The job ended well and told nothing, or broke off: what it did is not known, so it counts as failed."""


class JobOverdue(JobFailed):
    """The job was watched for as long as `Polling.longest` allows, and had not ended."""
