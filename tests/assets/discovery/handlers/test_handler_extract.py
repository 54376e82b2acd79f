"""`extract`: plain text, title and words of what people really publish."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.contract import Skip
from assets.discovery.handlers import extract
from assets.discovery.keys import canonical_json
from assets.failures import PermanentFailure
from tests.assets.discovery.handlers.works import a_document, a_work


def extracted(body, kind="text/html"):
    result = extract.handle(a_document(body, kind))
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one  two\nthree</p><p>four", "one two three\nfour"),
        ("<p>a<b>b</b>c <i>d</i></p>", "abc d"),
        ("<p>a<br>b<br/>c", "a\nb\nc"),
        ("<ul><li>a<li>b</ul>", "a\nb"),
        ("<table><tr><td>a<td>b<tr><td>c</table>", "a b\nc"),
        ("<p>a &amp; b&nbsp;c &lt;d&gt; &eacute;", "a & b c <d> é"),
        ("<p>seen<script>1 < 2</script><style>p{}</style><!-- c --><noscript>n</noscript> too", "seen too"),
        ("<p>seen<svg><title>s</title><text>t</text></svg>", "seen"),
        ("<p>seen <template>x</template><iframe>y</iframe>tail", "seen tail"),
        ("<div><p>a</div></p></span>b", "a\nb"),
        ("<p title='<b>'>a", "a"),
        ("<p>a<p", "a"),
        ("<p>a<!-- c -->b<?php c ?>d", "abd"),
        ("<strange>a</strange><stranger>b</stranger>", "a\nb"),
        ('<?xml version="1.0" encoding="iso-8859-1"?><html><p>é', "é"),
        ('<html><meta charset="iso-8859-1"><p>é', "é"),
        (
            "<ix:header><ix:hidden>0</ix:hidden></ix:header><p>Revenue <ix:nonFraction>12</ix:nonFraction>m",
            "Revenue 12m",
        ),
        ("<p>\ud800x", "?x"),
    ],
)
def test_what_a_reader_sees_is_kept_a_line_for_each_block(html, text):
    assert extracted(html)["text"] == text


@pytest.mark.parametrize(
    ("html", "title"),
    [
        ("<title> A\n &amp; B </title><h1>C</h1><p>x", "A & B"),
        ("<title> </title><h1>C <i>D</i></h1>", "C D"),
        ("<p>x", None),
    ],
)
def test_the_title_is_that_of_the_page_else_its_first_heading(html, title):
    assert extracted(html)["title"] == title


def test_without_a_title_of_its_own_a_document_has_that_of_the_item():
    result = extract.handle(a_work(title="Filing", inputs={"fetch": {"type": "text/plain", "body": "x"}}))
    assert result == {"title": "Filing", "text": "x", "words": 1}


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        ("<b>x</b>", "application/xhtml+xml", "x"),
        ("a <p> b", "text/plain", "a <p> b"),
        ("<!DOCTYPE html><p>x", "", "x"),
        (
            "<SEC-DOCUMENT>1.txt\n<TYPE>10-K\n<TEXT>\n<HTML><BODY><P>Hi</BODY></HTML>",
            "text/plain",
            "1.txt\n10-K\nHi",
        ),
        ('{"a": "<html5>"}', "application/json", '{"a": "<html5>"}'),
        ("\ufeff\r\n  a\r\n\r\nb\rc\n\n", "text/plain", "  a\n\nb\nc"),
    ],
)
def test_html_is_known_by_its_type_or_its_content_and_text_keeps_its_lines(body, kind, text):
    assert extracted(body, kind)["text"] == text


def test_a_page_as_deep_as_the_parser_allows_is_read_whole():
    assert extracted("<div>" * 250 + "deep" + "</div>" * 250 + "<p>after")["text"] == "deep\nafter"


def test_words_are_what_white_space_separates():
    assert extracted("<p>one, two-three<p>4")["words"] == 3


@pytest.mark.parametrize("body", ["", "  \n", "<html></html>", "<!-- c -->", "<title>only</title>"])
def test_a_document_that_says_nothing_is_skipped(body):
    assert extract.handle(a_document(body, "text/html")) == Skip("too short: 0 of at least 1 words")


def test_what_is_shorter_than_the_params_ask_for_is_skipped():
    work = a_work(data={"text": "one two"}, params={"min_words": "3"})
    assert extract.handle(work) == Skip("too short: 2 of at least 3 words")


@pytest.mark.parametrize(
    ("data", "params", "text"),
    [
        ({"text": "plain", "html": "<p>rich"}, {}, "plain"),
        ({"text": " ", "html": "<p>rich <b>text"}, {}, "rich text"),
        ({"description": ["one", "", "two", None]}, {}, "one\ntwo"),
        ({"abstract": "a", "note": "n"}, {"fields": ["note"]}, "n"),
        ({"summary": "<!doctype html><p>x"}, {}, "x"),
    ],
)
def test_without_a_document_the_text_is_that_of_the_data(data, params, text):
    result = extract.handle(a_work(data=data, params=params))
    assert isinstance(result, dict)
    assert result["text"] == text


def test_a_document_that_is_no_text_is_refused_and_names_its_type():
    work = a_work(inputs={"fetch": {"type": "application/pdf", "base64": "JVBERg=="}})
    with pytest.raises(
        PermanentFailure, match="stage fetch read for episode-7 is application/pdf and no text"
    ):
        extract.handle(work)


@pytest.mark.parametrize(
    "html", ["<div>" * 100_000 + "deep", "<p>" + "x" * 11_000_000, "<p a='" + "x" * 11_000_000 + "'>text"]
)
def test_a_page_beyond_the_limits_of_the_parser_is_refused_and_not_cut_silently(html):
    with pytest.raises(PermanentFailure, match="episode-7 cannot be read to its end"):
        extracted(html)


def test_entities_of_a_document_type_are_never_expanded():
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b SYSTEM "file:///etc/hosts">]><html><p>&a;|&b;'
    assert extracted(bomb)["text"].endswith("&a;|&b;")


@pytest.mark.parametrize("params", [{"min_words": 0}, {"min_words": "many"}, {"fields": "text"}])
def test_wrong_params_are_refused_by_name(params):
    with pytest.raises(PermanentFailure, match=next(iter(params))):
        extract.handle(a_work(data={"text": "x"}, params=params))


@given(st.text(st.characters() | st.sampled_from("<>&/!-;'\"\x00"), max_size=80))
def test_any_text_is_read_as_html_into_lines_without_blanks_around_them(body):
    result = extract.handle(a_document(body, "text/html"))
    if isinstance(result, Skip):
        return
    canonical_json(result)
    assert all(line and line == line.strip() for line in result["text"].split("\n"))


@given(st.lists(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1), min_size=1))
def test_paragraphs_come_back_as_lines(paragraphs):
    html = "".join(f"<p>{text.replace('&', '&amp;').replace('<', '&lt;')}</p>" for text in paragraphs)
    assert extracted(html)["text"].split("\n") == paragraphs
