"""boto's clients as the backends on AWS use them: one policy of retries, and our errors instead of boto's.

Credentials, region and endpoints come from boto's own chain. Imported only by backends that need it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from resources.compute.errors import ComputeMisconfigured, PlatformRefused, PlatformUnavailable

# Beside 5xx: answers that will be others in a while.
_BUSY: Final = frozenset(
    (
        "ConcurrentRunsExceededException",
        "ExpiredTokenException",
        "OperationTimeoutException",
        "RequestLimitExceeded",
        "ResourceNumberLimitExceededException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
    )
)


def aws_client(service: str, *, attempts: int = 5) -> Any:
    """Make a client. A request is tried `attempts` times in all, after time-outs, throttling and 5xx answers.

    What starts a job is asked once: a lost answer may have started it, so the next attempt looks first.

    Raises:
        ComputeMisconfigured: there is no region.
    """
    config = Config(
        connect_timeout=10, read_timeout=60, retries={"mode": "standard", "total_max_attempts": attempts}
    )
    try:
        return boto3.client(cast("Any", service), config=config)
    except NoRegionError as error:
        raise ComputeMisconfigured(
            f"The client of {service} needs a region: set AWS_DEFAULT_REGION, or choose another backend with "
            "the run tag compute."
        ) from error


@contextmanager
def aws_errors(request: str) -> Iterator[None]:
    """Raise our errors instead of boto's; `request` begins the sentence (`Glue, asked to start etl,`).

    Raises:
        PlatformUnavailable: no connection, no room or no credentials yet, after all retries.
        PlatformRefused: any other answer that is none.
    """
    try:
        yield
    except ClientError as error:
        answer: Any = error.response
        code, message = answer["Error"].get("Code"), answer["Error"].get("Message")
        later = code in _BUSY or answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500
        kind = PlatformUnavailable if later else PlatformRefused
        raise kind(f"{request} refused ({code}): {message}") from error
    except BotoCoreError as error:
        raise PlatformUnavailable(f"{request} could not be reached: {error}") from error
