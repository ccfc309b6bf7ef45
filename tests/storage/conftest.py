"""The storage's tests run on every database that it knows."""

import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.storage.database import Database

if TYPE_CHECKING:
    from tests.postgres import Server


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(
    request: pytest.FixtureRequest, migrated: Path, tmp_path: Path
) -> AsyncGenerator[Database]:
    """An empty, migrated database of the test's own."""
    if request.param == "sqlite":
        path = tmp_path / "steward.db"
        shutil.copy(migrated, path)
        async with Database.open(path) as opened:
            yield opened
    else:
        server: Server = request.getfixturevalue("postgres")
        async with server.database() as url, Database.open(url) as opened:
            yield opened
