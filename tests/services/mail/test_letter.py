from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.mail.errors import BadLetter
from app.services.mail.letter import HEAD, Letter

LONG = 200_000


def parse(head: bytes | str) -> Letter:
    return Letter.parse(head.encode() if isinstance(head, str) else head, key="k")


def test_a_letter_tells_who_sent_it_and_what_about() -> None:
    letter = parse("From: Bob <bob@example.org>\nSubject: Lunch\nMessage-ID: <1@x>\n\nHi")

    assert (letter.sender, letter.subject) == ("bob@example.org", "Lunch")
    assert (letter.message_id, letter.has_invitation) == ("<1@x>", False)


def test_encoded_words_are_read() -> None:
    letter = parse(
        "From: b@example.org\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= =?latin-1?b?5A==?=\n\n"
    )

    assert letter.subject == "Grüßeä"


def test_utf8_in_a_header_is_read() -> None:
    assert parse("From: b@example.org\nSubject: Grüße\n\n").subject == "Grüße"


def test_the_first_of_two_fields_counts() -> None:
    letter = parse("From: b@example.org\nSubject: one\nSubject: two\n\n")

    assert letter.subject == "one"


@pytest.mark.case(59)
@pytest.mark.parametrize(
    "subject",
    [
        "=?no-such-charset?q?Hi?=",
        "=?hex?q?4869?=",
        "=?utf-8?b?!!!?=",
        "=?utf-8?b?A?=",
        "=?utf-7?q?+2AA-?=",
        "=?unicode_escape?q?=5Cud800?=",
        "=?idna?q?xn--=2E=2E?=",
        "=?punycode?q?" + "a" * 500 + "-" + "9" * 400 + "?=",
        "=?utf-8?q?=0D=0ABcc:_eve@example.org?=",
        "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"),
    ],
)
def test_a_subject_in_no_readable_charset_is_one_printable_line(subject: str) -> None:
    letter = parse(f"From: b@example.org\nSubject: {subject}\n\n")

    letter.subject.encode()
    assert len(letter.subject.splitlines()) <= 1


@pytest.mark.case(59)
@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\n\n\n",
        b"\0" * 1000,
        b"Hello, no header here",
        b"Subject: from nobody\n\n",
        b"From:\n\n",
        b"From: b@example.org\n" + b"X-Filler: x\n" * 30_000,
        b"\xff\xfe" + "From: b@example.org\n\n".encode("utf-16-le"),
    ],
)
def test_what_is_no_mail_is_refused(head: bytes) -> None:
    with pytest.raises(BadLetter):
        parse(head)


def test_a_calendar_part_is_an_invitation() -> None:
    head = (
        'From: b@example.org\nContent-Type: multipart/mixed; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nCome!\n"
        "--b\nContent-type: text/calendar; method=REQUEST\n\n"
    )

    assert parse(head).has_invitation
    assert parse("From: b@x.org\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR").has_invitation
    assert not parse("From: b@x.org\n\nContent-Type: text/calendar\n").has_invitation


@pytest.mark.case(59)
@pytest.mark.parametrize(
    "head",
    [
        "From: b@x.org\nContent-Type: multipart/mixed; boundary=b\n\n"
        + "--b\nContent-Type: multipart/mixed; boundary=b\n\n" * 20_000,
        "From: b@x.org\nContent-Type: message/rfc822\n\n"
        + "Content-Type: message/rfc822\n\n" * 20_000,
        "From: b@x.org\nContent-Type: multipart/mixed; boundary=b\n\n" + "content-type: " * 70_000,
        "From: b@x.org\nContent-Type: multipart/mixed\n\n" + "content-type:" + " " * 1_000_000,
        "From: b@x.org\nSubject: " + "=?a?q?x" * (LONG // 7) + "\n\n",
        "From: b@x.org\nSubject: " + "=?" * (LONG // 2) + "\n\n",
        "From: " + '<("' * (LONG // 3) + "b@x.org\n\n",
        "From: " + "(" * LONG + "b@x.org\n\n",
        "From: b@x.org\n" + "a:\n" * (LONG // 3) + "\n",
        "From: b@x.org\nSubject: a\n" + " b\n" * (LONG // 3) + "\n",
        "From: b@x.org\n" + "\r" * LONG + "\n\n",
        "From: b@x.org\nSubject: hi\n\n" + "\r\n" * (HEAD // 2),
    ],
    ids=range(12),
)
def test_a_mail_made_to_be_slow_is_not(head: str) -> None:
    started = process_time()

    parse(head)

    assert process_time() - started < 1


@pytest.mark.case(59)
@given(st.binary(max_size=400) | st.binary(max_size=400).map(lambda b: b"From: b@x.org\n" + b))
def test_any_bytes_are_a_letter_or_refused(head: bytes) -> None:
    try:
        letter = parse(head)
    except BadLetter:
        return

    for text in (letter.sender, letter.subject, letter.message_id, *letter.headers.values()):
        text.encode()
        assert len(text.splitlines()) <= 1
