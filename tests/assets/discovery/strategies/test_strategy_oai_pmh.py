"""Repositories: lists over several pages, tokens that are forgotten, and where the next window begins."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.contract import RateLimited
from assets.discovery.handlers import extract
from assets.discovery.strategies.oai_pmh import OaiPmh
from assets.failures import PermanentFailure, TransientFailure
from tests.assets.discovery.handlers.works import a_work
from tests.resources.http.web_server import Answer

DC = (
    '<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/">{}</oai_dc:dc>'
)
BEGAN = "2026-03-01T12:00:00Z"


def record(name: str, metadata: str = "", datestamp: str = "2026-02-28T10:00:00Z", status: str = "") -> str:
    flag = f' status="{status}"' if status else ""
    header = f"<identifier>oai:x:{name}</identifier><datestamp>{datestamp}</datestamp><setSpec>s:a</setSpec>"
    body = f"<metadata>{DC.format(metadata)}</metadata>" if not status else ""
    return f"<record><header{flag}>{header}</header>{body}</record>"


def answer(content: str, began: str = BEGAN) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
        f'<responseDate>{began}</responseDate><request verb="ListRecords">https://x</request>{content}</OAI-PMH>'
    ).encode()


def page(*records: str, token: str | None = None, began: str = BEGAN) -> bytes:
    end = "" if token is None else f'<resumptionToken cursor="0">{token}</resumptionToken>'
    return answer(f"<ListRecords>{''.join(records)}{end}</ListRecords>", began)


def error(code: str, text: str = "") -> bytes:
    return answer(f'<error code="{code}">{text}</error>')


class Repository:
    """Answers by the token that is asked for; `first` is the beginning of a list."""

    def __init__(self, site) -> None:
        self.site = site
        self.pages: dict[str, list[bytes]] = {}
        site.server.answers = _ByToken(self)

    def next_for(self, path: str) -> Answer:
        token = parse_qs(urlsplit(path).query).get("resumptionToken", ["first"])[0]
        coming = self.pages[token]
        return Answer(200, coming.pop(0) if len(coming) > 1 else coming[0])

    def asked(self) -> list[dict[str, str]]:
        paths = (asked.path for asked in self.site.server.asked)
        return [{k: v[0] for k, v in parse_qs(urlsplit(path).query).items()} for path in paths]


class _ByToken(dict):
    def __init__(self, repository: Repository) -> None:
        super().__init__()
        self.repository = repository

    def get(self, path, default=None):
        return [self.repository.next_for(path)]


@pytest.fixture
def repository(site) -> Repository:
    return Repository(site)


def harvest(repository: Repository, params=None, **job):
    url = f"{repository.site.url}/oai"
    return repository.site.source(OaiPmh(), url, {"robots": False} | dict(params or {}), **job)


METADATA = (
    "<dc:title>On\n things</dc:title><dc:title>Andere Sprache</dc:title><dc:creator>Doe, A.</dc:creator>"
    "<dc:creator>Roe, B.</dc:creator><dc:description>We show it.</dc:description>"
    "<dc:description>Comment: 3 pages</dc:description>"
    "<dc:date>2026-02-20</dc:date><dc:date>2026-02-10</dc:date>"
    "<dc:identifier>doi:10.1/x</dc:identifier><dc:identifier>https://www.example.org/abs/1</dc:identifier>"
    "<dc:type>text</dc:type><dc:subject/>"
)


def test_a_record_says_what_dublin_core_says(repository):
    repository.pages["first"] = [page(record("1", METADATA))]
    read = harvest(repository).read()
    (candidate,) = read.candidates
    assert candidate.data == {
        "title": "On things",
        "creators": ["Doe, A.", "Roe, B."],
        "description": "We show it.\n\nComment: 3 pages",
        "dates": ["2026-02-20", "2026-02-10"],
        "identifiers": ["doi:10.1/x", "https://www.example.org/abs/1"],
        "types": ["text"],
        "oai_identifier": "oai:x:1",
        "datestamp": "2026-02-28T10:00:00Z",
        "sets": ["s:a"],
    }
    assert (candidate.key, candidate.title, candidate.url, candidate.published_at) == (
        "oai:x:1",
        "On things",
        "https://www.example.org/abs/1",
        1_770_681_600_000,
    )
    assert not read.is_complete
    extracted = extract.handle(a_work(data=candidate.data, title=candidate.title, params={}))
    assert extracted == {"title": "On things", "text": "We show it.\n\nComment: 3 pages", "words": 6}


def test_other_formats_are_read_by_the_names_of_their_elements(repository):
    metadata = (
        '<arXiv xmlns="http://arxiv.example/OAI/arXiv/"><id>9901.1</id><created>2026-02-01</created><authors>'
        "<author><keyname>Doe</keyname><forenames>A.</forenames></author></authors>"
        "<title>T</title><abstract> Words here </abstract></arXiv>"
    )
    header = "<header><identifier>oai:x:1</identifier><datestamp>2026-02-28</datestamp></header>"
    repository.pages["first"] = [page(f"<record>{header}<metadata>{metadata}</metadata></record>")]
    (candidate,) = harvest(repository, {"prefix": "arXiv"}).read().candidates
    assert candidate.data["authors"] == ["Doe A."]
    assert (candidate.data["abstract"], candidate.data["id"]) == ("Words here", "9901.1")
    assert candidate.published_at == 1_769_904_000_000
    assert repository.asked()[0]["metadataPrefix"] == "arXiv"


def test_pages_are_followed_by_their_tokens_alone_until_an_empty_one(repository):
    repository.pages = {
        "first": [page(record("1"), token="a|b=1&amp;c")],
        "a|b=1&c": [page(record("2"), token="two", began="2026-03-01T12:01:00Z")],
        "two": [page(record("3"), token="", began="2026-03-01T12:02:00Z")],
    }
    source = harvest(repository, {"set": "s:a", "from": "2026-01-01", "until": "2026-12-31"})
    read = source.read()
    assert read.keys == ["oai:x:1", "oai:x:2", "oai:x:3"]
    assert [mark.page for mark in read.marks] == [1, 2, 3]
    assert repository.asked() == [
        {
            "verb": "ListRecords",
            "metadataPrefix": "oai_dc",
            "set": "s:a",
            "from": "2026-01-01",
            "until": "2026-12-31",
        },
        {"verb": "ListRecords", "resumptionToken": "a|b=1&c"},
        {"verb": "ListRecords", "resumptionToken": "two"},
    ]
    # What changed while the list was read may not be in it: the next window begins where this one began.
    assert source.cursor == {"from": BEGAN}


def test_a_deleted_record_is_a_deleted_thing(repository):
    repository.pages["first"] = [page(record("1", METADATA), record("2", status="deleted"))]
    read = harvest(repository).read()
    assert [(candidate.key, candidate.deleted) for candidate in read.candidates] == [
        ("oai:x:1", False),
        ("oai:x:2", True),
    ]


@pytest.mark.parametrize(
    ("datestamp", "began", "until", "cursor", "asked"),
    [
        ("2026-02-28T10:00:00Z", BEGAN, None, BEGAN, BEGAN),
        ("2026-02-28", BEGAN, None, "2026-03-01", "2026-03-01"),
        ("2026-02-28T10:00:00Z", BEGAN, "2026-12-31", BEGAN, "2026-03-01"),
        ("2026-02-28", BEGAN, "2026-12-31T00:00:00Z", "2026-03-01", "2026-03-01T00:00:00Z"),
        ("2026-02-28T10:00:00Z", "2026-03-01T13:00:00.5+01:00", None, BEGAN, BEGAN),
    ],
)
def test_the_next_window_begins_when_the_last_was_answered_as_precisely_as_datestamps_are(
    repository, datestamp, began, until, cursor, asked
):
    repository.pages["first"] = [page(record("1", datestamp=datestamp), began=began), error("noRecordsMatch")]
    source = harvest(repository, {"until": until} if until else {})
    source.read()
    assert source.cursor == {"from": cursor}
    source.read()
    assert repository.asked()[1]["from"] == asked
    assert repository.asked()[1].get("until") == until


def test_a_window_that_is_over_is_not_asked_for_again(repository):
    repository.pages["first"] = [page(record("1"))]
    source = harvest(repository, {"from": "2026-01-01", "until": "2026-01-31"})
    source.read()
    cursor = source.cursor
    read = source.read()
    assert (len(repository.asked()), read.marks[-1].page, source.cursor) == (1, 0, cursor)


def test_no_records_are_no_error_and_the_window_stays(repository):
    repository.pages["first"] = [error("noRecordsMatch", "nothing")]
    source = harvest(repository, {"from": "2026-01-01"})
    read = source.read()
    assert (read.keys, source.cursor, [mark.page for mark in read.marks]) == ([], None, [1])
    repository.pages["first"] = [page(record("1")), error("noRecordsMatch"), page(record("2"))]
    source.read()
    cursor = source.cursor
    source.read()
    assert source.cursor == cursor
    assert source.read().keys == ["oai:x:2"]
    assert [asked["from"] for asked in repository.asked()] == ["2026-01-01", "2026-01-01", BEGAN, BEGAN]


def test_a_forgotten_token_begins_the_window_anew_once(repository):
    repository.pages = {
        "first": [
            page(record("1"), token="t"),
            page(record("1"), record("2"), token="u", began="2026-03-02T00:00:00Z"),
        ],
        "t": [error("badResumptionToken", "expired")],
        "u": [page(record("3"))],
    }
    source = harvest(repository)
    read = source.read()
    assert (read.new, source.cursor) == (["oai:x:1", "oai:x:2", "oai:x:3"], {"from": "2026-03-02T00:00:00Z"})
    assert "badResumptionToken: expired. The list is read again" in read.warnings[0][1]
    repository.pages["u"] = [error("badResumptionToken")]
    repository.pages["first"] = [page(record("1"), token="t"), page(record("1"), token="u")]
    source = harvest(repository)
    with pytest.raises(TransientFailure, match="It did so twice"):
        source.read()


def test_a_token_of_a_list_that_begins_anew_may_come_again(repository):
    repository.pages = {
        "first": [page(record("1"), token="t")],
        "t": [page(record("2"), token="u")],
        "u": [error("badResumptionToken"), page(record("3"))],
    }
    assert harvest(repository).read().new == ["oai:x:1", "oai:x:2", "oai:x:3"]


def test_a_bad_token_that_nobody_sent_is_refused(repository):
    repository.pages["first"] = [error("badResumptionToken")]
    with pytest.raises(PermanentFailure, match="badResumptionToken"):
        harvest(repository).read()
    assert len(repository.asked()) == 1


def test_a_list_that_was_cut_by_the_cap_goes_on_where_it_ended(repository):
    repository.pages = {
        "first": [page(record("0"), token="1")],
        **{str(n): [page(record(str(n)), token=str(n + 1), began="2026-03-05T00:00:00Z")] for n in (1, 2, 3)},
        "4": [page(record("4"), began="2026-03-05T00:00:00Z")],
    }
    source = harvest(repository, max_pages=2)
    assert source.read().keys == ["oai:x:0", "oai:x:1"]
    read = source.read()
    assert (read.keys, source.cursor) == (
        ["oai:x:2", "oai:x:3"],
        {"from": None, "token": "4", "began": BEGAN},
    )
    assert "more than max_pages 2 pages" in read.warnings[0][1]
    assert (source.read().keys, source.cursor) == (["oai:x:4"], {"from": BEGAN})


def test_a_cursor_of_another_set_is_not_gone_on_from(repository):
    repository.pages["first"] = [page(record("1"))]
    source = harvest(repository, {"set": "a"})
    source.read()
    source.params = {**source.params, "set": "b"}
    source.read()
    assert [asked.get("from") for asked in repository.asked()] == [None, None]


def test_a_token_that_comes_twice_is_refused(repository):
    repository.pages = {"first": [page(record("1"), token="t")], "t": [page(record("2"), token="t")]}
    with pytest.raises(PermanentFailure, match="resumptionToken t twice"):
        harvest(repository).read()


def test_a_repository_that_says_no_time_is_read_from_the_same_day_again(repository):
    repository.pages["first"] = [page(record("1"), began="now")]
    source = harvest(repository, {"from": "2026-01-01"})
    assert "says no responseDate" in source.read().warnings[0][1]
    assert source.cursor is None


def test_dates_that_are_none_are_told_and_records_without_an_id_are_rejected(repository):
    nameless = "<record><header><datestamp>2026-02-28</datestamp></header></record>"
    repository.pages["first"] = [page(nameless, record("1", "<dc:date>circa 1990</dc:date>"), "<record/>")]
    read = harvest(repository).read()
    assert (read.keys, read.candidates[0].published_at) == (["oai:x:1"], None)
    assert "The record oai:x:1 has no date but 'circa 1990'" in read.warnings[0][1]
    assert [position for position, _ in read.rejected] == ["record 1", "record 3"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (error("badArgument", "no such set"), "refuses with badArgument: no such set"),
        (error("cannotDisseminateFormat"), "refuses with cannotDisseminateFormat."),
        (answer("<Identify/>"), "answers with no ListRecords"),
        (b"<html><body/></html>", "is no answer of an OAI-PMH repository: its first element is html"),
        (b"not XML", "is no well-formed XML"),
        (page(record("1"))[:-20], "is no well-formed XML"),
    ],
)
def test_what_is_no_list_fails_by_its_name(repository, body, sentence):
    repository.pages["first"] = [body]
    source = harvest(repository)
    with pytest.raises(PermanentFailure, match="/oai") as caught:
        source.read()
    assert sentence in str(caught.value)
    assert source.cursor is None


def test_a_repository_that_asks_to_wait_keeps_the_page_that_it_was_at(repository):
    repository.pages = {"first": [page(record("1"), token="t")], "t": [page(record("2"))]}
    answers, repository.next_for = (
        repository.next_for,
        lambda path: (
            Answer(503, headers=(("Retry-After", "20"),)) if "resumptionToken" in path else answers(path)
        ),
    )
    source = harvest(repository)
    with pytest.raises(RateLimited) as caught:
        source.read()
    assert caught.value.retry_after_s == 20
    repository.next_for = answers
    assert source.read().keys == ["oai:x:2"]


def test_a_base_url_may_have_parameters_of_its_own(repository):
    repository.pages["first"] = [page(record("1"))]
    repository.site.source(OaiPmh(), f"{repository.site.url}/oai?db=7", {"robots": False}).read()
    assert repository.asked()[0] == {"db": "7", "verb": "ListRecords", "metadataPrefix": "oai_dc"}


def test_a_file_is_a_list_of_one_page(site, tmp_path):
    path = tmp_path / "records.xml"
    path.write_bytes(page(record("1")))
    assert site.source(OaiPmh(), str(path)).read().keys == ["oai:x:1"]
    path.write_bytes(page(record("1"), token="t"))
    with pytest.raises(PermanentFailure, match="its list goes on in another"):
        site.source(OaiPmh(), str(path)).read()


@given(
    sizes=st.lists(st.integers(0, 3), min_size=1, max_size=4),
    crashes=st.lists(st.integers(0, 6), max_size=3),
    max_pages=st.integers(1, 5),
)
def test_a_crash_anywhere_repeats_and_never_skips(site_of_module, sizes, crashes, max_pages):
    repository = Repository(site_of_module)
    for number, size in enumerate(sizes):
        records = (record(f"{number}-{n}") for n in range(size))
        token = f"t{number + 1}" if number + 1 < len(sizes) else None
        repository.pages[f"t{number}" if number else "first"] = [page(*records, token=token)]
    source = harvest(repository, max_pages=max_pages)
    for crash_after in crashes:
        source.read(crash_after=crash_after)
    for _ in sizes:
        source.read()
    assert len(source.known) == sum(sizes)


def test_a_limit_takes_every_record_once(repository):
    repository.pages = {"first": [page(*map(record, "abc"), token="t")], "t": [page(*map(record, "de"))]}
    source = harvest(repository)
    assert [len(source.read(limit=2).new) for _ in range(3)] == [2, 2, 1]
