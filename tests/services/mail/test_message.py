from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.mail.errors import MailRefused
from app.services.mail.message import LONGEST_BODY, LONGEST_SUBJECT, MOST_RECIPIENTS, Message
from app.storage.address import Address

ANN = Address("ann@example.org")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HEADERS = [
    "Message-ID",
    "Date",
    "From",
    "To",
    "Subject",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
]


def wire(subject: str = "Hi", body: str = "Hello", to: tuple[Address, ...] = (ANN,)) -> bytes:
    message = Message(to=to, subject=subject, body=body)
    return message.as_bytes(sender=Address("me@example.org"), message_id="<1@x>", date=NOON)


def read(content: bytes) -> EmailMessage:
    return message_from_bytes(content, policy=default)


def body_of(content: bytes) -> str:
    payload = read(content).get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def test_a_plain_mail_reads_as_it_was_written() -> None:
    content = wire("Lunch at noon", "Hello Ann,\nsee you.\n")

    assert content.decode().split("\r\n") == [
        "Message-ID: <1@x>",
        "Date: Mon, 23 Nov 2026 12:00:00 +0000",
        "From: me@example.org",
        "To: ann@example.org",
        "Subject: Lunch at noon",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        "Hello Ann,",
        "see you.",
        "",
    ]


def test_the_same_mail_is_the_same_bytes() -> None:
    assert wire("Grüße", "x" * 500) == wire("Grüße", "x" * 500)


@pytest.mark.case(60)
@pytest.mark.parametrize(
    "subject",
    [
        "Hi\r\nBcc: eve@example.org",
        "Hi\n",
        "\nHi",
        "Hi\rBcc: eve@example.org",
        "Hi\0",
        "Hi\x7f",
        "Hi\x85Bcc: eve@example.org",
        "Hi\u2028Bcc: eve@example.org",
        "=?UTF-8?Q?=0A?=Bcc: eve@example.org",
        "=?UTF-8?Q?Hi=0D=0ABcc:_eve@example.org?=",
        "=?utf-8?b?SGkKQmNjOiBldmVAZXhhbXBsZS5vcmc=?=",
        "\ud800",
        "",
        "   ",
        "x" * (LONGEST_SUBJECT + 1),
    ],
)
def test_a_subject_that_could_forge_a_header_is_refused(subject: str) -> None:
    with pytest.raises(MailRefused, match="subject"):
        wire(subject)


@pytest.mark.parametrize("subject", ["=?utf-8?b?A?=", "=?", "what =?utf-8?q?=41?= means"])
def test_a_subject_that_only_looks_encoded_is_read_as_it_was_written(subject: str) -> None:
    assert str(read(wire(subject))["Subject"]) == subject


@pytest.mark.case(60)
@pytest.mark.parametrize(
    "to",
    [
        (),
        ("ann@example.org\r\nBcc: eve@example.org",),
        ("ann@example.org, eve@example.org",),
        ("ann@example.org", "Eve <eve@example.org>"),
        tuple(f"user{n}@example.org" for n in range(MOST_RECIPIENTS + 1)),
        tuple(f"user{n}@example.org" for n in range(10_000)),
    ],
)
def test_recipients_that_are_none_or_too_many_are_refused(to: tuple[str, ...]) -> None:
    with pytest.raises(MailRefused):
        wire(to=tuple(map(Address, to)))


@pytest.mark.parametrize("body", ["\ud800", "x" * (LONGEST_BODY + 1)])
def test_a_body_that_can_not_be_sent_is_refused_without_being_quoted(body: str) -> None:
    with pytest.raises(MailRefused) as caught:
        wire(body=body)

    assert len(str(caught.value)) < 100


def test_many_recipients_stand_in_one_header() -> None:
    to = tuple(Address(f"user{n}@example.org") for n in range(MOST_RECIPIENTS))

    message = read(wire(to=to))

    assert [each.addr_spec for each in message["to"].addresses] == list(to)


@pytest.mark.parametrize(
    "body", ["Hi\r\n.\r\nMAIL FROM:<eve@example.org>", "Hi\n.\nQUIT", "Hi\r.\rQUIT", ".", "..\n."]
)
def test_no_line_of_a_body_is_a_lone_dot(body: str) -> None:
    content = wire(body=body)

    assert b"\r\n.\r\n" not in content
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert b"\n" not in content.replace(b"\r\n", b"")


subjects = st.text(min_size=1, max_size=60) | st.lists(
    st.sampled_from(
        [
            "\r\n",
            "\n",
            "Bcc: e@x.org",
            "=?utf-8?q?",
            "=0A",
            "?=",
            "=?",
            " ",
            "é",
            "a" * 40,
            ":",
            "😀",
        ]
    ),
    min_size=1,
    max_size=12,
).map("".join)


@pytest.mark.case(60)
@given(subjects, st.text(max_size=300))
def test_whatever_is_said_no_header_appears_that_was_not_given(subject: str, body: str) -> None:
    try:
        content = wire(subject, body)
    except MailRefused:
        return

    message = read(content)
    assert message.keys() == HEADERS
    assert str(message["To"]) == ANN
    assert str(message["Subject"]).split() == subject.split()
    assert not message.defects
    unix = body.replace("\r\n", "\n").replace("\r", "\n")
    assert body_of(content).replace("\r\n", "\n").rstrip("\n") == unix.rstrip("\n")
    assert max(map(len, content.split(b"\r\n"))) <= 100


def test_a_mail_with_html_says_both_and_the_reader_chooses() -> None:
    message = Message(
        to=(Address("ann@example.org"),),
        subject="Hi",
        body="Grüße = a\n.\n--=_x",
        html="<p>Grüße = &lt;a&gt;</p>",
    )

    sender = Address("me@example.org")
    content = message.as_bytes(sender=sender, message_id="<1@x>", date=NOON)
    parsed = message_from_bytes(content, policy=default)
    assert isinstance(parsed, EmailMessage)

    assert parsed.get_content_type() == "multipart/alternative"
    text, html = (part.get_content() for part in parsed.iter_parts())
    assert (text, html) == ("Grüße = a\r\n.\r\n--=_x", "<p>Grüße = &lt;a&gt;</p>")
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]
    assert parsed.defects == []
    assert content == message.as_bytes(
        sender=Address("me@example.org"), message_id="<1@x>", date=NOON
    )
