"""The three kinds of failure, told apart by what helps: trying again, a person, or waiting.

The message of each is one sentence that names the input, the rule and the remedy; it is all that a person
sees in the web UI, in an alert and on the command line.

Not here: what Dagster does with each kind (`assets.retries`). An exception of any other class is a defect of
ours and passes through everything unchanged, with its traceback.
"""


class QuintetFailure(Exception):
    """A failure that the code foresaw. Raise one of the three kinds below, or a subclass of them."""


class TransientFailure(QuintetFailure):
    """The same call may succeed soon: a connection was lost, a service was busy, a process was killed."""


class PermanentFailure(QuintetFailure):
    """Trying again cannot help: a person has to change the input, the configuration or a permission."""


class NotReady(QuintetFailure):
    """Nothing failed: what this work needs is not there yet. The sentence says what is waited for."""
