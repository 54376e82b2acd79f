"""The things that the jobs file lists."""

from assets.discovery.strategies.static_list import StaticList
from tests.assets.discovery.strategies.source_worlds import Source, assert_a_second_read_changes_nothing


def test_a_scalar_is_its_own_key_and_an_object_has_fields():
    values = ["NO", "07", {"id": 7, "title": "x", "url": "https://example.com/a"}]
    source = Source(StaticList(key_field="id"), {"values": values})
    read = source.read()
    assert read.keys == ["NO", "07", "7"]
    assert read.data[:2] == [{"value": "NO"}, {"value": "07"}]
    assert (read.candidates[2].title, read.candidates[2].url) == ("x", "https://example.com/a")
    assert read.is_complete
    assert_a_second_read_changes_nothing(source)


def test_values_without_a_key_are_rejected_by_their_position_and_the_others_go_on():
    read = Source(StaticList(), {"values": ["a", "", None, ["b"], "c"]}).read()
    assert read.keys == ["a", "c"]
    assert [position for position, _ in read.rejected] == ["value 2", "value 3", "value 4"]
    assert "empty" in read.rejected[0][1]


def test_an_object_without_key_field_is_known_by_its_data():
    assert Source(StaticList(), {"values": [{"id": 7, "title": "x"}]}).read().keys == [
        "data:08b7180481311dfa"
    ]
