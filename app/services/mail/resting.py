"""Mail by an account that is left alone while it refuses us, or has asked for it.

Until an account has let us in once, nobody enters beside another: of many mails that wait, one
tries a password that may be wrong.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import anyio

from app.services.mail.errors import (
    AccountRests,
    LoginRefused,
    MailRefused,
    MailTrouble,
    MailUnanswered,
)
from app.services.mail.mailbox import Mailbox, OpenMailbox
from app.services.mail.message import Message
from app.services.mail.refused import Refused
from app.services.mail.sender import MailSender, Receipt
from app.services.rests import Rest, Resting
from app.storage.address import Address


class Entrance:
    """Where an account is entered: one at a time until that has worked."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._is_proven = False
        self._turn = anyio.Lock()

    @asynccontextmanager
    async def entered(self) -> AsyncGenerator[None]:
        """Hear how the block goes; raises `AccountRests` in place of it, or of a refusal."""
        if self._is_proven:
            async with self._heard():
                yield
            return
        await self._turn.acquire()
        try:
            async with self._heard():
                yield
        finally:
            self._leave()

    def _leave(self) -> None:
        """Let the next one try; nothing happens if that was said before."""
        with suppress(RuntimeError):  # it is another's turn by now
            self._turn.release()

    @asynccontextmanager
    async def _heard(self) -> AsyncGenerator[None]:
        if resting := await self._rest.look():
            raise self._rests(resting)
        try:
            async with self._judged():
                yield
        except LoginRefused as error:
            known = await self._rest.look()
            if known is None:
                raise
            raise self._rests(known) from error

    @asynccontextmanager
    async def tried(self) -> AsyncGenerator[None]:
        """Hear how the block goes, which is entered in any case and raises what it raises."""
        await self._rest.look()
        async with self._judged():
            yield

    @asynccontextmanager
    async def _judged(self) -> AsyncGenerator[None]:
        try:
            yield
        except LoginRefused as error:
            self._is_proven = False
            await self._rest.refused(str(error))
            raise
        except (MailRefused, MailUnanswered):
            await self.let_in()
            raise
        except MailTrouble as error:
            if error.retry_after:
                await self._rest.asked(str(error), error.retry_after)
            raise
        else:
            await self.let_in()

    async def let_in(self) -> None:
        """The account has just let us in."""
        self._is_proven = True
        self._leave()
        await self._rest.answered()

    def _rests(self, resting: Resting) -> AccountRests:
        return AccountRests(str(resting), retry_after=resting.wait(self._rest.now()))


class RestingSender:
    """Sends through another sender."""

    def __init__(self, sender: MailSender, rest: Rest) -> None:
        self._sender = sender
        self._entrance = Entrance(rest)

    @property
    def address(self) -> Address:
        """Whose name the mail goes out under."""
        return self._sender.address

    @property
    def plan(self) -> str:
        """What sending or a check will do."""
        return self._sender.plan

    @property
    def kept_in(self) -> str:
        """Where mail stays, if it goes nowhere."""
        return self._sender.kept_in

    async def send(self, message: Message, *, message_id: str, date: datetime) -> Receipt:
        """Return once the mail is accepted; raises `AccountRests` for a login that is refused.

        A run that raises that waits, and its mail goes out when somebody has mended the settings.
        """
        async with self._entrance.entered():
            return await self._sender.send(message, message_id=message_id, date=date)

    async def check(self) -> str:
        """Try it in any case: who asks for that may have mended something."""
        async with self._entrance.tried():
            return await self._sender.check()


class RestingMailbox:
    """Opens another mailbox."""

    def __init__(self, mailbox: Mailbox, rest: Rest) -> None:
        self._mailbox = mailbox
        self._entrance = Entrance(rest)

    @property
    def name(self) -> str:
        """The account's."""
        return self._mailbox.name

    @property
    def is_sorted(self) -> bool:
        """Whether its mail is filed."""
        return self._mailbox.is_sorted

    @property
    def refused(self) -> Refused:
        """The mails that their folders did not take."""
        return self._mailbox.refused

    @property
    def plan(self) -> str:
        """What opening or a check will do."""
        return self._mailbox.plan

    @asynccontextmanager
    async def open(self, *, writes: bool) -> AsyncGenerator[OpenMailbox]:
        """Open it; raises `AccountRests` for a login that is refused, and while it rests."""
        async with self._entrance.entered(), self._mailbox.open(writes=writes) as opened:
            await self._entrance.let_in()
            yield opened

    async def check(self) -> str:
        """Try it in any case: who asks for that may have mended something."""
        async with self._entrance.tried():
            return await self._mailbox.check()
