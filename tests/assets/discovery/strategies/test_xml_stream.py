"""Large documents of XML: what is behind the reader is not kept."""

from io import BytesIO

import pytest

from assets.discovery.strategies.xml_stream import all_text, own_text, read_elements
from assets.failures import PermanentFailure

DOCUMENT = b"""<?xml version="1.0"?><list xmlns="urn:a" xmlns:b="urn:b"><!-- c -->
<item><name>one <i>and</i>\n half</name></item><other/><item/><b:item/>
<group><item><b:name>x</b:name></item></group>
</list>"""


def test_the_elements_that_are_asked_for_come_whole_from_wherever_they_are():
    stream = read_elements(BytesIO(DOCUMENT), ("item",), "It")
    assert (stream.root, stream.namespace) == ("list", "urn:a")
    assert [own_text(element, "name") for element in stream.elements] == ["one and half", "", ""]


def test_what_was_read_is_forgotten():
    content = b"<list>" + b"<item><a>text</a></item><other/>" * 100 + b"</list>"
    for element in read_elements(BytesIO(content), ("item",), "It").elements:
        before = list(element.itersiblings(preceding=True))
        assert len(before) <= 2
        assert not any(len(each) for each in before)


def test_text_has_single_spaces_and_no_comments():
    (element,) = read_elements(BytesIO(b"<a><b> x<!-- y -->\n<c>z</c> </b></a>"), ("b",), "It").elements
    assert all_text(element) == ""  # Asked for behind the end, it is empty by then.
    stream = read_elements(BytesIO(b"<a><b> x<!-- y -->\n<c>z</c> </b></a>"), ("b",), "It")
    assert [all_text(element) for element in stream.elements] == ["x z"]


@pytest.mark.parametrize(
    "content", [b"", b"   ", b"<!-- x -->", b"text", b"<a>", b"<a>&undeclared;</a>", b"<a b=1/>"]
)
def test_what_is_not_well_formed_is_refused(content):
    with pytest.raises(PermanentFailure, match="It is no well-formed XML"):
        list(read_elements(BytesIO(content), ("b",), "It").elements)
