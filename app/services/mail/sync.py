"""Brings the database up to date with what lies in a user's mailboxes.

For each mailbox: if it says that nothing has changed, that is all. Otherwise its mails are listed;
those that are not known are read, some at a time, and stored with the cursor behind them; others'
flags are compared; and what is not listed any more is forgotten. A crash loses at most what was
being read, and the next sync goes on from there.

A mail that can't be read is stored with the reason, and reported. A mailbox that can't be read
changes nothing, and does not keep the others from it.
"""

import logging
from collections.abc import Sequence

from app.services.mail.errors import AccountRests, BadLetter, MailError
from app.services.mail.letter import Letter
from app.services.mail.mailbox import Head, Mailbox, OpenMailbox, Slip
from app.services.mail.rules import categorize
from app.services.mail.synced import MailSynced, unread
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.mailbox_entry import MailboxEntry, MailboxState
from app.storage.mailboxes import Announce, Mailboxes
from app.storage.sync_history import SyncCounts, SyncHistory, SyncOutcome
from app.storage.users import User

logger = logging.getLogger(__name__)

_AT_ONCE = 8  # mails a transaction: as many as are asked for, and held in memory, at a time
_LONGEST = 300  # characters of a field that are kept


class MailSync:
    """Reads mailboxes into the database."""

    def __init__(
        self, database: Database, mailboxes: Sequence[Mailbox], *, now: Now = utc_now
    ) -> None:
        self._stored = Mailboxes(database, now=now)
        self._history = SyncHistory(database, "mail", now=now)
        self._mailboxes = mailboxes
        self._now = now

    async def sync(self, user: User, *, announce: Announce | None = None) -> MailSynced:
        """Read all of the user's mailboxes. Safe to repeat: the second time nothing changes.

        `announce` is called with what is new in a mailbox that nobody sorts and that was read
        before, in the transaction that stores it.
        Never raises for a mailbox that fails: see `MailSynced.raise_if_all_failed`.
        """
        total = MailSynced()
        for mailbox in self._mailboxes:
            total += await self._with_history(
                user, mailbox, None if mailbox.is_sorted else announce
            )
        if not self._mailboxes:
            number = await self._history.begin("mail", user_id=user.id)
            await self._history.end(number, SyncOutcome.NOT_CONFIGURED)
        return total

    async def _with_history(
        self, user: User, mailbox: Mailbox, announce: Announce | None
    ) -> MailSynced:
        source = mailbox.name[:100]
        number = await self._history.begin(source, user_id=user.id)
        started = self._now()
        done = MailSynced(mailboxes=1)
        try:
            async with mailbox.open(writes=False) as opened:
                done += await self._read(user, mailbox.name, opened, announce)
        except (MailError, OSError) as error:
            level = logging.DEBUG if isinstance(error, AccountRests) else logging.WARNING
            logger.log(level, "%s could not be read: %s.", mailbox.name, type(error).__name__)
            done += unread(mailbox.name, error)
        done += MailSynced(duration=(self._now() - started).total_seconds())
        await self._history.end(number, done.status, _counts(done), done.shortened().errors)
        return done

    async def _read(
        self, user: User, name: str, opened: OpenMailbox, announce: Announce | None
    ) -> MailSynced:
        box, state = await self._stored.ensure(user.id, name)
        if opened.token and (opened.epoch, opened.token) == (state.epoch, state.token):
            return MailSynced(unchanged=await self._stored.count(box))
        slips = await opened.slips()
        known = await self._stored.known(box, opened.epoch)
        fresh = [slip for slip in slips if slip.place not in known]
        taken = await self._take(box, name, opened, fresh, announce if state.is_whole else None)
        changed = {s.place: s.flags for s in slips if known.get(s.place, s.flags) != s.flags}
        await self._stored.set_flags(box, opened.epoch, changed)
        last = max((slip.number for slip in slips), default=0)
        present = {slip.place for slip in slips}
        all_read = MailboxState(epoch=opened.epoch, last=last, token=opened.token)
        deleted, moved = await self._stored.finish(box, all_read, present)
        same = len(known.keys() & present) - len(changed)
        return taken + MailSynced(
            updated=len(changed), unchanged=same, deleted=deleted, moved=moved
        )

    async def _take(
        self,
        box: int,
        name: str,
        opened: OpenMailbox,
        fresh: Sequence[Slip],
        announce: Announce | None,
    ) -> MailSynced:
        done = MailSynced()
        for start in range(0, len(fresh), _AT_ONCE):
            some = fresh[start : start + _AT_ONCE]
            heads = await opened.heads([slip.name for slip in some])
            entries = [
                _entry(slip, head, f"{name} {opened.epoch}")
                for slip in some
                if (head := heads.get(slip.name)) is not None
            ]
            taken = await self._stored.take(box, opened.epoch, entries, announce=announce)
            bad = [each for each in entries if each.problem]
            done += MailSynced(
                new=taken.new,
                updated=taken.updated,
                unchanged=taken.found_again - taken.updated,
                failed=len(bad),
                errors=tuple(f"{name}: mail {each.place}: {each.problem}" for each in bad),
            )
        return done


def _entry(slip: Slip, head: Head | BadLetter, where: str) -> MailboxEntry:
    if isinstance(head, BadLetter):
        return _unreadable(slip, f"{where} {slip.place}"[-64:], head)
    try:
        return _readable(slip, head.letter())
    except BadLetter as error:
        return _unreadable(slip, head.key, error)


def _readable(slip: Slip, letter: Letter) -> MailboxEntry:
    verdict = categorize(letter)
    return MailboxEntry(
        place=slip.place,
        number=slip.number,
        key=letter.key,
        size=slip.size,
        flags=slip.flags,
        message_id=letter.message_id[:_LONGEST],
        sender=letter.sender[:_LONGEST],
        subject=letter.subject[:_LONGEST],
        category=verdict.category.value,
        reason=verdict.reason,
    )


def _unreadable(slip: Slip, key: str, reason: BadLetter) -> MailboxEntry:
    return MailboxEntry(
        place=slip.place,
        number=slip.number,
        key=key,
        size=slip.size,
        flags=slip.flags,
        problem=str(reason)[:_LONGEST],
    )


def _counts(done: MailSynced) -> SyncCounts:
    return SyncCounts(
        new=done.new,
        updated=done.updated,
        deleted=done.deleted,
        unchanged=done.unchanged,
        failed=done.failed,
    )
