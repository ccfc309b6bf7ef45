"""`outbox`: what no relay has brought yet, and how one gives it up."""

from datetime import UTC, datetime

import anyio
import pytest
from sqlalchemy import insert

from app.storage.database import Database
from app.storage.outbox import OutboxRow
from tests.cli.command import Command

GONE = "no queue is called 'gone'"


@pytest.fixture
def stuck(idle_steward: Command) -> str:
    """The id of a run whose queue this release has given up."""

    async def put() -> None:
        async with Database.open(idle_steward.home / "steward.db") as database:
            await database.migrate()
            now = datetime.now(UTC)
            row = {
                "mark": "m",
                "run_id": "run-1",
                "job": "tests.gone",
                "queue": "gone",
                "run": b"x",
            }
            times = {"written_at": now, "tries": 7, "try_at": now, "trouble": GONE}
            async with database.write() as session:
                await session.execute(insert(OutboxRow).values(row | times))

    anyio.run(put)
    return "run-1"


def test_what_can_never_leave_is_shown_and_given_up(idle_steward: Command, stuck: str) -> None:
    (row,) = idle_steward("outbox", "--json").json()
    shown = idle_steward("outbox")
    unsure = idle_steward("outbox", "drop", stuck)
    dropped = idle_steward("outbox", "drop", stuck, "--yes")
    again = idle_steward("outbox", "drop", stuck, "--yes")

    assert (row["id"], row["tries"], row["trouble"]) == (stuck, 7, GONE)
    assert GONE in shown.out
    assert (unsure.code, "--yes" in unsure.line) == (2, True)
    assert dropped.code == 0
    assert (again.code, f"no run {stuck} waits in the outbox" in again.line) == (1, True)
    assert idle_steward("outbox").out == "Nothing waits in the outbox.\n"
