"""Mail that never leaves the process: for tests, ours and those of whoever builds on Steward."""

from collections.abc import AsyncGenerator, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from app.services.mail.errors import BadLetter, FolderRefused, LetterGone, MailError
from app.services.mail.letter import Letter
from app.services.mail.mailbox import Head, Slip
from app.services.mail.message import Message
from app.services.mail.refused import Refused
from app.services.mail.rules import Category
from app.services.mail.sender import Receipt
from app.storage.address import Address

_ADDRESS = Address("steward@localhost")


@dataclass(slots=True)
class MemorySender:
    """Keeps what was sent, by Message-ID; `failing` is raised instead, while set."""

    address: Address = _ADDRESS
    sent: dict[str, Message] = field(default_factory=dict[str, Message])
    failing: Exception | None = None
    plan: str = "outgoing mail: keep it in memory"
    kept_in: str = ""

    async def send(self, message: Message, *, message_id: str, date: datetime) -> Receipt:
        """Keep the message; a repeat under its Message-ID is the same mail."""
        if self.failing is not None:
            raise self.failing
        message.as_bytes(sender=self.address, message_id=message_id, date=date)
        self.sent.setdefault(message_id, message)
        return Receipt(message_id, "kept in memory")

    async def check(self) -> str:
        """Say what it is, or raise `failing`."""
        if self.failing is not None:
            raise self.failing
        return "outgoing mail is kept in memory"


@dataclass(slots=True)
class MemoryMailbox:
    """Holds mails as bytes by name; `failing` is raised instead of filing, while set."""

    inbox: dict[str, bytes] = field(default_factory=dict[str, bytes])
    filed: dict[str, Category] = field(default_factory=dict[str, Category])
    aside: list[str] = field(default_factory=list[str])
    failing: Exception | None = None
    full: set[Category] = field(default_factory=set[Category])
    """Folders that take no mail."""
    refused: Refused = field(default_factory=Refused)
    name: str = "memory"
    is_sorted: bool = True
    epoch: str = "1"
    token: str = ""
    plan: str = "incoming mail: look into memory"
    closed: MailError | None = None
    """Raised instead of opening it, while set."""

    @asynccontextmanager
    async def open(self, *, writes: bool) -> AsyncGenerator["MemoryMailbox"]:
        """Work with it."""
        del writes
        if self.closed is not None:
            raise self.closed
        yield self

    async def slips(self) -> Sequence[Slip]:
        """All that lies in the inbox."""
        return [Slip(name=name, place=name, size=len(mail)) for name, mail in self.inbox.items()]

    async def heads(self, names: Sequence[str]) -> dict[str, Head | BadLetter]:
        """How these begin; those that are gone are missing."""
        inbox = self.inbox
        return {name: Head(key=name, content=inbox[name]) for name in names if name in inbox}

    async def waiting(self, *, limit: int, but: Set[str] = frozenset()) -> tuple[str, ...]:
        """The names of at most `limit` mails in the inbox."""
        return tuple(each for each in self.inbox if each not in but)[:limit]

    async def read(self, name: str) -> Letter:
        """What one says in its header; raises `BadLetter` or `LetterGone`."""
        if name not in self.inbox:
            raise LetterGone(name)
        return Letter.parse(self.inbox[name], key=name)

    async def file(self, name: str, category: Category) -> None:
        """Note where it went, and take it out of the inbox."""
        if self.failing is not None:
            raise self.failing
        if category in self.full:
            raise FolderRefused(f"{category} is full")
        if self.inbox.pop(name, None) is not None:
            self.filed[name] = category

    async def set_aside(self, name: str) -> None:
        """Note that it could not be read, and take it out of the inbox."""
        if self.inbox.pop(name, None) is not None:
            self.aside.append(name)

    async def check(self) -> str:
        """Say what it is."""
        return "incoming mail is kept in memory"
