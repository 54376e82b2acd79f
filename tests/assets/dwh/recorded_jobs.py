"""Jobs that write down what happens to them, for the tests of hooks and of factories."""

from assets.dwh.routing import AbstractJob


class Recording(AbstractJob):
    """Writes down what happens to it; what it is given as an error is raised at that place."""

    def __init__(self, **errors):
        self.calls = []
        self.errors = errors

    def happen(self, what, *told):
        self.calls.append((what, *told))
        if error := self.errors.get(what):
            raise error

    def on_success(self, results):
        self.happen("on_success", results)

    def on_failure(self, error_message):
        self.happen("on_failure", error_message)


class J(Recording):
    """The job of the worked examples."""

    def execute_job(self):
        self.happen("execute")
        return {"rows": 1}


class TakingA(Recording):
    """A job that takes one argument and returns it."""

    def execute_job(self, a):
        self.happen("execute")
        return a


def notes_of(error):
    return "\n".join(getattr(error, "__notes__", []))
