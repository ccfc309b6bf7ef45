"""Where a day happens, and what a proof is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from app.storage.base import Base
from app.storage.database import Database
from app.storage.users import User
from tests.life.day import Day
from tests.life.town import Town


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A home, what is around it, and the day."""

    day: Day
    home: Path
    folder: Path
    """Outside of the home."""
    town: Town
    owner: User
    begins: datetime

    @property
    def database(self) -> Database:
        """The home's."""
        return self.day.services.database

    def ago(self, span: timedelta) -> Callable[[], datetime]:
        """A clock that stands so long before the day."""
        return lambda: self.begins - span

    async def count(self, row: type[Base]) -> int:
        """How many rows the table has."""
        async with self.database.read() as session:
            return await session.scalar(select(func.count()).select_from(row)) or 0


@dataclass(frozen=True)
class Proof:
    """That a job has done its work."""

    leave: Callable[[Scene], Awaitable[None]]
    """Leaves it something to do, and what it must not touch beside that."""
    shows: Callable[[Scene], Awaitable[bool]]
    """Whether all of that was done, once, and nothing else."""
