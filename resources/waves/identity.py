"""Who we are, to a service on Google Cloud: an OIDC identity token of the account that this machine has.

`google.auth` is imported when a token is wanted: a local run has no cloud library.
"""

from functools import partial
from typing import Any

from resources.waves.errors import IdentityUnavailable

_SECONDS = 10


def google_identity_token(audience: str) -> str:
    """A token for the service at this address, valid for an hour. Raises `IdentityUnavailable`."""
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request
    from google.oauth2.id_token import fetch_id_token

    request: Any = partial(Request(), timeout=_SECONDS)  # The library's own time-out is 120 s.
    try:
        token = fetch_id_token(request, audience)
    except (GoogleAuthError, OSError, ValueError) as error:
        raise IdentityUnavailable(
            f"Google gave no identity token ({type(error).__name__}); set GOOGLE_APPLICATION_CREDENTIALS or "
            "run as a service account."
        ) from None
    if not token:
        raise IdentityUnavailable("Google gave an empty identity token; check the account.")
    return token
