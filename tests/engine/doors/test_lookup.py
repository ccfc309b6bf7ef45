"""Reading a run's traces."""

import msgspec
import pytest

from app.engine import BadPayload, Client, Codec, RunStatus, UnknownRun, by_name, job
from app.engine.doors.lookup import Lookup
from app.engine.envelope import Kept
from tests.engine.conftest import Bench, Open
from tests.engine.jobs import pass_gate, write
from tests.engine.steps import claim, completed
from tests.eventually import eventually


@job(name="test.give", queue="default")
async def give_number(ctx: Bench) -> int:
    """Return a number."""
    return ctx.attempt.number


@job(name="test.give", queue="default")
async def give_pair(ctx: Bench) -> tuple[str, str]:
    """Return what the job of that name returns since yesterday."""
    return "a", ctx.attempt.queue


async def test_the_trace_of_a_running_run_names_its_worker(workshop: Open) -> None:
    async with workshop(pass_gate) as shop, shop.working() as worker:
        handle = await shop.client.enqueue(pass_gate, "I")
        await eventually(lambda: shop.page)

        trace = await shop.client.lookup.trace(handle.id)

        assert (trace.status, trace.attempt, trace.worker) == (RunStatus.RUNNING, 1, worker.id)
        shop.gate.set()


async def test_a_result_nobody_here_can_type_is_a_plain_value(workshop: Open, codec: Codec) -> None:
    async with workshop(give_pair) as shop:
        handle = await shop.client.enqueue(give_pair)
        await shop.drain()
        stranger = Lookup(shop.client.store, codec, {})

        kept = (await stranger.trace(handle.id)).kept

        assert kept is not None
        assert stranger.value_of(kept) == ["a", "default"]


async def test_a_result_that_no_longer_fits_is_unknown(workshop: Open, codec: Codec) -> None:
    async with workshop(give_pair) as shop:
        handle = await shop.client.enqueue(give_pair)
        await shop.drain()
        newer = Lookup(shop.client.store, codec, by_name([give_number]))

        kept = (await newer.trace(handle.id)).kept

        assert kept is not None
        with pytest.raises(UnknownRun, match="Expected `int`"):
            newer.value_of(kept)


async def test_an_altered_result_is_not_believed(client: Client) -> None:
    handle = await client.enqueue(write, "x")
    await client.store.commit([completed((await claim(client.store)).runs[0])])

    with pytest.raises(BadPayload):  # the step wrote `result`, which nobody sealed
        await handle.status()


async def test_a_run_whose_payload_is_altered_is_still_found(client: Client) -> None:
    handle = await client.enqueue(write, "x")
    await client.store.redis.set(f"arq:job:{handle.id}", b"altered")

    assert await handle.status() == RunStatus.QUEUED
    assert not await handle.cancel()


async def test_a_result_that_is_no_msgpack_is_unknown(client: Client) -> None:
    kept = Kept(
        t=1,
        f="test.write",
        a=msgspec.Raw(b"\x90"),
        k=msgspec.Raw(b"\x80"),
        et=0,
        s=True,
        r=msgspec.Raw(b"\xc1"),
        st=0,
        ft=0,
        q="default",
        id="run-1",
    )

    with pytest.raises(UnknownRun, match="run-1"):
        client.lookup.value_of(kept)
