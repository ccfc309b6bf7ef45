"""Schedules, fired by any of several workers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from app.engine import (
    BadArguments,
    CallRefused,
    Client,
    Codec,
    Duplicate,
    ManualClock,
    Unavailable,
    UnknownJob,
    by_name,
    days,
    hours,
    job,
    minutes,
    schedule,
    seconds,
)
from app.engine.redis.store import Store
from app.engine.roles.scheduler import Scheduler
from tests.engine.conftest import QUEUES, Bench, Open
from tests.engine.jobs import write
from tests.engine.steps import claim, completed, due_ms
from tests.eventually import eventually

HOURLY = schedule("0 * * * *", write.call("tick"), name="hourly")


@job(name="test.note", queue="default")
async def note(ctx: Bench) -> None:
    """Note which tick this is."""
    ctx.page.append(f"{ctx.attempt.run_id} for {ctx.attempt.scheduled_for:%H:%M}")


def another(client: Client, codec: Codec, clock: ManualClock) -> Client:
    """A client of another process, with a clock that agrees."""
    return Client(Store(client.store.redis, clock), codec, jobs=by_name([write]), queues=QUEUES)


def until(clock: ManualClock, minute: int) -> timedelta:
    """How long until the next hour's minute, and a bit."""
    now = clock.now()
    then = now.replace(minute=minute, second=1, microsecond=0) + hours(1)
    return then - now


async def ids(client: Client) -> list[str]:
    """What waits in the queue."""
    found: list[bytes] = await client.store.redis.zrange("arq:queue:default", 0, -1)
    return [each.decode() for each in found]


async def test_three_schedulers_fire_one_tick_once(
    client: Client, codec: Codec, clock: ManualClock
) -> None:
    three = [Scheduler([HOURLY], another(client, codec, clock)) for _ in range(3)]
    for each in three:
        await each.fire_due()
    before = await ids(client)

    clock.advance(until(clock, 0))
    async with anyio.create_task_group() as group:
        for each in three * 3:
            group.start_soon(each.fire_due)

    assert before == []
    assert await ids(client) == [f"hourly@{clock.now():%Y%m%dT%H}0000Z"]


async def test_every_tick_fires_once_over_a_day(
    client: Client, codec: Codec, clock: ManualClock
) -> None:
    two = [Scheduler([HOURLY], another(client, codec, clock)) for _ in range(2)]
    clock.advance(until(clock, 30))
    for _ in range(25):
        for each in two:
            await each.fire_due()
        clock.advance(hours(1))

    assert len(await ids(client)) == 24


async def test_a_tick_knows_when_it_was_meant(client: Client, clock: ManualClock) -> None:
    scheduler = Scheduler([HOURLY], client)
    await scheduler.fire_due()
    clock.advance(until(clock, 20))

    await scheduler.fire_due()

    run = (await claim(client.store)).runs[0]
    assert run.payload is not None
    payload = client.codec.open_payload(run.payload)
    meant = clock.now().replace(minute=0, second=0, microsecond=0)
    assert payload.sf == meant.timestamp() * 1000
    assert (
        await due_ms(client.store, run) / 1000 > payload.sf / 1000 + 1000
    )  # due now, not in the past
    await client.store.commit([completed(run)])


async def test_after_an_absence_the_latest_missed_tick_fires_once(
    client: Client, codec: Codec, clock: ManualClock
) -> None:
    await Scheduler([HOURLY], client).fire_due()
    clock.advance(days(3))
    back = [Scheduler([HOURLY], another(client, codec, clock)) for _ in range(2)]

    for each in back * 2:
        await each.fire_due()

    assert await ids(client) == [f"hourly@{clock.now():%Y%m%dT%H}0000Z"]


async def test_a_new_schedule_begins_now_and_not_in_the_past(
    client: Client, clock: ManualClock
) -> None:
    scheduler = Scheduler([HOURLY], client)

    await scheduler.fire_due()
    clock.advance(minutes(1) if clock.now().minute < 58 else minutes(-30))
    await scheduler.fire_due()

    assert await ids(client) == []


async def test_a_changed_expression_begins_now(client: Client, clock: ManualClock) -> None:
    await Scheduler([HOURLY], client).fire_due()
    clock.advance(days(2))
    changed = Scheduler([schedule("30 * * * *", write.call("tick"), name="hourly")], client)

    await changed.fire_due()
    begun = await ids(client)
    clock.advance(until(clock, 30))
    await changed.fire_due()

    assert begun == []
    assert await ids(client) == [f"hourly@{clock.now():%Y%m%dT%H}3000Z"]


async def test_a_changed_zone_is_a_changed_expression(client: Client, clock: ManualClock) -> None:
    daily = schedule("0 8 * * *", write.call("x"), name="daily")
    await Scheduler([daily], client).fire_due()
    clock.advance(days(2))
    moved = schedule("0 8 * * *", write.call("x"), name="daily", tz="Europe/Vilnius")

    await Scheduler([moved], client).fire_due()

    assert await ids(client) == []


async def test_two_releases_whose_timetables_differ_each_fire_all_of_their_own_ticks(
    client: Client, clock: ManualClock
) -> None:
    clock.advance(until(clock, 10))
    changed = schedule("30 * * * *", write.call("tick"), name="hourly")
    old, new = Scheduler([HOURLY], client), Scheduler([changed], client)
    start = clock.now()
    for _ in range(8 * 4):
        for release in (old, new):
            await release.fire_due()
        clock.advance(minutes(15))
    for _ in range(2 * 4):  # the old one is gone
        await new.fire_due()
        clock.advance(minutes(15))

    fired = set(await ids(client))

    def at(hour: int, minute: int) -> str:
        moment = start.replace(minute=0, second=0, microsecond=0) + timedelta(hours=hour)
        return f"hourly@{moment + timedelta(minutes=minute):%Y%m%dT%H%M%SZ}"

    assert {at(hour, 30) for hour in range(10)} <= fired
    assert {at(hour, 0) for hour in range(1, 8)} <= fired
    assert len(fired) == len(await ids(client))


async def test_an_expression_that_comes_back_begins_now(client: Client, clock: ManualClock) -> None:
    changed = schedule("30 * * * *", write.call("tick"), name="hourly")
    await Scheduler([HOURLY], client).fire_due()
    for _ in range(20):
        clock.advance(minutes(30))
        await Scheduler([changed], client).fire_due()
    before = await ids(client)

    await Scheduler([HOURLY], client).fire_due()

    assert before
    assert await ids(client) == before


async def test_a_tick_of_another_release_that_is_far_ahead_holds_up_nobody(
    client: Client, clock: ManualClock
) -> None:
    await client.store.redis.set("steward:cursor:hourly", "90000000000000|* * * * *|UTC")
    scheduler = Scheduler([HOURLY], client)

    await scheduler.fire_due()
    clock.advance(until(clock, 0))
    await scheduler.fire_due()

    assert len(await ids(client)) == 1


@pytest.mark.parametrize("cursor", ["", "x|0 * * * *|UTC", "99999999999999999|0 * * * *|UTC", "||"])
async def test_a_cursor_that_makes_no_sense_begins_anew(
    client: Client, clock: ManualClock, cursor: str
) -> None:
    await client.store.redis.set("steward:cursor:hourly", cursor)
    scheduler = Scheduler([HOURLY], client)

    await scheduler.fire_due()
    clock.advance(until(clock, 0))
    await scheduler.fire_due()

    assert len(await ids(client)) == 1


async def test_a_server_clock_that_goes_back_fires_nothing_twice(
    client: Client, clock: ManualClock
) -> None:
    scheduler = Scheduler([HOURLY], client)
    await scheduler.fire_due()
    clock.advance(until(clock, 0))
    await scheduler.fire_due()

    clock.advance(-minutes(10))
    await scheduler.fire_due()
    clock.advance(minutes(10))
    await scheduler.fire_due()

    assert len(await ids(client)) == 1


async def test_a_key_keeps_a_tick_from_piling_up(client: Client, clock: ManualClock) -> None:
    keyed = schedule("0 * * * *", write.with_options(key="only-one").call("x"), name="keyed")
    scheduler = Scheduler([keyed], client)
    await scheduler.fire_due()

    for _ in range(3):
        clock.advance(hours(1))
        await scheduler.fire_due()

    assert len(await ids(client)) == 1


@job(name="test.stranger", queue="default")
async def stranger(ctx: Bench) -> None:
    """Be registered nowhere."""
    ctx.page.append("ran")


WRONG: Any = write


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (schedule("* * * * *", stranger.call()), UnknownJob),
        (schedule("* * * * *", WRONG.call(5)), BadArguments),
        (schedule("* * * * *", WRONG.call()), BadArguments),
        (schedule("* * * * *", write.call("x"), name="two words"), BadArguments),
        (schedule("* * * * *", write.call("x"), name="x" * 190), BadArguments),
        (schedule("* * * * *", write.call("x" * 300_000)), CallRefused),
    ],
)
async def test_a_schedule_that_could_not_fire_is_refused_at_start(
    client: Client, codec: Codec, clock: ManualClock, line: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        Scheduler([line], another(client, codec, clock))


async def test_two_schedules_of_one_name_are_refused_at_start(client: Client) -> None:
    with pytest.raises(Duplicate, match="hourly"):
        Scheduler([HOURLY, HOURLY], client)


async def test_three_workers_run_one_tick_once(workshop: Open, clock: ManualClock) -> None:
    timetable = [schedule("0 * * * *", note.call())]
    async with workshop(note) as shop:
        now = clock.now().astimezone(UTC)
        next_hour = datetime(now.year, now.month, now.day, now.hour, tzinfo=UTC) + hours(1)
        clock.advance(next_hour - now - seconds(1))
        async with (
            shop.working(timetable=timetable),
            shop.working(timetable=timetable),
            shop.working(timetable=timetable),
        ):
            await eventually(lambda: shop.heard, within=seconds(10))
            await anyio.wait_all_tasks_blocked()

        assert shop.page == [f"test.note@{next_hour:%Y%m%dT%H}0000Z for {next_hour:%H:%M}"]


class Away(Store):
    """A store that is away for a while."""

    losses = 2

    async def server_time(self) -> datetime:
        """Say that nobody answers."""
        if self.losses:
            self.losses -= 1
            raise Unavailable("away")
        return await super().server_time()


async def test_an_absent_redis_is_waited_for_and_said_once(
    client: Client, codec: Codec, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    store = Away(client.store.redis, clock)
    scheduler = Scheduler([HOURLY], Client(store, codec))

    async with anyio.create_task_group() as group:
        group.start_soon(scheduler.run)
        await eventually(lambda: client.store.redis.exists("steward:cursor:hourly"))
        group.cancel_scope.cancel()

    assert [each.levelname for each in caplog.records].count("WARNING") == 1
