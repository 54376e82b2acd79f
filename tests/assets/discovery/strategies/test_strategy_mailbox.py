"""Mailboxes: mbox, maildir and single mails, as people and programs really write them."""

import base64
import mailbox
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.keys import text_key
from assets.discovery.strategies.mailbox import Mailbox
from assets.failures import PermanentFailure
from tests.assets.discovery.strategies.source_worlds import Source, assert_a_second_read_changes_nothing

SEPARATOR = "From alice@example.com Sun Mar  1 09:00:00 2026\n"
FIRST = (
    "Message-ID: <one@example.com>\nFrom: Alice <alice@example.com>\nTo: bob@example.com\n"
    "Date: Sun, 01 Mar 2026 09:00:00 +0100\nSubject: =?utf-8?q?Caf=C3=A9?=\n\n"
    "Hello.\n\n>From here on it is quoted.\n>>From there twice.\n\nFrom this line on it is only a sentence.\n"
)
SECOND = "Message-ID: <two@example.com>\nFrom: bob@example.com\nSubject: Re\n\nBye.\n"


def mbox_text(*mails: str) -> str:
    return "".join(f"{SEPARATOR}{mail}\n" for mail in mails)


def mbox(path: Path, content: str | bytes, **params: object) -> Source:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Source(Mailbox(), {"path": str(path)} | params, timezone="America/New_York")


def test_an_mbox_gives_its_mails_and_a_sentence_that_begins_with_from_is_none(tmp_path):
    source = mbox(tmp_path / "in.mbox", mbox_text(FIRST, SECOND))
    read = source.read()
    assert read.keys == ["one@example.com", "two@example.com"]
    first = read.candidates[0]
    assert (first.title, first.published_at) == ("Café", 1_772_352_000_000)
    assert first.data == {
        "message_id": "one@example.com",
        "from": "Alice <alice@example.com>",
        "to": "bob@example.com",
        "cc": "",
        "date": "Sun, 01 Mar 2026 09:00:00 +0100",
        "subject": "Café",
        "text": "Hello.\n\nFrom here on it is quoted.\n>From there twice.\n\n"
        "From this line on it is only a sentence.\n",
        "html": "",
        "attachments": [],
    }
    assert not read.is_complete
    assert source.cursor is not None
    assert source.cursor["offset"] == (tmp_path / "in.mbox").stat().st_size
    assert_a_second_read_changes_nothing(source)
    assert source.read().keys == []


def test_an_appended_mail_is_read_from_the_offset(tmp_path):
    path = tmp_path / "in.mbox"
    source = mbox(path, mbox_text(FIRST))
    source.read()
    with path.open("a") as file:
        file.write(mbox_text(SECOND))
    assert source.read().keys == ["two@example.com"]
    assert_a_second_read_changes_nothing(source)


@pytest.mark.parametrize(
    "content",
    [mbox_text(SECOND), mbox_text(SECOND, FIRST), mbox_text(FIRST.replace("Hello", "Howdy"), SECOND)],
    ids=["shorter", "sorted anew", "edited"],
)
def test_an_mbox_that_changed_otherwise_is_read_from_the_top(tmp_path, content):
    path = tmp_path / "in.mbox"
    source = mbox(path, mbox_text(FIRST))
    source.read()
    path.write_text(content)
    assert len(source.read().keys) == content.count("Message-ID")


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n\n\n"])
def test_the_last_mail_may_end_in_any_number_of_line_feeds(tmp_path, end):
    path = tmp_path / "in.mbox"
    content = (mbox_text(FIRST) + SEPARATOR + SECOND).rstrip("\n") + end
    source = mbox(path, content)
    assert source.read().keys == ["one@example.com", "two@example.com"]
    assert source.read().keys == []
    path.write_text(content.rstrip("\n") + "\n\n" + mbox_text(FIRST.replace("one@", "three@")))
    assert source.read().new == ["three@example.com"]


def test_a_mail_that_was_half_written_is_read_again_when_it_is_whole(tmp_path):
    path = tmp_path / "in.mbox"
    whole = mbox_text(FIRST, SECOND)
    source = mbox(path, whole[:-3])
    source.read()
    path.write_text(whole)
    assert source.read().data[-1]["text"] == "Bye.\n"


@given(cut=st.integers(0, len(mbox_text(FIRST, SECOND, FIRST.replace("one@", "three@")))))
def test_an_mbox_cut_anywhere_and_then_completed_loses_no_mail(tmp_path_factory, cut):
    whole = mbox_text(FIRST, SECOND, FIRST.replace("one@", "three@"))
    path = tmp_path_factory.mktemp("grow") / "in.mbox"
    source = mbox(path, whole[:cut])
    try:
        source.read()
    except PermanentFailure:
        assert cut < len("From alice@example.com")
    path.write_text(whole)
    last = {str(candidate.key): candidate for candidate in source.read().candidates}
    assert {"one@example.com", "two@example.com", "three@example.com"} <= set(source.known)
    assert "three@example.com" not in last or "sentence" in last["three@example.com"].data["text"]


@given(crashes=st.lists(st.integers(0, 3), max_size=4))
def test_a_crash_anywhere_repeats_and_never_skips(tmp_path_factory, crashes):
    content = mbox_text(FIRST, SECOND, FIRST.replace("one@", "three@"))
    source = mbox(tmp_path_factory.mktemp("crash") / "in.mbox", content)
    for crash_after in crashes:
        source.read(crash_after=crash_after)
    source.read()
    assert set(source.known) == {"one@example.com", "two@example.com", "three@example.com"}


def test_a_repeated_id_is_the_same_mail_and_a_limit_leaves_the_rest(tmp_path):
    source = mbox(tmp_path / "in.mbox", mbox_text(FIRST, FIRST, SECOND))
    assert source.read(limit=1).keys == ["one@example.com", "one@example.com"]
    assert source.read(limit=1).keys == ["two@example.com"]


def test_a_mail_without_an_id_is_known_by_sender_date_and_subject(tmp_path):
    mail = "From: a@example.com\nDate: Sun, 01 Mar 2026 09:00:00 -0000\nSubject: Hi\n\nx\n"
    read = mbox(tmp_path / "in.mbox", mbox_text(mail, "X-Other: 1\n\ny\n", "\nno header\n")).read()
    assert read.keys[0] == text_key("a@example.com", "Sun, 01 Mar 2026 09:00:00 -0000", "Hi")
    assert read.candidates[0].published_at == 1_772_355_600_000  # -0000 is UTC, whatever the job's zone
    assert read.keys[1].startswith("data:")
    ((position, reason),) = read.rejected
    assert position.startswith("byte ")
    assert "no header" in reason


@pytest.mark.parametrize(
    ("date", "published_at", "warnings"),
    [
        ("Sun, 01 Mar 2026 09:00:00", 1_772_373_600_000, 0),
        ("1 Mar 2026 09:00:00 GMT", 1_772_355_600_000, 0),
        ("the other day", None, 1),
        ("Sun, 32 Mar 2026 09:00:00 +0100", None, 1),
        ("", None, 1),
    ],
)
def test_a_date_without_a_zone_is_the_jobs_and_an_unreadable_one_is_a_warning(
    tmp_path, date, published_at, warnings
):
    header = f"Date: {date}\n" if date else ""
    read = mbox(tmp_path / "in.mbox", mbox_text(f"Message-ID: <a@b>\n{header}\nx\n")).read()
    assert read.candidates[0].published_at == published_at
    assert len(read.warnings) == warnings
    assert all("a@b" in text for _, text in read.warnings)


def mail_with_attachments() -> bytes:
    mail = EmailMessage()
    mail["Message-ID"] = "<with@example.com>"
    mail["Subject"] = "Two files"
    mail["Date"] = "Sun, 01 Mar 2026 09:00:00 +0000"
    mail.set_content("See below. Grüße")
    mail.add_alternative("<p>See below.</p>", subtype="html")
    mail.add_attachment(b"\x00\x01", maintype="application", subtype="pdf", filename="Übersicht.pdf")
    inner = EmailMessage()
    inner["Subject"] = "inner"
    inner.set_content("forwarded")
    mail.add_attachment(inner)
    return mail.as_bytes()


def test_attachments_are_things_of_their_own_when_they_are_wanted(tmp_path):
    content = SEPARATOR.encode() + mail_with_attachments()
    plain = mbox(tmp_path / "in.mbox", content).read()
    assert plain.keys == ["with@example.com"]
    assert plain.data[0]["text"] == "See below. Grüße\n"
    assert plain.data[0]["html"] == "<p>See below.</p>\n"
    assert [part["name"] for part in plain.data[0]["attachments"]] == ["Übersicht.pdf", ""]
    read = mbox(tmp_path / "in.mbox", content, attachments=True).read()
    assert read.keys == ["with@example.com", "with@example.com#1", "with@example.com#2"]
    pdf, forwarded = read.data[1:]
    assert (pdf["name"], pdf["type"], pdf["bytes"], pdf["base64"]) == (
        "Übersicht.pdf",
        "application/pdf",
        2,
        "AAE=",
    )
    assert b"forwarded" in base64.b64decode(forwarded["base64"])
    assert forwarded["type"] == "message/rfc822"


def test_mails_that_break_the_rules_of_headers_and_encodings_are_still_read(tmp_path):
    mails = [
        b"Message-ID: <a@b> (comment)\nSubject: =?x-unknown?q?abc?=\nFrom: caf\xe9\nDate: x\n\nx",
        b"Message-ID:\n <c@d>\nContent-Type: text/plain; charset=x-unknown\n\ncaf\xe9",
        b"Message-ID: e@f\nContent-Type: multipart/mixed; boundary=none\n\nno parts",
        b"Message-ID: <g@h>\nContent-Transfer-Encoding: base64\n\n%%%not base64%%%",
    ]
    content = b"".join(SEPARATOR.encode() + mail + b"\n\n" for mail in mails)
    read = mbox(tmp_path / "in.mbox", content).read()
    assert read.keys == ["a@b", "c@d", "e@f", "g@h"]
    assert read.data[1]["text"] == "caf\ufffd\n"
    assert read.rejected == []


@given(st.binary(max_size=300))
def test_any_bytes_behind_a_separator_are_a_mail_or_rejected_and_never_an_error(tmp_path_factory, content):
    source = mbox(tmp_path_factory.mktemp("any") / "in.mbox", SEPARATOR.encode() + content, attachments=True)
    read = source.read()
    assert read.keys or read.rejected


def test_separators_of_many_programs_are_understood(tmp_path):
    separators = [
        "From MAILER-DAEMON Fri Jul  8 12:08:34 2011",
        "From 1234567890@xxx Sat Nov 21 16:15:20 +0000 2026",
        "From - Thu Jan  1 00:00 1970",
        "From alice@example.com Sun Mar  1 09:00:00 2026 remote from host",
        "From bob@example.com",
    ]
    mails = (f"{line}\nMessage-ID: <{n}@x>\n\nbody\n\n" for n, line in enumerate(separators))
    assert len(mbox(tmp_path / "in.mbox", "".join(mails)).read().keys) == len(separators)


def test_what_is_no_mbox_or_not_there_fails_by_name_and_an_empty_one_is_empty(tmp_path):
    with pytest.raises(PermanentFailure, match=r"in\.mbox is no mbox"):
        mbox(tmp_path / "in.mbox", "Subject: x\n\nx\n").read()
    with pytest.raises(PermanentFailure, match=r"none\.mbox"):
        Source(Mailbox(), {"path": str(tmp_path / "none.mbox")}).read()
    assert mbox(tmp_path / "in.mbox", "").read().keys == []


def test_a_maildir_and_a_folder_of_mails_give_the_same_mails(tmp_path):
    maildir = mailbox.Maildir(tmp_path / "maildir", create=True)
    folder = tmp_path / "eml"
    (folder / "deeper").mkdir(parents=True)
    for name, mail in (("a.eml", FIRST), ("deeper/b.EML", SECOND), (".c.eml", SECOND), ("d.txt", SECOND)):
        (folder / name).write_text(mail)
    maildir.add(FIRST)
    maildir.add(SECOND)
    for path, format_ in ((tmp_path / "maildir", "maildir"), (folder, "eml")):
        source = Source(Mailbox(), {"path": str(path), "format": format_})
        read = source.read()
        assert sorted(read.keys) == ["one@example.com", "two@example.com"]
        # Nothing was quoted here, so nothing is unquoted.
        assert any(">From here" in data["text"] for data in read.data)
        assert not read.is_complete
        assert_a_second_read_changes_nothing(source)
    assert Source(Mailbox(), {"path": str(folder / "a.eml"), "format": "eml"}).read().keys == [
        "one@example.com"
    ]
    with pytest.raises(PermanentFailure, match="none"):
        Source(Mailbox(), {"path": str(tmp_path / "none"), "format": "maildir"}).read()
