"""Where a probe writes, to see whether the database takes it and gives it back: a row a probe."""

from datetime import datetime

from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base
from app.storage.database import Database


class ProbeRow(Base):
    """The last thing a probe wrote."""

    __tablename__ = "probes"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    token: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime]


async def write_and_read(database: Database, name: str, token: str, *, at: datetime) -> str:
    """Write the token, and return what another transaction reads."""
    async with database.write() as session:
        await session.merge(ProbeRow(name=name, token=token, at=at))
    async with database.read() as session:
        return await session.scalar(select(ProbeRow.token).filter_by(name=name)) or ""
