"""The few IMAP commands that are needed, typed, over IMAPClient. Each blocks.

IMAPClient would have imaplib format every line for a log that nobody keeps, the login's among them:
that is turned off. What comes out of it is turned into our own values here, and nowhere else.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from imapclient import IMAPClient
from imapclient.exceptions import ProtocolError

from app.services.mail.imap.account import Account
from app.services.mail.imap.line import Imap, Line
from app.services.mail.security import Security

DELETED = "\\Deleted"

_CHUNK = 500  # mails a command: its line stays far below what servers take
_RECENT = "\\Recent"  # says who looked first, and nothing of the mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """A folder as the server describes it."""

    epoch: int
    """UIDVALIDITY: with another one, every UID may mean another mail."""
    exists: int
    token: str
    """The same as before means that nothing has changed; empty when the server can't tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """What the server says of a mail without giving it."""

    uid: int
    size: int
    flags: tuple[str, ...]
    arrived_at: datetime | None = None


class Client(IMAPClient):
    """A connection to the account's server; opening it connects."""

    def __init__(self, account: Account, line: Line) -> None:
        self._line = line
        super().__init__(account.host, account.port, ssl=False, timeout=line.timeout)
        self._imap.debug = 0

    def _create_IMAP4(self) -> Imap:  # noqa: N802
        return Imap(self.host, self.port, self._line)

    def protect(self, trust: ssl.SSLContext) -> None:
        """Go on with TLS."""
        self.starttls(trust)
        self._line.open = self.socket()

    def offers(self, capability: str) -> bool:
        """Whether the server can do this."""
        return bool(self.has_capability(capability))

    def select(self, folder: str, *, writes: bool) -> Selected:
        """Turn to a folder, with or without leave to change something in it."""
        said = cast("dict[bytes, Any]", self.select_folder(folder, readonly=not writes))
        epoch, exists = _number(said, b"UIDVALIDITY"), _number(said, b"EXISTS")
        change, following = said.get(b"HIGHESTMODSEQ"), said.get(b"UIDNEXT")
        token = f"{exists}:{following}:{change}" if change and following else ""
        return Selected(epoch=epoch, exists=exists, token=token)

    def slips(self, first: int, last: int) -> list[Slip]:
        """What lies in the folder, from one place in it to another, counted from 1."""
        self.use_uid = False  # by place: a range of UIDs may be endless, and nearly empty
        try:
            found = [
                _slip(_number(said, b"UID"), said)
                for start in range(first, last + 1, _CHUNK)
                for said in self._ask(
                    range(start, min(start + _CHUNK, last + 1)), "UID", "FLAGS", "RFC822.SIZE"
                ).values()
            ]
        finally:
            self.use_uid = True
        return sorted(found, key=lambda slip: slip.uid)

    def slip(self, uid: int) -> Slip | None:
        """What the server says of one mail; None when it is gone."""
        said = self._ask([uid], "FLAGS", "RFC822.SIZE", "INTERNALDATE").get(uid)
        return _slip(uid, said) if said else None

    def heads(self, uids: Sequence[int], size: int) -> dict[int, bytes]:
        """The first `size` bytes of each; those that are gone are missing."""
        key = b"BODY[]<0>"
        said = self._ask(uids, f"BODY.PEEK[]<0.{size}>")
        return {uid: _bytes(each[key]) for uid, each in said.items() if each.get(key) is not None}

    def of_size(self, size: int) -> list[int]:
        """The mails of exactly this size in the folder."""
        found = self.search(f"LARGER {size - 1} SMALLER {size + 1}")
        return [int(uid) for uid in cast("list[int]", found)]

    def deleted(self) -> list[int]:
        """The mails that somebody has marked as deleted."""
        return [int(uid) for uid in cast("list[int]", self.search("DELETED"))]

    def prefix(self) -> tuple[str, str]:
        """What our own folders' names begin with, and what stands between a folder and its own."""
        if self.offers("NAMESPACE"):
            personal = cast("tuple[tuple[str, str], ...] | None", self.namespace()[0])
            if personal:
                return personal[0]
        listed = cast("list[tuple[Any, bytes | None, str]]", self.list_folders("", ""))
        return "", (listed[0][1] or b"/").decode("ascii", "replace") if listed else "/"

    def has(self, folder: str) -> bool:
        """Whether there is such a folder."""
        return bool(self.folder_exists(folder))

    def _ask(self, mails: Sequence[int], *items: str) -> dict[int, dict[bytes, Any]]:
        self._line.begin()
        return cast("dict[int, dict[bytes, Any]]", self.fetch(mails, list(items)))


def _slip(uid: int, said: dict[bytes, Any]) -> Slip:
    flags = cast("tuple[bytes, ...]", said.get(b"FLAGS") or ())
    arrived = said.get(b"INTERNALDATE")
    named = sorted(flag.decode("ascii", "replace") for flag in flags)
    return Slip(
        uid=uid,
        size=_number(said, b"RFC822.SIZE"),
        flags=tuple(flag for flag in named if flag != _RECENT),
        arrived_at=arrived if isinstance(arrived, datetime) else None,
    )


def _number(said: dict[bytes, Any], key: bytes) -> int:
    value = said.get(key)
    if not isinstance(value, int) or value < 0:
        raise ProtocolError(f"it says no {key.decode()}")
    return value


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    return str(value).encode("ascii", "replace")  # a body in words, such as 12345, is read as one


def security_of(account: Account) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """What TLS from the start trusts, and what STARTTLS does; None where it is not wanted."""
    if account.security is Security.NONE:
        return None, None
    trust = account.trust or ssl.create_default_context()
    return (trust, None) if account.security is Security.TLS else (None, trust)
