"""What holds for every handler that comes with the product."""

from assets.discovery.handler_modules import import_handler, own_handlers
from assets.discovery.job_model import OWN_HANDLERS


def test_the_shipped_handlers_are_these_and_all_of_them_can_be_imported():
    names = ["extract", "fetch", "report", "score", "tickers", "transcript"]
    assert own_handlers() == names
    versions = {name: import_handler(f"{OWN_HANDLERS}.{name}").version for name in names}
    assert all(version.partition("+")[0] == "1" for version in versions.values())
    assert [name for name in names if "+" in versions[name]] == ["tickers"]
