"""The stream of what happened."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine import (
    Client,
    Ending,
    Events,
    ManualClock,
    RunEvent,
    RunStatus,
    Unavailable,
    minutes,
    seconds,
)
from app.engine.clock import to_ms
from app.engine.doors import events as events_module
from app.engine.doors.events import Event
from tests.engine.conftest import Open
from tests.engine.jobs import die, fail, hurry, write
from tests.engine.steps import claim, completed


async def test_every_attempt_is_an_event(workshop: Open) -> None:
    async with workshop(write, fail) as shop:
        events = Events(shop.client.store)
        await events.join()
        good = await shop.client.enqueue(write.with_options(owner="7"), "x")
        bad = await shop.client.enqueue(fail)
        await shop.drain()

        found = [e for batch in await events.read(within=seconds(1)) for e in batch.events]

        ours = [e for e in found if e.run_id == good.id]
        theirs = [e for e in found if e.run_id == bad.id]
        assert [(e.ending, e.attempt, e.owner) for e in ours] == [(Ending.SUCCEEDED, 1, "7")]
        assert [(e.ending, e.attempt) for e in theirs] == [
            (Ending.RETRYING, 1),
            (Ending.RETRYING, 2),
            (Ending.DEAD, 3),
        ]
        assert theirs[0].error_kind == "builtins.RuntimeError"
        assert theirs[0].error_message == "it never works"
        assert theirs[0].started_at <= theirs[0].ended_at
        assert theirs[0].job == "test.fail"


async def test_cancelling_a_waiting_run_is_an_event(client: Client) -> None:
    events = Events(client.store)
    await events.join()
    handle = await client.enqueue(write, "x")
    await handle.cancel()

    found = (await events.read(within=seconds(1)))[0].events

    assert [(e.run_id, e.ending, e.queue) for e in found] == [
        (handle.id, Ending.CANCELLED, "default")
    ]
    assert await handle.status() == RunStatus.CANCELLED


async def test_what_was_read_and_not_confirmed_comes_again(client: Client) -> None:
    events = Events(client.store)
    await events.join()
    await events.join()
    await client.enqueue(write, "x")
    await client.store.commit([completed((await claim(client.store)).runs[0])])

    first = await events.read(within=seconds(1))
    again = await events.unconfirmed()
    await events.confirm([batch.entry_id for batch in again])
    await events.confirm([])

    assert again == first
    assert await events.unconfirmed() == []
    assert await events.read(within=seconds(0.01)) == []


async def test_one_reader_at_a_time_holds_the_stream(client: Client) -> None:
    events = Events(client.store)

    held = [await events.hold(who, seconds(5)) for who in ("a", "b")]
    await events.let_go("a")

    assert held == [True, False]
    assert await events.hold("b", seconds(5))


async def test_what_a_stranger_appends_is_skipped_and_shows_as_a_gap(client: Client) -> None:
    events = Events(client.store)
    await events.join()
    await client.store.redis.xadd("steward:events", {"last": 1, "events": b"\x91\xff"})
    await client.store.redis.xadd("steward:events", {"odd": "entry"})

    batches = await events.read(within=seconds(1))

    assert [batch.events for batch in batches] == [(), ()]


MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(9000, 1, 1)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
)


@given(text=st.text(), moment=MOMENTS, attempt=st.integers(0, 10**6))
def test_an_event_comes_back_as_it_was_written(text: str, moment: datetime, attempt: int) -> None:
    event = Event(
        run_id=text,
        job=text,
        queue="default",
        ending=Ending.DEAD,
        attempt=attempt,
        enqueued=to_ms(moment),
        started=to_ms(moment),
        ended=to_ms(moment) + 1000,
        due=to_ms(moment) - 500,
        worker="w1",
    )
    packed = event.pack(OSError(text))

    assert vars(events_module)["_unpack_event"](packed) == RunEvent(
        run_id=text,
        job=text,
        queue="default",
        ending=Ending.DEAD,
        attempt=attempt,
        enqueued_at=moment,
        started_at=moment,
        ended_at=moment + timedelta(seconds=1),
        due_at=moment - timedelta(seconds=0.5),
        worker="w1",
        error_kind="builtins.OSError",
        error_message=text,
    )


@pytest.mark.parametrize("job", [die, hurry])
async def test_an_event_names_the_queue(workshop: Open, job: object) -> None:
    async with workshop(die, hurry) as shop:
        events = Events(shop.client.store)
        await events.join()
        chosen = die if job is die else hurry
        await shop.client.enqueue(chosen, "x")
        await shop.drain()

        found = (await events.read(within=seconds(1)))[0].events

        assert found[0].queue == chosen.queue


async def test_a_stream_that_is_none_is_said_to_be_unusable(client: Client) -> None:
    await client.store.redis.set("steward:events", "no stream")

    with pytest.raises(Unavailable, match="WRONGTYPE"):
        await Events(client.store).join()


async def test_a_long_wait_for_nothing_is_no_error(client: Client) -> None:
    events = Events(client.store)
    await events.join()

    assert await events.read(within=seconds(60)) == []


async def test_an_event_tells_when_a_delayed_run_was_due(
    workshop: Open, clock: ManualClock
) -> None:
    async with workshop(hurry) as shop:
        events = Events(shop.client.store)
        await events.join()
        await shop.client.enqueue(hurry.with_options(delay=minutes(5)), "x")
        clock.advance(minutes(6))
        await shop.drain()

        (event,) = (await events.read(within=seconds(1)))[0].events

        assert event.due_at is not None
        assert abs(event.due_at - event.enqueued_at - minutes(5)) < seconds(1)
