"""Sends an SMS once for each key, and says when it is to be sent again.

The row is written before it is sent and settled after the provider's answer, each in a transaction
of its own, with the network between them. Every try of an SMS is an effect of its own: how many
have failed is part of its name. So a crash after the answer, and before it is written down, repeats
nothing; one before the answer leaves open whether it went out, and then a person is asked, for a
second SMS costs money and wakes people.
"""

import logging
from datetime import timedelta
from functools import partial
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app.services.once import Doubtful, Once, Taken, simply
from app.services.sms.codes import wait_after
from app.services.sms.errors import SmsRejected, SmsUnanswered
from app.services.sms.provider import SmsProvider
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.outgoing_sms import EFFECT, NewSms, OutgoingSms, OutgoingSmses, SmsStatus

logger = logging.getLogger(__name__)

FIRST_LOOK: Final = timedelta(minutes=1)
"""After that, whoever was sent an SMS has it, or it is lost."""
DOUBT: Final = timedelta(minutes=10)
"""Between two looks whether a person has said how it went."""


class SmsOutbox:
    """SMS to users, each sent once for its key."""

    def __init__(
        self,
        database: Database,
        provider: SmsProvider,
        *,
        now: Now = utc_now,
        once: Once = simply,
    ) -> None:
        self.smses = OutgoingSmses(database, now=now)
        self.provider = provider
        self._once = once

    async def write(self, session: AsyncSession, sms: NewSms) -> tuple[OutgoingSms, bool]:
        """Write it down within a transaction, for a later `post` to send; and whether it is new."""
        return await self.smses.write(session, sms)

    async def post(self, sms: NewSms) -> OutgoingSms:
        """Send it unless this key's was sent before; the SMS as it is recorded.

        Raises what keeps it from being sent now; what the provider refuses is recorded, to be sent
        again later, or as failed.
        """
        found = await self.smses.ensure(sms)
        if found.status in (SmsStatus.PENDING, SmsStatus.UNKNOWN):
            return await self.send(found, to=sms.recipient)
        return found

    async def send(self, sms: OutgoingSms, *, to: str) -> OutgoingSms:
        """Try it once more, at the number that its user has by now.

        Raises `Doubtful` when it may have gone out: a person has to say.
        """
        if to != sms.recipient:
            sms = await self.smses.readdress(sms, to)
        act = partial(self.provider.send, sms.recipient, sms.text)
        try:
            taken = await self._once(effect_of(sms), act)
        except SmsRejected as error:
            return await self.rejected(sms, error.code, failures=sms.attempts + 1)
        except (Doubtful, SmsUnanswered) as error:
            await self._doubt(sms)
            if isinstance(error, Doubtful):
                raise
            raise Doubtful("nobody can tell whether the SMS was sent") from error
        logger.info("SMS %s to user %s was taken.", sms.id, sms.user_id)
        return await self._accepted(sms, taken)

    async def rejected(
        self, sms: OutgoingSms, code: int, *, failures: int, is_attempt: bool = True
    ) -> OutgoingSms:
        """Record what was refused, or got lost: to be sent again, or as failed."""
        wait = wait_after(code, failures)
        said = str(SmsRejected(code))
        logger.warning("SMS %s to user %s failed: %s.", sms.id, sms.user_id, said)
        if wait is None:
            again = f"; given up after {failures} tries" if wait_after(code, 1) else ""
            return await self.smses.settle(
                sms, SmsStatus.FAILED, code=code, detail=said + again, is_attempt=is_attempt
            )
        return await self.smses.settle(
            sms,
            SmsStatus.RETRYING,
            code=code,
            detail=f"{said}; try {failures + 1} follows",
            next_at=self.smses.now() + wait,
            is_attempt=is_attempt,
        )

    async def _accepted(self, sms: OutgoingSms, taken: Taken | None) -> OutgoingSms:
        look = self.smses.now() + FIRST_LOOK if taken and taken.id else None
        return await self.smses.settle(
            sms,
            SmsStatus.ACCEPTED,
            detail=taken.detail if taken else "sent, says whoever looked",
            provider_id=taken.id if taken else "",
            next_at=look,
            is_attempt=True,
        )

    async def _doubt(self, sms: OutgoingSms) -> None:
        await self.smses.settle(
            sms,
            SmsStatus.UNKNOWN,
            detail="it may have been sent: see `steward effects`",
            next_at=self.smses.now() + DOUBT,
        )


def effect_of(sms: OutgoingSms) -> str:
    """The name of its next try, which is the same for whoever makes it."""
    return f"{EFFECT}{sms.key}#{sms.attempts + 1}"
