"""One day of a user: their tasks and their mail, for the summary of it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.database import Database
from app.storage.incoming_mail import IncomingMailRow
from app.storage.mailboxes import MailboxEntryRow, MailboxRow
from app.storage.task import TaskStatus
from app.storage.tasks import TaskRow

MOST = 500  # of each kind are looked at; a summary tells far fewer


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOfDay:
    """A task that is due, or was done."""

    title: str
    at: datetime
    result: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailOfDay:
    """A mail that has come in."""

    category: str
    sender: str
    subject: str


class Day:
    """Looks things up in one snapshot of the database, for one user."""

    def __init__(self, database: Database, user_id: int) -> None:
        self._database = database
        self._user_id = user_id

    async def tasks_due(self, start: datetime, end: datetime) -> tuple[TaskOfDay, ...]:
        """Their active tasks that come due from `start` to before `end`, the earliest first."""
        row = TaskRow
        wanted = select(row.title, row.next_run_at).filter_by(user_id=self._user_id)
        wanted = wanted.where(row.status == TaskStatus.ACTIVE, row.next_run_at < end)
        wanted = wanted.where(row.next_run_at >= start).order_by(row.next_run_at, row.id)
        async with self._database.read() as session:
            found = await session.execute(wanted.limit(MOST))
            return tuple(TaskOfDay(title=title, at=at) for title, at in found if at is not None)

    async def tasks_done(self, since: datetime) -> tuple[TaskOfDay, ...]:
        """Their tasks that were carried out since then, with what came of it; not what failed."""
        row = TaskRow
        wanted = select(row.title, row.last_run_at, row.last_result)
        wanted = wanted.filter_by(user_id=self._user_id).where(row.last_run_at >= since)
        wanted = wanted.where(row.last_error.is_(None))  # or the result is an earlier run's
        async with self._database.read() as session:
            found = await session.execute(wanted.order_by(row.last_run_at, row.id).limit(MOST))
            return tuple(
                TaskOfDay(title=title, at=at, result=result or "")
                for title, at, result in found
                if at is not None
            )

    async def mail(self, since: datetime) -> tuple[MailOfDay, ...]:
        """Their mail that came in since then: what was filed, then what lies where it came."""
        async with self._database.read() as session:
            return (*await self._filed(session, since), *await self._lying(session, since))

    async def _filed(self, session: AsyncSession, since: datetime) -> list[MailOfDay]:
        row = IncomingMailRow
        wanted = select(row.category, row.sender, row.subject).filter_by(user_id=self._user_id)
        wanted = wanted.where(row.filed_at >= since).order_by(row.id.desc()).limit(MOST)
        return [_mail(*each) for each in await session.execute(wanted)]

    async def _lying(self, session: AsyncSession, since: datetime) -> list[MailOfDay]:
        row = MailboxEntryRow
        wanted = select(row.category, row.sender, row.subject).join(MailboxRow)
        wanted = wanted.where(MailboxRow.user_id == self._user_id, row.seen_at >= since)
        wanted = wanted.where(row.problem == "", row.key.not_in(select(IncomingMailRow.key)))
        found = await session.execute(wanted.order_by(row.id.desc()).limit(MOST))
        return [_mail(*each) for each in found]


def _mail(category: str, sender: str, subject: str) -> MailOfDay:
    return MailOfDay(category=category, sender=sender, subject=subject)
