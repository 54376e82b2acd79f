"""What ends an attempt to open a ledger. Each message is one sentence with the file, the rule, the remedy."""


class LedgerUnusable(Exception):
    """A ledger cannot be kept here: a bad name, an SQLite that is too old, a network file system."""


class LedgerAbsent(LedgerUnusable):
    """There is no such ledger yet: who only reads takes it for empty."""
