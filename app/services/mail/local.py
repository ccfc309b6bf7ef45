"""Mail without any server: Maildirs side by side in the home, as mutt and other programs read them.

mail/outbox        what Steward sent
mail/inbox         what came in and waits to be filed
mail/<category>    where it is filed
mail/aside         what could not be read
"""

import os
from collections.abc import AsyncGenerator, Sequence, Set
from contextlib import asynccontextmanager
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

from anyio.to_thread import run_sync

from app.services.mail.errors import BadLetter, LetterGone, MailTrouble
from app.services.mail.letter import HEAD, Letter
from app.services.mail.mailbox import Head, Slip
from app.services.mail.maildir import Maildir, key_of
from app.services.mail.message import Message, is_control
from app.services.mail.refused import Refused
from app.services.mail.rules import Category
from app.services.mail.sender import Receipt
from app.storage.address import Address, parse_address

_LONGEST_PLACE = 200
_NO_SERVER = "to send it, set STEWARD_MAIL__SMTP__HOST"


class MaildirSender:
    """Leaves outgoing mail in a Maildir, one file a Message-ID: a repeat is the same mail."""

    def __init__(self, folder: Path, *, address: str) -> None:
        self._outbox = Maildir(folder / "outbox")
        self._address = parse_address(address)

    @property
    def address(self) -> Address:
        """Whose name the mail goes out under."""
        return self._address

    @property
    def plan(self) -> str:
        """Where it will write."""
        return "outgoing mail: the home's own folder, as no SMTP server is set"

    @property
    def kept_in(self) -> str:
        """Where all of it stays."""
        return str(self._outbox.path)

    async def send(self, message: Message, *, message_id: str, date: datetime) -> Receipt:
        """Write the mail unless it lies there; safe to repeat."""
        unique = f"{blake2b(message_id.encode(), digest_size=16).hexdigest()}.steward"
        content = message.as_bytes(sender=self._address, message_id=message_id, date=date)
        await run_sync(self._outbox.keep, unique, content)
        return Receipt(message_id, f"in the folder {self._outbox.path}")

    async def check(self) -> str:
        """Make sure of the folder; raises `MailTrouble` when it can't be made."""
        await _made(self._outbox)
        return f"outgoing mail stays in {self._outbox.path}; {_NO_SERVER}"


class MaildirMailbox:
    """Incoming mail in Maildirs: whatever is put into `inbox` gets filed."""

    name = "maildir"
    is_sorted = True
    epoch = "1"
    token = ""  # a folder doesn't say whether it has changed

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._inbox = Maildir(folder / "inbox")
        self.refused = Refused()

    @property
    def plan(self) -> str:
        """Where it will look."""
        return "incoming mail: the home's own folder"

    @asynccontextmanager
    async def open(self, *, writes: bool) -> AsyncGenerator["MaildirMailbox"]:
        """Work with it; there is nothing to open."""
        del writes
        yield self

    async def slips(self) -> Sequence[Slip]:
        """All that lies in the inbox."""
        return await run_sync(self._slips)

    async def heads(self, names: Sequence[str]) -> dict[str, Head | BadLetter]:
        """How these begin; those that are gone are missing."""
        found: dict[str, Head | BadLetter] = {}
        for name in names:
            try:
                head = await run_sync(self._inbox.head, name, HEAD)
                found[name] = Head(key=key_of(name, head), content=head)
            except LetterGone:
                continue
            except BadLetter as error:
                found[name] = error
        return found

    async def waiting(self, *, limit: int, but: Set[str] = frozenset()) -> tuple[str, ...]:
        """The names of at most `limit` mails in the inbox."""
        names = await run_sync(self._inbox.names)
        return tuple([each for each in names if each not in but][:limit])

    async def read(self, name: str) -> Letter:
        """What one says in its header; raises `BadLetter` or `LetterGone`."""
        head = await run_sync(self._inbox.head, name, HEAD)
        return await run_sync(_parse, head, key_of(name, head))

    async def file(self, name: str, category: Category) -> None:
        """Move it to the folder of that name; one that is gone is no error."""
        await self._move(name, category.value)

    async def set_aside(self, name: str) -> None:
        """Move what can't be read into `aside`."""
        await self._move(name, "aside")

    async def check(self) -> str:
        """Make sure of the folder; raises `MailTrouble` when it can't be made."""
        await _made(self._inbox)
        waiting = await run_sync(self._inbox.names)
        return f"incoming mail is read from {self._inbox.path} ({len(waiting)} waiting)"

    def _slips(self) -> list[Slip]:
        found = ((name, self._inbox.slip(name)) for name in self._inbox.names())
        return [_slip(name, *slip) for name, slip in found if slip is not None]

    async def _move(self, name: str, folder: str) -> None:
        try:
            await run_sync(self._inbox.move, name, Maildir(self._folder / folder))
        except LetterGone:
            return  # another worker filed it


def _slip(name: str, unique: str, size: int, flags: str) -> Slip:
    if not unique.isprintable() or len(unique) > _LONGEST_PLACE:  # two of them must not look alike
        unique = blake2b(os.fsencode(unique), digest_size=16).hexdigest()
    flags = "".join("?" if is_control(each) else each for each in flags)
    return Slip(name=name, place=unique, size=size, flags=flags)


def _parse(head: bytes, key: str) -> Letter:
    return Letter.parse(head, key=key)


async def _made(maildir: Maildir) -> None:
    try:
        await run_sync(maildir.make)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise MailTrouble(f"mail folder {maildir.path}: {reason}; check STEWARD_HOME") from error
