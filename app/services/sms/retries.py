"""What becomes of SMS later: those that failed go out again, those that were taken are asked for.

They are claimed before anything is done about them, so that no two workers send one, and each is
settled by itself: a crash in the middle costs those that were claimed a wait, and nobody an SMS. A
provider that is away, slow or does not answer ends the round; what is left waits for the next. An
SMS goes to the number that its user has by then.
"""

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from app.services.once import Doubtful
from app.services.sms.errors import SmsError, SmsMisconfigured, SmsTrouble
from app.services.sms.outbox import DOUBT, SmsOutbox, effect_of
from app.services.sms.provider import Standing
from app.storage.outgoing_sms import OutgoingSms, SmsStatus

logger = logging.getLogger(__name__)

BATCH = 50
_CLAIM = timedelta(minutes=5)  # longer than a round may take
_PAUSE = timedelta(minutes=2)  # until the next round, when the provider is away
_LOOKING = timedelta(minutes=1)  # of a round, until no other SMS is asked for
_ROUND = timedelta(minutes=3)  # until none is sent: a sending that is cut off is in doubt
_LAST_LOOK = timedelta(days=1)  # a provider that has not said by then says no more

Doubts = Callable[[], Awaitable[Collection[str]]]
"""The names of the effects that wait for a person."""


class Phones(Protocol):
    """Knows the users' phones as they are now."""

    async def why_not(self, user_id: int) -> str:
        """Why a user can't be reached by SMS any more; empty when they can."""
        ...

    async def number(self, user_id: int) -> str:
        """Where to."""
        ...


class RoundStatus(StrEnum):
    """How a round went as a whole."""

    SUCCESS = "success"
    PARTIAL_SUCCESS = "partial_success"
    NOT_CONFIGURED = "not_configured"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsRetried:
    """What a round has done."""

    status: RoundStatus
    processed: int = 0
    """SMS that were due to go out again."""
    successful: int = 0
    failed: int = 0
    """Refused once more, and of those: `given_up` for good."""
    given_up: int = 0
    in_doubt: int = 0
    dropped: int = 0
    """Their users want no SMS any more."""
    left: int = 0
    """Due, and not come to: the provider was away, or slow."""
    delivered: int = 0
    """Of those taken earlier: arrived, says the provider."""
    lost: int = 0
    """... and those that did not, and go out again, or not."""
    unheard: int = 0
    """... and those that it could not be asked about."""


class SmsRetries:
    """Sees to the SMS of one outbox after their first try."""

    def __init__(self, outbox: SmsOutbox, *, doubts: Doubts, phones: Phones) -> None:
        self._outbox = outbox
        self._smses = outbox.smses
        self._doubts = doubts
        self._phones = phones

    async def process(self, *, limit: int = BATCH) -> SmsRetried:
        """Do what is due. Raises when the provider lets nothing through at all."""
        began = self._smses.now()
        done, trouble = await self._follow(limit)
        done = await self._send_due(done, limit=limit, until=began + _ROUND)
        if trouble is not None and not done.processed:
            raise trouble
        return _judged(done)

    async def _send_due(self, done: SmsRetried, *, limit: int, until: datetime) -> SmsRetried:
        statuses = (SmsStatus.RETRYING, SmsStatus.UNKNOWN)
        claimed = await self._smses.claim(statuses, limit=limit, lease=_CLAIM)
        doubts = await self._doubts() if claimed else ()
        for number, sms in enumerate(claimed):
            if effect_of(sms) in doubts:
                await self._smses.put_back((sms,), until=self._smses.now() + DOUBT)
                continue
            if self._smses.now() > until:
                await self._let_go(claimed[number:])
                return replace(done, left=len(claimed) - number)
            try:
                done = _counted(done, await self._again(sms))
            except (SmsTrouble, SmsMisconfigured) as error:
                await self._let_go(claimed[number:], error)
                if not done.processed:
                    raise
                return replace(done, left=len(claimed) - number)
            except Doubtful:
                await self._let_go(claimed[number + 1 :])
                left = len(claimed) - number - 1
                return replace(
                    done, processed=done.processed + 1, in_doubt=done.in_doubt + 1, left=left
                )
        return done

    async def _again(self, sms: OutgoingSms) -> OutgoingSms:
        if reason := await self._phones.why_not(sms.user_id):
            return await self._smses.settle(sms, SmsStatus.DROPPED, detail=reason)
        return await self._outbox.send(sms, to=await self._phones.number(sms.user_id))

    async def _let_go(self, rest: tuple[OutgoingSms, ...], error: SmsError | None = None) -> None:
        asked = error.retry_after if isinstance(error, SmsTrouble) else None
        await self._smses.put_back(rest, until=self._smses.now() + (asked or _PAUSE))

    async def _follow(self, limit: int) -> tuple[SmsRetried, SmsError | None]:
        """Ask the provider about what it took; what it does not say now, it says later.

        Returns its trouble, too, when it has said nothing at all.
        """
        delivered = lost = unheard = 0
        trouble, until = None, self._smses.now() + _LOOKING
        claimed = await self._smses.claim((SmsStatus.ACCEPTED,), limit=limit, lease=_CLAIM)
        for number, sms in enumerate(claimed):
            if self._smses.now() > until:
                unheard = len(claimed) - number
                await self._let_go(claimed[number:])
                break
            try:
                found = await self._outbox.provider.look(sms.provider_id)
            except SmsError as error:
                logger.warning("The provider can't be asked about SMS: %s", error)
                unheard, trouble = len(claimed) - number, None if number else error
                await self._put_last(sms)
                await self._let_go(claimed[number + 1 :], error)
                break
            match found.standing:
                case Standing.DELIVERED:
                    await self._smses.settle(sms, SmsStatus.DELIVERED, detail="it has arrived")
                    delivered += 1
                case Standing.LOST:
                    await self._outbox.rejected(
                        sms, found.code, failures=sms.attempts, is_attempt=False
                    )
                    lost += 1
                case Standing.ON_ITS_WAY:
                    await self._smses.settle(
                        sms, SmsStatus.ACCEPTED, detail=sms.detail, next_at=self._next_look(sms)
                    )
        done = SmsRetried(
            status=RoundStatus.SUCCESS, delivered=delivered, lost=lost, unheard=unheard
        )
        return done, trouble

    async def _put_last(self, sms: OutgoingSms) -> None:
        """Ask for it after all others: it may be the only one that can't be asked for."""
        age = self._smses.now() - sms.created_at
        await self._smses.put_back((sms,), until=self._smses.now() + _PAUSE + age)

    def _next_look(self, sms: OutgoingSms) -> datetime | None:
        """When it is twice as old; None when it is too old to be heard of again."""
        age = self._smses.now() - sms.created_at
        return None if age > _LAST_LOOK else self._smses.now() + age


def _counted(done: SmsRetried, sms: OutgoingSms) -> SmsRetried:
    is_failed = sms.status in (SmsStatus.RETRYING, SmsStatus.FAILED)
    return replace(
        done,
        processed=done.processed + 1,
        successful=done.successful + (sms.status is SmsStatus.ACCEPTED),
        failed=done.failed + is_failed,
        given_up=done.given_up + (sms.status is SmsStatus.FAILED),
        dropped=done.dropped + (sms.status is SmsStatus.DROPPED),
    )


def _judged(done: SmsRetried) -> SmsRetried:
    is_whole = not (done.failed or done.in_doubt or done.left or done.unheard)
    status = RoundStatus.SUCCESS if is_whole else RoundStatus.PARTIAL_SUCCESS
    return replace(done, status=status)
