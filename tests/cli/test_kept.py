"""`show`, of a dead letter that nobody can read: what was kept, without harm or secrets."""

import pytest
from arq.connections import RedisSettings

from app.cli.run import show_run
from app.engine import Codec
from app.engine.redis import keys
from tests.cli.inside import inside
from tests.engine.conftest import workshop_at
from tests.engine.jobs import write

BAD = b"\x1b[2J\xff password=hunter2 \n" + bytes(1_000)


async def test_the_bytes_are_told_without_what_steers_a_terminal_and_without_secrets(
    clean_redis: RedisSettings,
    codec: Codec,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with workshop_at(clean_redis, codec, write) as shop:
        handle = await shop.client.enqueue(write, "it")
        await shop.client.store.redis.set(keys.payload(handle.id), BAD)
        await shop.drain()
    with inside(monkeypatch, capsys, clean_redis) as steward:
        told = await steward.text(show_run, handle.id)
        facts = await steward.json(show_run, handle.id)

    assert f"{len(BAD):,} bytes kept, which nobody can read" in told
    assert r"\x1b[2J\xff password=***" in told
    assert "hunter2" not in told + str(facts)
    assert "\x1b" not in told
    assert len(facts["payload"]) < 600
