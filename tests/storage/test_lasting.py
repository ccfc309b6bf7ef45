"""What a power cut must not cost: it is on the disk before anybody goes on."""

import os
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.engine import Client, Effect, EffectState, Place
from app.jobs.maintenance import prune_history
from app.relay import Relay
from app.storage.database import Database
from app.storage.effects import Effects
from app.storage.outbox import Outbox

EFFECT = Effect(
    place=Place(run_id="run-1", origin="run-1@0", name="mail"),
    state=EffectState.BEGUN,
    by="a",
    job="t.t",
    attempt=1,
    worker="w1",
    since=0,
)


@pytest.fixture
async def database(migrated: Path, tmp_path: Path) -> AsyncGenerator[Database]:
    """A file of SQLite's: what a server has on its disk is the server's concern."""
    path = tmp_path / "steward.db"
    shutil.copy(migrated, path)
    async with Database.open(path) as opened:
        yield opened


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files of which this process has told the system to have them on the disk."""
    names, sync = list[str](), os.fsync

    def noted(descriptor: int) -> None:
        sync(descriptor)
        names.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)

    monkeypatch.setattr(os, "fsync", noted)
    return names


async def test_an_effect_is_on_the_disk_before_it_begins(
    database: Database, synced: list[str]
) -> None:
    await Effects(database).swap(EFFECT.place, None, EFFECT, lease="")

    assert "-wal" in synced[0]


async def test_a_run_in_the_outbox_is_on_the_disk_when_its_transaction_ends(
    database: Database, client: Client, synced: list[str]
) -> None:
    outbox = Outbox(database, client)
    async with database.write() as session:
        await outbox.enqueue(session, prune_history)
        assert synced == []

    assert "-wal" in synced[0]
    synced.clear()
    await outbox.brought([row.mark for row in await outbox.next(most=10)])
    assert "-wal" in synced[0]


async def test_no_run_is_in_redis_before_its_row_is_on_the_disk(
    database: Database, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(database, client)
    async with database.write() as session:
        await outbox.enqueue(session, prune_history)

    relay = Relay(outbox, client, queues=[prune_history.queue])

    monkeypatch.setattr(os, "fsync", _fail)
    with pytest.raises(OSError, match="no disk"):
        await relay.round()

    assert await client.queues() == []
    assert len(await outbox.next(most=10)) == 1


def _fail(_descriptor: int) -> None:
    raise OSError("no disk")


async def test_what_may_be_lost_waits_for_no_disk(database: Database, synced: list[str]) -> None:
    async with database.write() as session:
        await session.execute(text("CREATE TABLE page (word TEXT)"))

    assert synced == []
