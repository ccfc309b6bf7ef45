"""A folder of an IMAP account as a mailbox.

A mail is asked for by its first megabyte, several at a time. When an answer breaks off or makes no
sense, the server is called again, and they are asked for one by one: the one it happens with again
is unreadable, and the others are had.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence, Set
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeVar

from app.services.mail.errors import (
    BadLetter,
    FolderRefused,
    LetterGone,
    MailTrouble,
)
from app.services.mail.imap.account import Account
from app.services.mail.imap.wire import Wire, dialled, printable
from app.services.mail.letter import HEAD, Letter
from app.services.mail.mailbox import Head, Slip
from app.services.mail.refused import Refused
from app.services.mail.rules import Category

if TYPE_CHECKING:
    from app.services.mail.imap.client import Client, Selected
    from app.services.mail.imap.client import Slip as Listed
    from app.services.mail.imap.mover import Mover

T = TypeVar("T")

_AT_ONCE = 8  # heads a command, so that no more than eight megabytes are held
_MOST_UNREADABLE = 3  # in a row: more than that is the server's trouble, and no mail's
_LEFT = "left where it is; STEWARD_MAIL__IMAP__SORT=true has it sorted"
_ROOM = "Steward"  # the folder that ours lie in, so that nobody takes them for their own


class ImapMailbox:
    """One folder of one account; each opening is a conversation of its own."""

    def __init__(self, account: Account, *, is_sorted: bool = True) -> None:
        self._account = account
        self.is_sorted = is_sorted
        self.refused = Refused()

    @property
    def name(self) -> str:
        """The account's."""
        return self._account.name

    @property
    def plan(self) -> str:
        """Where it will connect, as whom, and where it will look."""
        account = self._account
        where = f"{account.address} with security {account.security}"
        who = account.username or "nobody (STEWARD_MAIL__IMAP__USERNAME is empty)"
        return f"incoming mail: connect to {where}, log in as {who}, look into {account.folder}"

    @asynccontextmanager
    async def open(self, *, writes: bool) -> AsyncGenerator["OpenImap"]:
        """Log in and turn to the folder; without `writes` the server is told to change nothing."""
        opened = OpenImap(self._account, writes=writes)
        try:
            await opened.dial()
            yield opened
        finally:
            await opened.hang_up()

    async def check(self) -> str:
        """Connect, log in, look into the folder, and change nothing."""
        async with self.open(writes=False) as opened:
            count = opened.selected.exists
        account = self._account
        filed = f"moved into {_ROOM}/ by category" if self.is_sorted else _LEFT
        return (
            f"imap: {account.address} accepts the login of {account.username}; {account.folder} "
            f"holds {count} mails; what lies there is {filed}"
        )


class OpenImap:
    """A folder while somebody works with it."""

    selected: "Selected"

    def __init__(self, account: Account, *, writes: bool) -> None:
        self._account = account
        self._writes = writes
        self._wire: Wire | None = None
        self._mover: Mover | None = None

    @property
    def epoch(self) -> str:
        """UIDVALIDITY: with another one, every UID may mean another mail."""
        return str(self.selected.epoch)

    @property
    def token(self) -> str:
        """The same as last time when nothing has changed; empty when the server can't tell."""
        return self.selected.token

    async def dial(self) -> None:
        """Log in and turn to the folder; again, if need be, as long as its epoch is the same."""
        await self.hang_up()
        self._wire = wire = await dialled(self._account)
        selected = await wire.select(self._account.folder, writes=self._writes)
        if hasattr(self, "selected") and selected.epoch != self.selected.epoch:
            raise MailTrouble(
                f"imap: {self._account.host} has given its mails new numbers just now"
            )
        self.selected = selected

    async def hang_up(self) -> None:
        """End the conversation, if there is one."""
        wire, self._wire, self._mover = self._wire, None, None
        if wire is not None:
            await wire.close()

    async def slips(self) -> Sequence[Slip]:
        """All that lies in the folder, in order of arrival."""
        found = await self._listed(1, self.selected.exists)
        return [
            Slip(
                name=str(each.uid),
                place=str(each.uid),
                number=each.uid,
                size=each.size,
                flags=" ".join(each.flags),
            )
            for each in found
        ]

    async def heads(self, names: Sequence[str]) -> dict[str, Head | BadLetter]:
        """How these begin; raises `MailTrouble` when the server gives none of several."""
        found: dict[str, Head | BadLetter] = {}
        for start in range(0, len(names), _AT_ONCE):
            some = [int(name) for name in names[start : start + _AT_ONCE]]
            found |= await self._some_heads(some)
        return found

    async def waiting(self, *, limit: int, but: Set[str] = frozenset()) -> tuple[str, ...]:
        """The UIDs of at most `limit` mails in the folder, but those on their way out."""
        from app.services.mail.imap.client import DELETED

        found, last = list[str](), 0
        while last < self.selected.exists and len(found) < limit:
            first, last = last + 1, min(last + limit, self.selected.exists)
            some = await self._listed(first, last)
            names = [str(slip.uid) for slip in some if DELETED not in slip.flags]
            found += [name for name in names if name not in but]
        return tuple(found[:limit])

    async def read(self, name: str) -> Letter:
        """What one says in its header; raises `BadLetter` or `LetterGone`."""
        match (await self.heads([name])).get(name):
            case Head() as head:
                return head.letter()
            case BadLetter() as error:
                raise error
            case _:
                raise LetterGone(f"imap: {self._account.host} has no mail {name} any more")

    async def file(self, name: str, category: Category) -> None:
        """Move it to the folder of that name; one that is gone is no error."""
        await self._move(name, category.value)

    async def set_aside(self, name: str) -> None:
        """Move what can't be read into `aside`."""
        await self._move(name, "aside")

    async def _move(self, name: str, folder: str) -> None:
        from app.services.mail.imap.mover import Mover

        def move(client: "Client") -> str:
            mover = self._mover = self._mover or Mover(client, self._account.folder)
            return mover.move(int(name), mover.folder(_ROOM, folder))

        try:
            refusal = await self._call(move)
        except MailTrouble:  # a cut line, perhaps: the mail may be there by now, which does no harm
            await self.dial()
            refusal = await self._call(move)
        if refusal:
            said = f"{_ROOM}/{folder} does not take it: {printable(refusal)}"
            raise FolderRefused(f"imap: {self._account.host}: {said}")

    async def _listed(self, first: int, last: int) -> "Sequence[Listed]":
        return await self._call(lambda client: client.slips(first, last))

    async def _some_heads(self, uids: Sequence[int]) -> dict[str, Head | BadLetter]:
        try:
            return self._keyed(await self._call(lambda client: client.heads(uids, HEAD)))
        except MailTrouble:
            await self.dial()
        found, in_a_row = dict[str, Head | BadLetter](), 0
        for uid in uids:
            try:
                found |= self._keyed(await self._one_head(uid))
                in_a_row = 0
            except MailTrouble as error:
                in_a_row += 1
                if in_a_row > _MOST_UNREADABLE:
                    raise
                found[str(uid)] = BadLetter(f"the server does not give it: {error}")
                await self.dial()
        return found

    async def _one_head(self, uid: int) -> dict[int, bytes]:
        return await self._call(lambda client: client.heads([uid], HEAD))

    def _keyed(self, heads: dict[int, bytes]) -> dict[str, Head | BadLetter]:
        return {
            str(uid): Head(key=_key((self._account.name.encode(), content)), content=content)
            for uid, content in heads.items()
        }

    async def _call(self, act: "Callable[[Client], T]") -> T:
        if self._wire is None:
            raise MailTrouble(f"imap: {self._account.host} is not on the line")
        return await self._wire.call(act)


def _key(parts: Iterable[bytes]) -> str:
    return blake2b(b"\0".join(parts), digest_size=16).hexdigest()
