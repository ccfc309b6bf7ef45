"""A mail as we write it: checked when it is made, and put into bytes by us.

Mail headers are lines, so whoever can bring in the end of a line can bring in a recipient. The
standard library lets some through (an encoded newline in a subject comes out as a real one), so
the header is written here, from parts that can't hold a line's end: addresses read strictly, and a
subject that is encoded whole unless it is plain.
"""

import re
from base64 import b64encode
from binascii import b2a_qp
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.errors import HeaderParseError
from email.header import decode_header
from email.utils import format_datetime
from hashlib import blake2b
from unicodedata import category

from app.services.mail.errors import MailRefused
from app.storage.address import Address, InvalidAddress, parse_address

MOST_RECIPIENTS = 50
LONGEST_SUBJECT = 250
LONGEST_BODY = 1_000_000  # characters; a notification, not a parcel

_PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*")  # printable ASCII words, one space between
_WORD_BYTES = 42  # an encoded word may have 75 characters: =?utf-8?b?…?= around base64 of this many
_FOLD_AFTER = 76


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A mail to be sent. Raises `MailRefused` when it holds what must not reach a header."""

    to: tuple[Address, ...]
    subject: str
    body: str
    html: str = ""
    """The same for those who read HTML; empty when there is only text."""

    def __post_init__(self) -> None:
        """Refuse what can't be sent safely, before anything is written or connected."""
        if not 1 <= len(self.to) <= MOST_RECIPIENTS:
            raise MailRefused(f"a mail has 1 to {MOST_RECIPIENTS} recipients, not {len(self.to)}")
        for each in self.to:
            _check_address(each)
        _check_subject(self.subject)
        _check_body(self.body)
        _check_body(self.html)

    def as_bytes(self, *, sender: Address, message_id: str, date: datetime) -> bytes:
        """The mail as it travels: the same bytes every time, lines ended by CRLF."""
        header = (
            f"Message-ID: {message_id}",
            f"Date: {format_datetime(date)}",
            f"From: {parse_address(sender)}",
            "To: " + ",\r\n ".join(map(parse_address, self.to)),
            "Subject: " + "\r\n ".join(_words(self.subject)),
            "Auto-Submitted: auto-generated",  # keeps out-of-office answers away (RFC 3834)
            "MIME-Version: 1.0",
        )
        return "\r\n".join((*header, "")).encode("ascii") + self._content(message_id)

    def _content(self, message_id: str) -> bytes:
        plain = _part("plain", self.body)
        if not self.html:
            return plain
        # An equals sign is never followed by an underscore in quoted-printable text.
        mark = f"=_{blake2b(message_id.encode(), digest_size=12).hexdigest()}"
        kind = f'Content-Type: multipart/alternative; boundary="{mark}"\r\n\r\n'.encode("ascii")
        between = f"--{mark}\r\n".encode("ascii")
        end = f"--{mark}--\r\n".encode("ascii")
        return b"".join((kind, between, plain, between, _part("html", self.html), end))


def _part(kind: str, content: str) -> bytes:
    header = (
        f"Content-Type: text/{kind}; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
    )
    return "\r\n".join((*header, "", "")).encode("ascii") + _quoted(content)


def _check_address(address: str) -> None:
    try:
        parse_address(address)
    except InvalidAddress as error:
        raise MailRefused(str(error)) from None


def _check_subject(subject: str) -> None:
    if not subject.strip() or len(subject) > LONGEST_SUBJECT:
        raise MailRefused(f"a subject has 1 to {LONGEST_SUBJECT} characters, not {len(subject)}")
    if any(map(is_control, subject)) or any(map(is_control, _decoded(subject))):
        raise MailRefused("a subject must not hold control characters, encoded ones included")


def _check_body(body: str) -> None:
    if len(body) > LONGEST_BODY:
        raise MailRefused(f"a body has at most {LONGEST_BODY} characters, not {len(body)}")
    if any("\ud800" <= each <= "\udfff" for each in body):
        raise MailRefused("the body holds half a character (a lone surrogate)")


def is_control(character: str) -> bool:
    """Whether this has no place in a line: controls, line separators, half a character."""
    return category(character) in {"Cc", "Zl", "Zp", "Cs"}


def _decoded(subject: str) -> str:
    """The subject as a reader would decode it; what can't be decoded is taken as it stands."""
    try:
        parts = decode_header(subject)
    except (HeaderParseError, ValueError):
        return subject
    return "".join(p if isinstance(p, str) else p.decode("latin-1") for p, _ in parts)


def _words(subject: str) -> Iterator[str]:
    """The subject as header words to be folded between: plain, or encoded (RFC 2047)."""
    if _PLAIN.fullmatch(subject) and "=?" not in subject and len(subject) < _FOLD_AFTER:
        yield subject
        return
    word = b""
    for each in (character.encode() for character in subject):
        if len(word) + len(each) > _WORD_BYTES:
            yield _encoded(word)
            word = b""
        word += each
    yield _encoded(word)


def _encoded(word: bytes) -> str:
    return f"=?utf-8?b?{b64encode(word).decode('ascii')}?="


def _quoted(body: str) -> bytes:
    """Quoted-printable: no bare line ends, no dot alone on a line, no line too long."""
    unix = body.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"
    return b2a_qp(unix.encode(), istext=True).replace(b"\n", b"\r\n")
