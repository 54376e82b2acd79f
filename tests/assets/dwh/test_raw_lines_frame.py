"""Raw lines on each engine: the rows and reasons of the rule for one line, whatever the objects hold."""

import gzip
import json
import pickle
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.dwh.decryptor import Base64Json, Decrypted, SqlFunction
from assets.dwh.frames.raw_lines import (
    DROPPED,
    READ,
    LineRule,
    RawObject,
    RawObjectOutOfReach,
    RawObjectUnreadable,
    failure_of,
    finished_lines,
)
from assets.dwh.raw_records import Kept, numbered_lines, transformed
from resources.object_store import LocalObjectStore
from tests.assets.dwh.raw_line_samples import CONTENTS, ObjectsInMemory, StoreOutOfReach, line
from tests.assets.dwh.transform_runs import PACIFIC

RUN_DAY = date(2025, 1, 15)
BEGINS = datetime(2025, 1, 15, 8, tzinfo=UTC)
# An example takes 0.1 s on Sail and some seconds on a JVM.
EXAMPLES = {
    engine: settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    for engine, examples in {"sail": 20, "jvm": 2}.items()
}
NAMES = ["a.json", "b.json.gz", "c", "d.gz"]
OBJECTS = st.lists(CONTENTS, min_size=1, max_size=4).map(
    lambda contents: dict(zip(NAMES, contents, strict=False))
)


def rule(reader, decryptor=None) -> LineRule:
    return LineRule(reader, decryptor or Base64Json(), PACIFIC, 5, RUN_DAY)


def objects(keys) -> list[RawObject]:
    return [RawObject("b", key, BEGINS + place * timedelta(minutes=5)) for place, key in enumerate(keys)]


def rows_of(spark, contents, decryptor=None) -> list[dict]:
    frame = finished_lines(spark, objects(contents), rule(ObjectsInMemory.of(contents), decryptor))
    return frame.toArrow().to_pylist()


def expected_lines(contents) -> Counter:
    """What the rule for one line gives, in plain Python."""
    lines: Counter = Counter()
    for found in objects(contents):
        for number, raw in numbered_lines(contents[found.key]):
            outcome = transformed(raw, Base64Json(), PACIFIC, 5)
            is_kept = isinstance(outcome, Kept)
            lines[
                outcome.category if is_kept else DROPPED,
                str(outcome.day if is_kept else RUN_DAY),
                None if is_kept else outcome.reason,
                int(found.begins.timestamp()),
                json.dumps(outcome.record if is_kept else outcome.record(raw, found.key, number)),
            ] += 1
    return lines


def lines_of(rows) -> Counter:
    columns = ("category", "day", "reason", "begins")
    return Counter(
        (*(row[name] for name in columns), json.dumps(json.loads(row["value"])))
        for row in rows
        if row["category"] != READ
    )


def register_decryptor(spark) -> SqlFunction:
    """A function of the cluster that decrypts as `Base64Json` does, but gives null where nothing is found."""

    def decrypt(view: str | None, image_id: str | None, data: str | None) -> dict[str, str] | None:
        places = Base64Json().decrypt(view, image_id, data)
        if places.failed:
            return None
        return {
            "locationspec": places.locationspec or "",
            "mediaid": places.mediaid,
            "msp": places.msp,
            "mspid": places.mspid,
        }  # type: ignore[dict-item]

    spark.udf.register(
        "decrypt_image", decrypt, "locationspec string, mediaid string, msp string, mspid string"
    )
    return SqlFunction("decrypt_image")


def test_every_engine_gives_what_the_rule_gives(either_spark, either_resource):
    @EXAMPLES[either_resource.engine]
    @given(contents=OBJECTS)
    def holds(contents):
        rows = rows_of(either_spark, contents)
        assert lines_of(rows) == expected_lines(contents)
        assert {row["unit"]: (row["nth"], row["size"]) for row in rows if row["category"] == READ} == {
            key: (len(list(numbered_lines(content))), len(ObjectsInMemory.of({key: content}).stored[key]))
            for key, content in contents.items()
        }

    holds()


def test_a_function_of_the_cluster_gives_the_same_lines(either_spark, either_resource):
    function = register_decryptor(either_spark)

    @EXAMPLES[either_resource.engine]
    @given(contents=OBJECTS)
    def holds(contents):
        assert lines_of(rows_of(either_spark, contents, function)) == expected_lines(contents)

    holds()


def test_lines_are_numbered_within_their_output_and_unit_of_work(spark):
    contents = {
        f"{number:03}.json": b"\n".join([line(), line(processor="x"), b"{"] * 50) for number in range(40)
    }
    rows = [row for row in rows_of(spark, contents) if row["category"] != READ]
    assert lines_of(rows) == expected_lines(contents)
    places = defaultdict(list)
    for row in rows:
        places[row["category"], row["day"], row["unit"]].append(row["nth"])
        assert row["size"] == len(row["value"].encode()) + 1
    assert len(rows) == 40 * 150
    assert len({row["unit"] for row in rows}) > 1
    assert all(sorted(found) == list(range(len(found))) for found in places.values())


def test_the_plain_rule_and_the_workers_have_one_limit_of_nesting(spark):
    """The stack of a worker is another one than that of a test, and must not decide."""
    contents = {"a": b"\n".join(line(record={"other": nested(depth)}) for depth in (10, 499, 500, 700))}
    rows = rows_of(spark, contents)
    assert lines_of(rows) == expected_lines(contents)
    assert sum(row["reason"] == "extract_corrupt_json" for row in rows) == 2


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_a_line_is_written_in_schema_order_and_on_one_line(spark):
    (row,) = (
        row
        for row in rows_of(spark, {"a": line(media="é\n\u2028", userid="u\r1")})
        if row["reason"] is None and row["category"] != READ
    )
    assert row["value"].startswith(
        '{"eventTime":"2025-01-15T08:07:33Z","event_time":"2025-01-15T08:07:33Z","pk":"p1_u\\r1","data":{"projectguid"'
    )
    assert row["value"].endswith(
        '"msp":null,"mspid":null,"mediaid":"é\\n\u2028","locationspec":null},"5min":5,"year":"2025","month":"01","day":"15","hour":"08","min":"05"}'
    )
    assert not {"\n", "\r"} & set(row["value"])


def test_many_members_of_a_gzip_file_are_all_read(spark):
    reader = ObjectsInMemory(
        {"a.gz": gzip.compress(line() + b"\n") + gzip.compress(line("m2")), "empty.gz": b""}
    )
    frame = finished_lines(spark, objects(reader.stored), rule(reader))
    assert frame.where("category = 'nautilus'").count() == 2


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        (gzip.compress(line() * 50)[:-20], "EOFError"),
        (line(), "BadGzipFile"),
        (gzip.compress(line())[:12] + b"\xff" * 40, "error: "),
        (gzip.compress(line()) + b"x", "BadGzipFile"),
    ],
    ids=["cut", "not compressed", "broken", "something after it"],
)
def test_a_broken_gzip_file_fails_the_run_and_is_named(spark, stored, told):
    reader = ObjectsInMemory({"good.json": line(), "day/broken.json.gz": stored})
    failure = failure_in(spark, reader, reader.stored)
    assert isinstance(failure, RawObjectUnreadable)
    assert str(failure).startswith("Raw object b/day/broken.json.gz cannot be read (")
    assert told in str(failure)
    assert str(failure).endswith("put it there whole, or remove it, and run the window again")


def test_an_object_that_is_gone_fails_the_run_and_is_named_on_each_engine(either_spark):
    failure = failure_in(either_spark, ObjectsInMemory(), ["gone.json"])
    assert isinstance(failure, RawObjectUnreadable)
    assert "b/gone.json" in str(failure)


def test_a_store_that_does_not_answer_is_worth_another_try(spark):
    failure = failure_in(spark, StoreOutOfReach(), ["a.json"])
    assert isinstance(failure, RawObjectOutOfReach)
    reason = "ConnectionError: no route to host"
    assert str(failure) == f"Raw object b/a.json is out of reach ({reason}); run the window again later"


def test_other_errors_of_an_engine_are_not_taken_for_one_of_an_object():
    assert failure_of(ValueError("no such column")) is None


def failure_in(spark, reader, keys):
    with pytest.raises(Exception, match="Raw object") as caught:
        finished_lines(spark, objects(keys), rule(reader)).count()
    return failure_of(caught.value)


def test_a_rule_with_an_object_store_is_sent_to_workers(tmp_path):
    sent = pickle.loads(pickle.dumps(rule(LocalObjectStore(root=str(tmp_path)))))
    sent.reader.put_bytes("bucket", "key", b"x")
    assert sent.reader.read_bytes("bucket", "key") == b"x"


def test_no_objects_give_no_lines(spark):
    assert rows_of(spark, {}) == []


@pytest.mark.parametrize("name", ["", "a b", "f(x)", "1f", "a..b", "a.b.c.d", "drop--"])
def test_what_is_no_name_of_a_function_is_refused(name):
    with pytest.raises(ValueError, match="no name of an SQL function"):
        SqlFunction(name)


def test_names_of_functions_may_have_a_catalogue_and_a_schema():
    assert SqlFunction("main.keys.decrypt_1").name == "main.keys.decrypt_1"
    assert Decrypted.of_object({"mediaid": 3}).failed
