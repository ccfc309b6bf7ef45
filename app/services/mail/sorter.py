"""Files what came in: each mail by the first rule that fits, recorded with its reason.

For each mail in turn: read it, tell the owner if it is important, record it, move it. The move
comes last, so a crash anywhere before it means that the mail is taken up again; notice and row are
unique, so they come out once. One mail that can't be read is set aside, one that can't be moved
stays where it is, and the rest are done.
"""

import logging
from collections import Counter
from dataclasses import dataclass

from app.services.mail.errors import BadLetter, FolderRefused, LetterGone, MailTrouble
from app.services.mail.important import MailHerald
from app.services.mail.letter import Letter
from app.services.mail.mail_sorted import MailSorted, SortStatus
from app.services.mail.mailbox import Mailbox, OpenMailbox
from app.services.mail.refused import Refused
from app.services.mail.rules import Category, Verdict, categorize
from app.services.notifications import Herald, Told
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.incoming_mail import IncomingMails, NewIncomingMail
from app.storage.users import User

logger = logging.getLogger(__name__)

_LIMIT = 500  # mails in one go; what is left waits for the next
_TOLD = 10  # different errors in a result
_MOST_TROUBLES = 4  # in a row
_LONGEST = 300  # characters of a subject or sender that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fate:
    """What became of one mail."""

    category: Category | None = None
    filed: bool = False
    told: Told | None = None
    """What its owner was told of it now."""
    trouble: OSError | None = None


class Sorter:
    """Files the mail of one mailbox."""

    def __init__(
        self,
        database: Database,
        mailbox: Mailbox,
        herald: Herald,
        *,
        now: Now = utc_now,
    ) -> None:
        self._database = database
        self._mails = IncomingMails(database, now=now)
        self._mailbox = mailbox
        self._herald = MailHerald(database, herald, now=now)
        self._now = now

    async def sort(self, owner: User, *, limit: int = _LIMIT) -> MailSorted:
        """File what is waiting; safe to repeat. Raises the trouble when nothing could be filed.

        What its folder does not take keeps no other mail from being filed.
        """
        fates: list[_Fate] = []
        refused, now = self._mailbox.refused, self._now()
        async with self._mailbox.open(writes=True) as opened:
            left = refused.left_alone(opened.epoch, now=now)
            for name in await opened.waiting(limit=limit, but=left):
                try:
                    fates.append(await self._sort_one(opened, name, owner))
                except LetterGone:  # another worker has it
                    continue
                if isinstance(fates[-1].trouble, FolderRefused):
                    refused.note(opened.epoch, name, fates[-1].trouble, now=now)
                if all(map(_is_away, fates[-_MOST_TROUBLES:])) and fates[_MOST_TROUBLES:]:
                    break  # the mailbox is away: what is left waits for the next time
        return _summary(fates, refused)

    async def _sort_one(self, opened: OpenMailbox, name: str, owner: User) -> _Fate:
        try:
            letter = await opened.read(name)
        except BadLetter as error:
            return await self._set_aside(opened, name, error)
        except OSError as error:
            return _Fate(trouble=error)
        verdict = categorize(letter)
        mail = _row(letter, verdict, owner)
        told = await self._tell(owner, mail)
        await self._mails.record(mail)
        try:
            await opened.file(name, verdict.category)
        except OSError as error:
            return _Fate(category=verdict.category, told=told, trouble=error)
        return _Fate(category=verdict.category, told=told, filed=True)

    async def _set_aside(self, opened: OpenMailbox, name: str, reason: BadLetter) -> _Fate:
        logger.warning("A mail was set aside: %s.", reason)
        try:
            await opened.set_aside(name)
        except OSError as error:
            return _Fate(trouble=error)
        return _Fate()

    async def _tell(self, owner: User, mail: NewIncomingMail) -> Told | None:
        async with self._database.write() as session:
            return await self._herald.tell(session, owner, mail)


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


def _is_away(fate: _Fate) -> bool:
    """Whether the mailbox was the trouble; a folder that takes no mail is not all of it."""
    return isinstance(fate.trouble, MailTrouble)


def _summary(fates: list[_Fate], refused: Refused) -> MailSorted:
    filed = sum(fate.filed for fate in fates)
    troubles = [each for fate in fates if (each := fate.trouble) is not None]
    others = [each for each in troubles if not isinstance(each, FolderRefused)]
    if others and not filed:
        raise others[0]
    for error in troubles[:1]:
        logger.warning("%s mails could not be moved: %s.", len(troubles), type(error).__name__)
    is_all = filed == len(fates) and not refused
    news = [fate.told for fate in fates if fate.told is not None and fate.told.is_new]
    categories = Counter(fate.category.value for fate in fates if fate.category is not None)
    return MailSorted(
        mailboxes=1,
        status=SortStatus.SUCCESS if is_all else SortStatus.PARTIAL_SUCCESS,
        processed=len(fates),
        categorized=categories.total(),
        filed=filed,
        failed=len(fates) - filed,
        refused=len(refused),
        notified=len(news),
        told=dict(sum((each.counts for each in news), Counter[str]())),
        categories=dict(categories),
        priorities=dict(Counter(Category(each).priority.value for each in categories.elements())),
        errors=(*refused.lines(), *sorted({str(error) for error in others}))[:_TOLD],
    )
