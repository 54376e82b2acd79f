"""What ends a run of Waves. A batch or a page that fails ends none: its CAMs get `BATCH_FAILED`.

No sentence names a secret, and none has a client's exception as its cause, which would hold headers.
"""


class WavesMisconfigured(ValueError):
    """Waves cannot be asked with this configuration or these scores; nothing has been asked."""


class WavesRefused(PermissionError):
    """The service answered, and refused: the login, or the list of segments."""


class WavesUnavailable(ConnectionError):
    """The service could not be reached, was overloaded or failed, after all retries."""


class IdentityUnavailable(RuntimeError):
    """No identity token can be had. It ends nothing: the service is asked without one."""
