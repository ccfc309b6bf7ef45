"""The database, for commands that only look at it: they ask no Redis, and make no database."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from app.cli.failures import NotDone
from app.cli.moment import read_span

if TYPE_CHECKING:
    from app.storage.database import Database

Since = Annotated[str, Parameter(help="How far back to look: 90s, 5m, 2h, 7d.")]


@asynccontextmanager
async def looking_back() -> AsyncGenerator["Database"]:
    """The database of the settings; raises `NotDone` where there is none yet."""
    from app.connection import database_at
    from app.settings import read_settings
    from app.storage.database import Database

    place = database_at(read_settings())
    if isinstance(place, Path) and not place.exists():
        raise NotDone("there is no database yet: start Steward once")
    async with Database.open(place) as database:
        await database.migrate()
        yield database


def begin_of(since: str) -> datetime:
    """The moment so long ago; raises `Misused`."""
    now = datetime.now(UTC)
    try:
        return now - read_span(since, option="--since")
    except OverflowError:
        return datetime(1970, 1, 1, tzinfo=UTC)
