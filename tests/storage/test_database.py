"""One file, many readers, one writer at a time, and no update lost."""

from collections.abc import AsyncGenerator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.storage.base import Base
from app.storage.database import Database


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Example(DeclarativeBase):
    """A base of its own, so that these tables stay out of the application's schema."""

    metadata = MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map: ClassVar[dict[Any, Any]] = Base.type_annotation_map


class CounterRow(Example):
    __tablename__ = "counters"

    id: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(default=0)
    colour: Mapped[Colour] = mapped_column(default=Colour.RED)
    moment: Mapped[datetime | None]
    config: Mapped[dict[str, Any] | None]


@pytest.fixture
async def counters(tmp_path: Path) -> AsyncGenerator[Database]:
    async with Database.open(tmp_path / "counters.db") as database:
        async with database.write() as session:
            connection = await session.connection()
            await connection.run_sync(Example.metadata.create_all)
            session.add(CounterRow(id=1))
        yield database


async def count_one(database: Database) -> None:
    async with database.write() as session:
        row = await session.get_one(CounterRow, 1)
        row.count += 1


async def test_eight_writers_lose_no_update(counters: Database) -> None:
    async def write_often() -> None:
        for _ in range(25):
            await count_one(counters)

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(write_often)

    async with counters.read() as session:
        row = await session.get_one(CounterRow, 1)
    assert row.count == 200
