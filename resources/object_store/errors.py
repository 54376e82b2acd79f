"""What can go wrong with an object store, whichever variant it is.

Each error is also the built-in exception that a plain file would raise, so code that knows files needs no new
names. Only `StoreUnavailable` is worth another try, later: the clients inside the variants have already tried
several times. Not here: the meaning of a client's own exceptions, which is each variant's `_translate`.
"""


class InvalidKey(ValueError):
    """The bucket, key or prefix breaks a rule of `names`, or cannot exist beside the objects there are."""


class ObjectNotFound(FileNotFoundError):
    """The object, or its bucket, does not exist."""


class AccessRefused(PermissionError):
    """The store answered, and refused: credentials, a policy, file permissions, a link out of the root."""


class PreconditionFailed(OSError):
    """A conditional write found another state than it named, or an object was replaced while being read."""


class StoreUnavailable(ConnectionError):
    """The store could not be reached, was overloaded or failed, after all retries."""


class StoreBusy(StoreUnavailable):
    """Another holder has the folder that was to be held alone."""
