"""What every test may ask for."""

import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from app.storage.database import Database


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests and fixtures on asyncio, as Steward does."""
    return "asyncio"


@pytest.fixture(scope="session")
async def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with every table and no rows, made once and copied by `database`."""
    path = tmp_path_factory.mktemp("migrated") / "steward.db"
    async with Database.open(path) as database:
        await database.migrate()
    return path


@pytest.fixture
async def database(migrated: Path, tmp_path: Path) -> AsyncGenerator[Database]:
    """An empty, migrated database of the test's own."""
    path = tmp_path / "steward.db"
    shutil.copy(migrated, path)
    async with Database.open(path) as opened:
        yield opened
