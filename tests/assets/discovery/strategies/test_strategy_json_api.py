"""Listings in JSON: every way of paging, where a listing goes on, and where it ends."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.discovery.contract import AuthFailure, RateLimited
from assets.discovery.strategies.json_api import JsonApi
from assets.failures import PermanentFailure, TransientFailure
from tests.assets.discovery.strategies.source_worlds import assert_a_second_read_changes_nothing
from tests.resources.http.web_server import Answer, Raw


def things(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": number, "title": f"Thing {number}"} for number in numbers]


def page_of(*numbers: int, **more: Any) -> str:
    return json.dumps({"data": {"things": things(*numbers)}} | more)


def source_of(
    site, url: str, paging: dict[str, Any] | None = None, strategy: JsonApi | None = None, **job: Any
):
    params = {"items": "data.things", "key": ["id"], **job.pop("params", {})}
    if paging:
        params["paging"] = paging
    return site.source(strategy or JsonApi(), url, params, **job)


def lay_out(site, mode: str, pages: Sequence[Sequence[int]], size: int = 2) -> tuple[str, dict[str, Any]]:
    """Lay out pages as an API of that mode would; the URL of the first, and the paging that reads them."""
    last = len(pages)
    if mode in ("page", "offset"):
        for number in range(last + 1):
            where = number + 1 if mode == "page" else number * size
            body = page_of(*(pages[number] if number < last else ()))
            site.answer(f"/things?{mode}={where}", body)
        site.answer("/things", page_of(*pages[0]))
        return f"{site.url}/things", {"mode": mode, "size": size}
    for number, numbers in enumerate(pages, start=1):
        more: dict[str, Any] = {"next": None}
        headers: dict[str, str] = {}
        if number < last:
            more["next"] = f"t{number + 1}" if mode == "token" else f"/things?at=t{number + 1}"
            headers = (
                {"Link": f'<?at=t{number + 1}>; rel="next", </things>; rel="first"'} if mode == "link" else {}
            )
        path = "/things" if number == 1 else f"/things?at=t{number}"
        site.answer(path, page_of(*numbers, **({} if mode == "link" else more)), **headers)
    told = {"link": {}, "next_url": {"next": "next"}, "token": {"next": "next", "param": "at"}}
    return f"{site.url}/things", {"mode": mode, **told[mode]}


MODES = ("link", "next_url", "token", "page", "offset")


def test_a_listing_without_pages_is_read_whole(site):
    source = source_of(site, site.answer("/things", page_of(1, 2)))
    found = source.read()
    assert found.keys == ["1", "2"]
    assert (found.data[0], found.candidates[0].title) == ({"id": 1, "title": "Thing 1"}, "Thing 1")
    assert source.cursor == {"page": 1}
    assert not found.is_complete
    assert_a_second_read_changes_nothing(source)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_reads_all_pages_in_order(site, mode):
    source = source_of(site, *lay_out(site, mode, [(1, 2), (3, 4), (5,)]))
    found = source.read()
    assert found.keys == ["1", "2", "3", "4", "5"]
    assert found.warnings == []
    assert [mark.page for mark in found.marks][:3] == [1, 2, 3]
    assert source.cursor == {"page": 1}
    assert_a_second_read_changes_nothing(source)


@pytest.mark.parametrize("mode", MODES)
def test_a_limit_never_passes_what_was_not_taken(site, mode):
    source = source_of(site, *lay_out(site, mode, [(1, 2), (3, 4), (5,)]))
    taken, cursors = [], []
    for _ in range(5):
        taken += source.read(limit=1).new
        cursors.append((source.cursor or {}).get("page"))
    assert taken == ["1", "2", "3", "4", "5"]
    assert cursors == [None, 2, 2, 3, 1]


@pytest.mark.parametrize("mode", MODES)
def test_after_the_page_cap_the_listing_goes_on_where_it_stopped(site, mode):
    source = source_of(site, *lay_out(site, mode, [(1, 2), (3, 4), (5,)]), max_pages=2)
    assert source.read().keys == ["1", "2", "3", "4"]
    assert source.cursor is not None
    assert source.cursor["page"] == 3
    assert len([path for path in site.server.paths() if path.startswith("/things")]) == 2
    assert source.read().new == ["5"]
    assert source.cursor == {"page": 1}
    assert source.read().keys == ["1", "2", "3", "4"]


@pytest.mark.parametrize("mode", MODES)
def test_a_crash_within_a_page_repeats_it_and_loses_nothing(site, mode):
    source = source_of(site, *lay_out(site, mode, [(1, 2), (3, 4), (5,)]))
    source.read(crash_after=3)
    assert (set(source.known), (source.cursor or {}).get("page")) == ({"1", "2"}, 2)
    assert source.read().new == ["3", "4", "5"]


@pytest.mark.parametrize("mode", MODES)
def test_a_listing_ends_after_a_page_without_a_new_key_and_begins_anew(site, mode):
    source = source_of(site, *lay_out(site, mode, [(1, 2), (3, 4), (5,)]), stop_when_seen=True)
    assert source.read().new == ["1", "2", "3", "4", "5"]
    assert source.read().keys == ["1", "2"]
    assert source.cursor == {"page": 1}
    site.answer("/things", page_of(6, 1))
    if mode in ("page", "offset"):
        assert source.read().new == ["6"]


def test_what_came_twice_in_one_listing_is_not_new_the_second_time(site):
    source = source_of(site, *lay_out(site, "page", [(1, 2), (2, 1), (3,)]), stop_when_seen=True)
    assert source.read().keys == ["1", "2", "2", "1"]
    assert source.cursor == {"page": 1}


# The end.


def test_a_token_that_comes_again_ends_the_listing_with_a_warning(site):
    for path, numbers, token in [
        ("/things", (1,), "b"),
        ("/things?at=b", (2,), "c"),
        ("/things?at=c", (3,), "b"),
        ("/things?at=d", (4,), None),
    ]:
        site.answer(path, page_of(*numbers, next=token))
    paging = {"mode": "token", "next": "next", "param": "at"}
    source = source_of(site, f"{site.url}/things", paging)
    found = source.read()
    assert found.keys == ["1", "2", "3"]
    assert source.cursor == {"page": 1}
    assert "page 3 names as the next one a page that was read already" in found.warnings[0][1]


@pytest.mark.parametrize("mode", ["link", "next_url"])
def test_a_page_that_names_itself_ends_the_listing(site, mode):
    site.answer("/things?at=b", page_of(2, next=f"{site.url}/things?at=b"), Link="</things?at=b>; rel=next")
    url = site.answer("/things", page_of(1, next="/things?at=b"), Link="</things?at=b>; rel=next")
    paging = {"mode": mode, "next": "next"} if mode == "next_url" else {"mode": mode}
    found = source_of(site, url, paging).read()
    assert (found.keys, len(found.warnings)) == (["1", "2"], 1)


@pytest.mark.parametrize("mode", MODES)
def test_an_empty_page_ends_the_listing(site, mode):
    source = source_of(site, *lay_out(site, mode, [(1, 2), (), (3,)]))
    assert source.read().keys == ["1", "2"]
    assert source.cursor == {"page": 1}


def test_an_api_that_answers_its_last_page_for_ever_is_not_read_for_ever(site):
    for number in (2, 3, 4):
        site.answer(f"/things?page={number}", page_of(3))
    source = source_of(site, site.answer("/things", page_of(1, 2)), {"mode": "page"})
    found = source.read()
    assert found.keys == ["1", "2", "3"]
    assert "page 3 is the same as the one before" in found.warnings[0][1]
    assert source.cursor == {"page": 1}


@pytest.mark.parametrize("end", [False, None, "", 0, []])
def test_a_flag_may_say_that_a_page_is_the_last(site, end):
    site.answer("/things?page=2", page_of(3, more=end))
    url = site.answer("/things", page_of(1, more=True))
    assert source_of(site, url, {"mode": "page", "next": "more"}).read().keys == ["1", "3"]
    assert site.asked("/things?page=3") == 0


@pytest.mark.parametrize("end", [None, "", False])
def test_a_token_that_says_nothing_is_the_end(site, end):
    url = site.answer("/things", page_of(1, next=end))
    assert source_of(site, url, {"mode": "token", "next": "next", "param": "at"}).read().keys == ["1"]


def test_a_token_may_be_a_number_and_zero(site):
    site.answer("/things?at=0", page_of(2, next=17))
    site.answer("/things?at=17", page_of(3))
    url = site.answer("/things", page_of(1, next=0))
    assert source_of(site, url, {"mode": "token", "next": "next", "param": "at"}).read().keys == [
        "1",
        "2",
        "3",
    ]


# Where pages are.


def test_page_and_size_are_parameters_of_the_query_beside_the_others(site):
    paging = {"mode": "page", "param": "p", "size_param": "n", "size": 2}
    for number, numbers in enumerate([(1, 2), (3, 4), ()]):
        site.answer(f"/things?q=x+y&p={number}&n=2", page_of(*numbers))
    found = source_of(site, f"{site.url}/things?q=x%20y&p=0", paging).read()
    assert found.keys == ["1", "2", "3", "4"]
    asked = [parse_qs(urlsplit(path).query) for path in site.server.paths() if path.startswith("/things")]
    assert asked == [{"q": ["x y"], "p": [str(number)], "n": ["2"]} for number in range(3)]


def test_offsets_without_a_size_go_by_what_came(site):
    for path, numbers in [("/things", (1, 2, 3)), ("/things?offset=3", (4,)), ("/things?offset=4", ())]:
        site.answer(path, page_of(*numbers))
    source = source_of(site, f"{site.url}/things", {"mode": "offset"}, max_pages=1)
    assert source.read().keys == ["1", "2", "3"]
    assert source.cursor == {"page": 2, "next": "3"}
    assert source.read().keys == ["4"]
    assert source.cursor == {"page": 3, "next": "4"}
    assert source.read().keys == []
    assert source.cursor == {"page": 1}


def test_a_place_that_is_lost_is_begun_anew_with_a_warning(site):
    source = source_of(site, *lay_out(site, "token", [(1, 2), (3, 4), (5,)]), max_pages=2)
    source.read()
    site.answers("/things?at=t3", Answer(400, b"expired"))
    found = source.read()
    assert found.keys == ["1", "2", "3", "4"]
    assert "read from its first page again" in found.warnings[0][1]


def test_who_is_refused_does_not_begin_anew(site):
    source = source_of(site, *lay_out(site, "token", [(1, 2), (3, 4), (5,)]), max_pages=2)
    source.read()
    site.answers("/things?at=t3", Answer(403))
    before = source.cursor
    with pytest.raises(AuthFailure):
        source.read()
    assert source.cursor == before


@pytest.mark.parametrize(
    "cursor", [{}, {"page": 0}, {"page": "x"}, {"page": 3}, {"page": 3, "next": 7}, {"url": "x"}]
)
def test_a_cursor_that_names_no_page_is_the_beginning(site, cursor):
    source = source_of(site, *lay_out(site, "token", [(1, 2), (3,)]))
    source.cursor = cursor
    assert source.read().keys == ["1", "2", "3"]


def test_a_credential_of_the_job_is_sent_to_every_page_and_never_stored(site):
    pages = {f"/things?at=b&key={key}": page_of(2, next=None) for key in ("secret", "other")}
    for path, body in pages.items():
        site.answer(path, body)
    url = site.answer("/things?key=secret", page_of(1, next=f"{site.url}/things?at=b&key=secret"))
    source = source_of(site, url, {"mode": "next_url", "next": "next"}, max_pages=1)
    source.read()
    assert source.cursor == {"page": 2, "next": f"{site.url}/things?at=b"}
    source.read()
    assert sorted(parse_qs(urlsplit(site.server.paths()[-1]).query).items()) == [
        ("at", ["b"]),
        ("key", ["secret"]),
    ]

    site.answer("/things?key=secret", page_of(1, next=f"{site.url}/things?at=b&key=other"))
    source.read()
    assert source.cursor == {"page": 2}


# Items and keys.


@pytest.mark.parametrize(
    ("items", "key", "body", "keys"),
    [
        ("@", "@", ["a", 7, "7"], ["a", "7", "7"]),
        ("[*]", ["a", "b.c"], [{"a": 1, "b": {"c": "x"}}], ["1|x"]),
        ("data", "id", {"data": [{"id": 7}]}, ["7"]),
        ("data[?live]", "id", {"data": [{"id": 1, "live": True}, {"id": 2}]}, ["1"]),
        ("data || `[]`", "id", {}, []),
    ],
)
def test_items_and_keys_are_what_the_expressions_say(site, items, key, body, keys):
    url = site.answer("/x", json.dumps(body))
    assert source_of(site, url, params={"items": items, "key": key}).read().keys == keys


def test_a_scalar_is_a_value(site):
    found = source_of(site, site.answer("/x", '["a"]'), params={"items": "@", "key": "@"}).read()
    assert found.data == [{"value": "a"}]


def test_an_item_without_a_key_is_rejected_with_its_place_and_the_others_go_on(site):
    body = {
        "data": {
            "things": [{"id": 1}, {"id": None}, {}, {"id": " "}, {"id": [1]}, {"id": {"a": 1}}, {"id": 2}]
        }
    }
    found = source_of(site, site.answer("/x", json.dumps(body))).read()
    assert found.keys == ["1", "2"]
    assert [position for position, _ in found.rejected] == [f"page 1, item {n}" for n in range(2, 7)]
    assert found.rejected[0][1] == "id gives no key"


def test_a_changed_item_has_another_content_hash(site):
    source = source_of(site, site.answer("/x", page_of(1)))
    source.read()
    before = dict(source.known)
    site.answer("/x", json.dumps({"data": {"things": [{"id": 1, "title": "Other"}]}}))
    assert source.read().new == []
    assert source.known != before


# What is asked.


def test_a_body_is_posted_as_json_and_as_it_is(site):
    url = site.answer("/x", page_of(1))
    source_of(site, url, params={"method": "POST", "body": {"q": ["é"]}}).read()
    asked = site.server.asked[-1]
    assert (asked.method, json.loads(asked.body)) == ("POST", {"q": ["é"]})
    assert (asked.headers["Content-Type"], asked.headers["Accept"]) == (
        "application/json",
        "application/json",
    )
    source_of(
        site,
        url,
        params={"method": "POST", "body": "q=1", "headers": {"Content-Type": "text/x", "accept": "a/b"}},
    ).read()
    asked = site.server.asked[-1]
    assert (asked.body, asked.headers.get_all("Content-Type")) == (b"q=1", ["text/x"])
    assert asked.headers.get_all("Accept") == ["a/b"]


def test_only_a_listing_without_pages_is_asked_for_its_changes(site):
    one = Answer(200, page_of(1).encode(), (("ETag", '"1"'),))
    source = source_of(site, site.answers("/x", one, Answer(304)))
    source.read()
    again = source.read()
    assert (again.candidates, [mark.page for mark in again.marks]) == ([], [0])
    assert source.cursor == {"page": 1}

    paged = source_of(site, site.answers("/x", one), {"mode": "link"})
    paged.read()
    paged.read()
    assert paged.validators == {}
    assert site.server.asked[-1].headers["If-None-Match"] is None


def test_a_listing_may_be_a_file(site, tmp_path):
    file = tmp_path / "x.json"
    file.write_text(page_of(1))
    assert source_of(site, str(file)).read().keys == ["1"]


# What goes wrong.


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<html/>", "no JSON"),
        ('{"data": {"things": [', "no JSON"),
        ('{"error": "quota"}', r"has nothing where data\.things should give a list"),
        ('{"data": {"things": {}}}', "a value of type dict"),
    ],
)
def test_what_is_no_such_listing_fails_and_the_place_is_kept(site, body, text):
    source = source_of(site, *lay_out(site, "page", [(1, 2), (3, 4)]))
    site.answer("/things?page=2", body)
    with pytest.raises(PermanentFailure, match=f"on page 2 .*{text}"):
        source.read()
    assert (source.cursor, set(source.known)) == ({"page": 2}, {"1", "2"})


def test_a_next_page_that_is_no_link_fails(site):
    url = site.answer("/x", page_of(1, next={"a": 1}))
    with pytest.raises(PermanentFailure, match="should give the next page"):
        source_of(site, url, {"mode": "next_url", "next": "next"}).read()


def test_an_expression_that_does_not_fit_the_answer_fails(site):
    url = site.answer("/x", page_of(1))
    with pytest.raises(PermanentFailure, match="cannot be searched"):
        source_of(site, url, params={"items": "keys(data.things)"}).read()


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (Answer(429, b"", (("Retry-After", "3"),)), RateLimited),
        (Answer(500), TransientFailure),
        (Answer(200, b""), PermanentFailure),
        (Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), TransientFailure),
    ],
)
def test_a_page_that_fails_leaves_the_ones_before_it(site, answer, failure):
    source = source_of(site, *lay_out(site, "page", [(1, 2), (3, 4)]))
    site.answers("/things?page=2", answer)
    with pytest.raises(failure):
        source.read()
    assert source.cursor == {"page": 2}
    lay_out(site, "page", [(1, 2), (3, 4)])
    assert source.read().new == ["3", "4"]


def test_robots_are_honoured(site):
    site.answer("/robots.txt", "User-agent: *\nDisallow: /", "text/plain")
    with pytest.raises(PermanentFailure, match=r"robots\.txt"):
        source_of(site, site.answer("/x", page_of(1))).read()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True), min_size=1, max_size=5),
    st.sampled_from(MODES),
    st.integers(1, 4),
    st.integers(1, 3) | st.none(),
)
def test_however_it_is_cut_every_item_is_found_once(site_of_module, numbers, mode, max_pages, limit):
    pages = [[number + 10 * index for number in page] for index, page in enumerate(numbers)]
    site_of_module.server.answers.clear()
    url, paging = lay_out(site_of_module, mode, pages, size=3)
    source = source_of(site_of_module, url, paging, max_pages=max_pages)
    taken: list[str] = []
    for _ in range(40):
        taken += source.read(limit=limit).new
    assert sorted(taken) == sorted(str(number) for page in pages for number in page)
