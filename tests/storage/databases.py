"""The databases that storage's tests run on."""

from contextlib import AbstractAsyncContextManager

import pytest

from app.storage.database import Database

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""For what only a file can show."""
on_postgres = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
"""For what only a server can show."""


def again(database: Database) -> AbstractAsyncContextManager[Database]:
    """The same, opened by somebody else."""
    return Database.open(database.where)
