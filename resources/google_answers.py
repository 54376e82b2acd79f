"""What the errors of Google's clients come to, for every service alike.

Imported only where such a client is really made. Not here: answers that mean something else in each service
(`object_store.gcs`, `warehouse.bigquery`).
"""

import requests
from google.api_core import exceptions as answers
from google.auth import exceptions as credentials

NO_CREDENTIALS = (credentials.DefaultCredentialsError, credentials.RefreshError)
UNAVAILABLE = (
    answers.RetryError,
    answers.ServerError,
    answers.TooManyRequests,
    credentials.TransportError,
    requests.ConnectionError,
    requests.Timeout,
    TimeoutError,
)


def no_credentials(location: str) -> str:
    """The sentence for one of `NO_CREDENTIALS`."""
    return (
        f"{location}: there are no valid Google credentials; set GOOGLE_APPLICATION_CREDENTIALS "
        "or run `gcloud auth application-default login`."
    )


def unavailable(location: str, service: str, seconds: float, error: Exception) -> str:
    """The sentence for one of `UNAVAILABLE`, which the client has met again and again for so many seconds."""
    return (
        f"{location}: {service} could not be reached or failed for {seconds:g} s ({type(error).__name__}); "
        "try again later."
    )
