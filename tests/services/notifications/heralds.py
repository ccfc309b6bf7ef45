"""A herald for tests: it tells in the application, and keeps what is to leave."""

from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from app.services.notifications import Herald, Notifier, Told
from app.storage.database import Database


@dataclass(slots=True)
class Kept:
    """What somebody would have to bring."""

    told: list[Told] = field(default_factory=list[Told])

    async def __call__(self, session: AsyncSession, told: Told, /) -> None:
        del session
        self.told.append(told)


def herald_at(database: Database) -> Herald:
    """One whose users are told nowhere else."""
    return Herald(database, Notifier(database), Kept())
