"""Handlers: modules that are imported once, with a version that says when old results are stale."""

import sys
from hashlib import sha256
from pathlib import Path

import pytest

from assets.discovery.config_problems import ConfigurationError
from assets.discovery.handler_modules import import_handlers
from assets.discovery.jobs_file import parse_jobs

GOOD = "HANDLER_VERSION = 1\ndef handle(work): return {}\n"


def jobs_with(*handlers):
    jobs = "".join(
        f"  - {{name: job_{n}, discovery: {{strategy: static_list, params: {{values: [a]}}}}, "
        f"stages: [{{name: work, handler: {handler}}}]}}\n"
        for n, handler in enumerate(handlers)
    )
    return parse_jobs(f"version: 1\njobs:\n{jobs}", Path("jobs.yaml"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a package of handlers that can be imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    # Else a source that changes within a second, and not in length, is read from the cache of the old one.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    folder = tmp_path / "shop_handlers"
    folder.mkdir()
    yield folder
    forget()


def forget():
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop_handlers"]:
        del sys.modules[name]


@pytest.fixture
def written(folder):
    """Write modules into the package, and import them as if anew, as handlers of one job each."""

    def load(**sources):
        for name, source in sources.items():
            (folder / f"{name}.py").write_text(source, encoding="utf-8")
        forget()
        return import_handlers(jobs_with(*(f"shop_handlers.{name}" for name in sources)))

    return load


@pytest.fixture
def version(written):
    """The effective version of a handler with this source."""
    return lambda source: written(one=source)["shop_handlers.one"].version


def mistakes(written, **sources):
    with pytest.raises(ConfigurationError) as caught:
        written(**sources)
    return caught.value.sentences


def test_a_handler_is_its_function_and_its_version(written):
    handler = written(one="HANDLER_VERSION = 3\nasync def handle(work): return {}\n")["shop_handlers.one"]
    assert (handler.module, handler.version) == ("shop_handlers.one", "3")
    assert handler.handle.__name__ == "handle"


def test_a_module_that_many_stages_use_is_imported_once(folder):
    (folder / "count.txt").write_text("", encoding="utf-8")
    source = f"open({str(folder / 'count.txt')!r}, 'a').write('x')\n{GOOD}"
    (folder / "one.py").write_text(source, encoding="utf-8")
    handlers = import_handlers(jobs_with("shop_handlers.one", "shop_handlers.one"))
    assert list(handlers) == ["shop_handlers.one"]
    assert (folder / "count.txt").read_text(encoding="utf-8") == "x"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("def handle(work): return {}\n", "must set HANDLER_VERSION to a whole number or a text"),
        ("HANDLER_VERSION = 1.5\ndef handle(work): return {}\n", "must set HANDLER_VERSION"),
        ("HANDLER_VERSION = True\ndef handle(work): return {}\n", "must set HANDLER_VERSION"),
        ("HANDLER_VERSION = ' '\ndef handle(work): return {}\n", "must set HANDLER_VERSION"),
        ("HANDLER_VERSION = 1\n", "the module has no function handle(work)"),
        ("HANDLER_VERSION = 1\nhandle = 3\n", "the module has no function handle(work)"),
        ("import no_such_library\n", "the module needs no_such_library, which is not installed"),
        ("def handle(:\n", "the module fails to import: SyntaxError"),
        ("1 / 0\n", "the module fails to import: ZeroDivisionError"),
        (f"VERSION_DEPS = 'x'\n{GOOD}", "VERSION_DEPS must be a list"),
        (f"VERSION_DEPS = [object()]\n{GOOD}", "neither path nor JSON"),
        (
            f"from pathlib import Path\nVERSION_DEPS = [Path('gone.txt')]\n{GOOD}",
            "gone.txt, which cannot be read",
        ),
    ],
)
def test_a_module_that_is_no_handler_is_named_with_the_stage_that_wants_it(written, source, sentence):
    (found,) = mistakes(written, one=source)
    assert found.startswith("handler shop_handlers.one (of job_0.work): ")
    assert sentence in found


def test_every_bad_handler_is_told_at_once(written):
    found = mistakes(written, one="x = 1\n", two=GOOD, three="HANDLER_VERSION = 1\n")
    assert [sentence.split(" ")[1] for sentence in found] == ["shop_handlers.one", "shop_handlers.three"]


def test_a_module_that_is_not_there_is_named():
    with pytest.raises(
        ConfigurationError, match=r"handler nowhere\.at_all \(of job_0\.work\): there is no such"
    ):
        import_handlers(jobs_with("nowhere.at_all"))


def test_a_bare_name_is_a_handler_of_the_product():
    with pytest.raises(
        ConfigurationError, match=r"handler assets\.discovery\.handlers\.no_such_one .*'no_such_one'"
    ):
        import_handlers(jobs_with("no_such_one"))


def test_the_version_that_counts_has_a_digest_of_the_dependencies(folder, version):
    (folder / "list.txt").write_bytes(b"A\nB\n")
    one_file = f"from pathlib import Path\nVERSION_DEPS = [Path('list.txt')]\n{GOOD}"
    assert version(one_file) == f"1+{sha256(b'A' + bytes([10]) + b'B' + bytes([10])).hexdigest()[:8]}"
    before = version(one_file)
    (folder / "list.txt").write_bytes(b"A\nC\n")
    assert version(one_file) != before


@pytest.mark.parametrize(
    "other",
    [
        f"VERSION_DEPS = ['model-b', 3]\n{GOOD}",
        f"VERSION_DEPS = ['model-a', 4]\n{GOOD}",
        f"VERSION_DEPS = ['model-a']\n{GOOD}",
        GOOD,
        "VERSION_DEPS = ['model-a', 3]\nHANDLER_VERSION = 2\ndef handle(work): return {}\n",
    ],
)
def test_another_dependency_or_number_is_another_version(version, other):
    assert version(f"VERSION_DEPS = ['model-a', 3]\n{GOOD}") != version(other)


def test_a_comment_changes_the_source_hash_and_not_the_version(written):
    plain = written(one=GOOD)["shop_handlers.one"]
    commented = written(one=f"# as before\n{GOOD}")["shop_handlers.one"]
    assert plain.version == commented.version == "1"
    assert plain.logic_hash != commented.logic_hash
    assert plain.logic_hash == sha256(GOOD.encode()).hexdigest()
