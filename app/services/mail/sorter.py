"""Files what came in: each mail by the first rule that fits, recorded with its reason.

For each mail in turn: read it, tell the owner if it is important, record it, move it. The move
comes last, so a crash anywhere before it means that the mail is taken up again; notice and row are
unique, so they come out once. One mail that can't be read is set aside, one that can't be moved
stays where it is, and the rest are done.
"""

import logging
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from app.services.mail.errors import BadLetter, LetterGone
from app.services.mail.letter import Letter
from app.services.mail.mailbox import Mailbox
from app.services.mail.rules import Category, Verdict, categorize
from app.services.notifications import Channel, DeliveryStatus, Notifications
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.incoming_mail import IncomingMails, NewIncomingMail
from app.storage.users import User

logger = logging.getLogger(__name__)

_LIMIT = 500  # mails in one go; what is left waits for the next
_LONGEST = 300  # characters of a subject or sender that are kept


class SortStatus(StrEnum):
    """How the filing went as a whole."""

    SUCCESS = "success"
    PARTIAL_SUCCESS = "partial_success"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSorted:
    """What became of the mail that was waiting."""

    status: SortStatus
    processed: int
    categorized: int
    filed: int
    failed: int
    notified: int
    """How many notices of important mail the owner got."""
    categories: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fate:
    """What became of one mail."""

    category: Category | None = None
    filed: bool = False
    notified: bool = False
    trouble: OSError | None = None


class Sorter:
    """Files the mail of one mailbox."""

    def __init__(
        self,
        database: Database,
        mailbox: Mailbox,
        notifications: Notifications,
        *,
        now: Now = utc_now,
    ) -> None:
        self._mails = IncomingMails(database, now=now)
        self._mailbox = mailbox
        self._notifications = notifications

    async def sort(self, owner: User, *, limit: int = _LIMIT) -> MailSorted:
        """File what is waiting; safe to repeat. Raises the trouble when nothing could be filed."""
        fates: list[_Fate] = []
        for name in await self._mailbox.waiting(limit=limit):
            try:
                fates.append(await self._sort_one(name, owner))
            except LetterGone:  # another worker has it
                continue
        return _summary(fates)

    async def _sort_one(self, name: str, owner: User) -> _Fate:
        try:
            letter = await self._mailbox.read(name)
        except BadLetter as error:
            return await self._set_aside(name, error)
        except OSError as error:
            return _Fate(trouble=error)
        verdict = categorize(letter)
        notified = verdict.category is Category.IMPORTANT and await self._tell(owner, letter)
        await self._mails.record(_row(letter, verdict, owner))
        try:
            await self._mailbox.file(name, verdict.category)
        except OSError as error:
            return _Fate(category=verdict.category, notified=notified, trouble=error)
        return _Fate(category=verdict.category, notified=notified, filed=True)

    async def _set_aside(self, name: str, reason: BadLetter) -> _Fate:
        logger.warning("A mail was set aside: %s.", reason)
        try:
            await self._mailbox.set_aside(name)
        except OSError as error:
            return _Fate(trouble=error)
        return _Fate()

    async def _tell(self, owner: User, letter: Letter) -> bool:
        told = await self._notifications.send(
            owner,
            f"Important mail from {letter.sender[:_LONGEST]}",
            letter.subject[:_LONGEST],
            channels=(Channel.IN_APP,),
            dedupe_key=f"mail:{letter.key}",
        )
        return all(each.status is DeliveryStatus.DELIVERED for each in told)


def _row(letter: Letter, verdict: Verdict, owner: User) -> NewIncomingMail:
    return NewIncomingMail(
        key=letter.key,
        user_id=owner.id,
        message_id=letter.message_id[:_LONGEST],
        sender=letter.sender[:_LONGEST],
        subject=letter.subject[:_LONGEST],
        category=verdict.category.value,
        reason=verdict.reason,
    )


def _summary(fates: list[_Fate]) -> MailSorted:
    filed = sum(fate.filed for fate in fates)
    troubles = [fate.trouble for fate in fates if fate.trouble is not None]
    if troubles and not filed:
        raise troubles[0]
    if troubles:
        logger.warning(
            "%s mails could not be moved: %s.", len(troubles), type(troubles[0]).__name__
        )
    categories = Counter(fate.category.value for fate in fates if fate.category is not None)
    return MailSorted(
        status=SortStatus.SUCCESS if filed == len(fates) else SortStatus.PARTIAL_SUCCESS,
        processed=len(fates),
        categorized=categories.total(),
        filed=filed,
        failed=len(fates) - filed,
        notified=sum(fate.notified for fate in fates),
        categories=dict(categories),
    )
