"""What can go wrong with a warehouse, whichever variant it is.

Only `WarehouseUnavailable` is worth another try, later: the clients inside the variants have already tried
several times. Not here: the meaning of a client's own exceptions, which is each variant's `_translate`.
"""


class StatementRefused(ValueError):
    """The engine refuses a statement, as written or for the rows it met; file and line are named."""


class ReadOnly(StatementRefused):
    """A warehouse that only reads was asked to change a table."""


class TableNotFound(LookupError):
    """A table that a statement names does not exist."""


class SchemaMismatch(ValueError):
    """A frame, or a table that exists already, does not have the columns that are declared."""


class AccessRefused(PermissionError):
    """The warehouse answered, and refused: credentials, roles, file permissions."""


class WarehouseUnavailable(ConnectionError):
    """The warehouse could not be reached, is held by another process or failed, after all retries."""
