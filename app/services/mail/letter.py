"""A mail that came in: what the rules need to know of it, read without trusting any of it.

Only the header is taken apart, and of the body only the first megabyte is searched, line by line,
for a calendar part. So neither a thousand nested parts nor a gigabyte of attachment costs
anything, and no file name in a mail ever becomes a file.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header
from email.parser import BytesHeaderParser
from email.policy import compat32

from app.services.mail.errors import BadLetter
from app.services.mail.message import is_control
from app.storage.address import InvalidAddress, parse_address

HEAD = 1_048_576  # bytes of a mail that are looked at

_LONGEST_HEADER = 262_144  # bytes; senders' servers stop far below
_LONGEST_VALUE = 1_000  # characters of one field; decoding more could be made slow
_HEADER_ENDS = re.compile(rb"\r?\n\r?\n")
_CALENDAR_PART = re.compile(rb"^content-type:[ \t]*text/calendar\b", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail that came in, as its header tells it. All of it is a stranger's word."""

    key: str
    """Names this very file: two mails that claim one Message-ID still differ."""
    message_id: str
    sender: str
    subject: str
    headers: Mapping[str, str]
    """The first value of each field, decoded, under its name in lower case."""
    has_invitation: bool

    @classmethod
    def parse(cls, head: bytes, *, key: str) -> "Letter":
        """Read the beginning of a mail; raises `BadLetter` when it is none."""
        header, body = _halves(head)
        headers = dict(reversed([*_fields(header)]))
        sender = headers.get("from", "")
        if not sender:
            raise BadLetter("it does not say who sent it")
        return cls(
            key=key,
            message_id=headers.get("message-id", ""),
            sender=_address(sender),
            subject=headers.get("subject", ""),
            headers=headers,
            has_invitation=_has_calendar(headers.get("content-type", ""), body),
        )


def _halves(head: bytes) -> tuple[bytes, bytes]:
    end = _HEADER_ENDS.search(head, 0, _LONGEST_HEADER)
    if end is not None:
        return head[: end.end()], head[end.end() :]
    if len(head) > _LONGEST_HEADER:
        raise BadLetter(f"its header does not end within {_LONGEST_HEADER} bytes")
    return head, b""


def _fields(header: bytes) -> Iterator[tuple[str, str]]:
    for name, value in BytesHeaderParser(policy=compat32).parsebytes(header).raw_items():
        yield name.lower(), _text(str(value))


def _text(value: str) -> str:
    """A field's value in one printable line, as far as it can be read."""
    raw = value[:_LONGEST_VALUE].encode("ascii", "surrogateescape").decode("utf-8", "replace")
    try:
        parts = decode_header(raw)
        readable = "".join(_decoded(*part) for part in parts)
    except (HeaderParseError, LookupError, ValueError):  # no such charset, or broken base64
        readable = raw
    return " ".join("".join(" " if is_control(c) else c for c in readable).split())


def _decoded(part: str | bytes, charset: str | None) -> str:
    return part if isinstance(part, str) else part.decode(charset or "latin-1", "replace")


def _address(sender: str) -> str:
    """The address in `Bob <bob@example.org>`; all of it when there is none that we accept."""
    try:
        return parse_address(sender.rpartition("<")[2].removesuffix(">"))
    except InvalidAddress:
        return sender


def _has_calendar(content_type: str, body: bytes) -> bool:
    kind = content_type.lower()
    if kind.startswith("multipart/"):
        return _CALENDAR_PART.search(body) is not None
    return kind.startswith("text/calendar")
