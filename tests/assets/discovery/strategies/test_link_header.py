"""The Link header, as RFC 8288 lets it be written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.strategies.link_header import next_link

BASE = "https://api.example.com/items?page=1"
NEXT = "https://api.example.com/items?page=2"


@pytest.mark.parametrize(
    "header",
    [
        f'<{NEXT}>; rel="next"',
        f"<{NEXT}>;rel=next",
        f'<{NEXT}> ; REL = "Next"',
        f'<{NEXT}>; rel="last next"',
        '<?page=2>; rel="next"',
        f'<https://api.example.com/>; rel="first", <{NEXT}>; rel="next"',
        f'<{NEXT}>; rel="next", <https://api.example.com/9>; rel="last"',
        f'<https://api.example.com/1>; title="a, <b>; rel=next"; rel="prev", <{NEXT}>; rel="next"',
        f'<https://api.example.com/1>; title="a \\", <b>; rel=\\"next\\""; rel=prev,<{NEXT}>; rel=next',
        f"<{NEXT}>; title*=UTF-8''a%2Cb; crossorigin; rel=\"next\"",
        f'<{NEXT}>; rel="next"; rel="prev"',
        f'<{NEXT}>; rel="next"; anchor="?page=1"',
        f'<https://x.example/>; rel="next"; anchor="https://x.example/other", <{NEXT}>; rel="next"',
    ],
)
def test_the_next_page_is_found_however_it_is_written(header):
    assert next_link(header, BASE) == NEXT


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        f"<{NEXT}>",
        f'<{NEXT}>; rel="prev"',
        f'<{NEXT}>; rel="prev"; rel="next"',
        f'<{NEXT}>; title="rel=next"',
        f'<{NEXT}>; rel="nextish"',
        f'<{NEXT}>; rel="next"; anchor="#part"',
        '<http://[x>; rel="next"',
        '<https://x/>; title="never closed; rel=next',
    ],
)
def test_what_names_no_next_page_gives_none(header):
    assert next_link(header, BASE) is None


@given(st.text(alphabet='<>;,="\\ relnxt', max_size=60))
def test_any_header_is_read_without_an_error_and_behind_it_the_real_link_is_found(junk):
    next_link(junk, BASE)
    closed = junk.replace('"', "").replace("<", "").replace(">", "")
    if "next" not in closed:
        assert next_link(f'{closed}, <{NEXT}>; rel="next"', BASE) == NEXT
