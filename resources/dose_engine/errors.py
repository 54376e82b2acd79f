"""What can go wrong with a dose engine before it runs; what its run is worth is not judged here."""


class EngineError(Exception):
    """The engine cannot be started: it is not there, or not where it can work.

    Trying again does not help before a person has changed that; the message says what.
    """

    code = "no_evidence"

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)
