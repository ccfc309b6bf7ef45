"""The history at a glance says what the history says."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from app.engine import Batch, Ending, RunEvent, UnknownRun
from app.storage.database import Database
from app.storage.glance import Glance
from app.storage.runs import Runs
from tests.storage.databases import on_sqlite

pytestmark = on_sqlite
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def told(database: Database) -> Runs:
    """A history of five runs on two queues; the second failed."""
    runs = Runs(database)
    events = tuple(
        RunEvent(
            run_id=f"run-{n}",
            job="test.job",
            queue=("ai", "email")[n % 2],
            ending=Ending.DEAD if n == 1 else Ending.SUCCEEDED,
            attempt=n + 1,
            enqueued_at=NOON,
            started_at=NOON + timedelta(seconds=n),
            ended_at=NOON + timedelta(seconds=n, microseconds=n % 2),
            worker="w1",
            owner="7",
            error_kind="builtins.OSError" if n == 1 else "",
            error_message='it\'s "over"; DROP TABLE runs' if n == 1 else "",
        )
        for n in range(5)
    )
    await runs.record([Batch(entry_id="1-0", first=1, last=5, events=events)])
    return runs


@pytest.mark.parametrize("status", [None, Ending.SUCCEEDED, Ending.DEAD, Ending.CANCELLED])
@pytest.mark.parametrize("queue", [None, "ai", "email", "' OR 1=1 --"])
@pytest.mark.parametrize("limit", [2, 50])
async def test_a_glance_lists_what_the_history_lists(
    database: Database, status: Ending | None, queue: str | None, limit: int
) -> None:
    runs, glance = await told(database), Glance(database.path)

    found = await glance.list(status=status, queue=queue, limit=limit)

    assert found == await runs.list(status=status, queue=queue, limit=limit)


async def test_a_glance_gets_what_the_history_gets(database: Database) -> None:
    runs, glance = await told(database), Glance(database.path)

    assert await glance.get("run-1") == await runs.get("run-1")
    with pytest.raises(UnknownRun, match="nosuch"):
        await glance.get("nosuch")


async def test_a_glance_is_for_a_file_that_is_up_to_date(database: Database) -> None:
    glance = Glance(database.path)
    before = await glance.is_possible()
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    assert (before, await glance.is_possible()) == (True, False)


async def test_a_glance_at_what_is_no_history_is_not_possible(database: Database) -> None:
    junk = database.path.with_name("junk.db")
    junk.write_bytes(b"no database" * 100)

    assert not await Glance(junk).is_possible()
    assert not await Glance(junk.with_name("nowhere.db")).is_possible()
