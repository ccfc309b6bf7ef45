"""The tasks of runs at work."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from time import sleep

import anyio
import pytest

from app.engine import seconds
from app.engine.outcome import Outcome, Succeeded
from app.engine.roles.running import Body, Running, Stopped
from app.engine.roles.slots import Slots
from app.engine.run import Claimed
from tests.engine.jobs import write
from tests.engine.steps import running
from tests.eventually import eventually

LONG = seconds(60)


def run(id: str = "r1", *, timeout: timedelta = LONG) -> Running:
    claimed = Claimed(id=id, queue="q", worker="w", payload=b"")
    return running(claimed, replace(write, timeout=timeout))


@dataclass
class Told:
    """What the slots told of their runs."""

    ended: list[tuple[str, Stopped | None, Outcome | None]] = field(default_factory=list)

    def __call__(self, running: Running, outcome: Outcome | None) -> None:
        """Remember."""
        self.ended.append((running.run.id, running.stopped, outcome))


def slots(told: Told, *, grace: timedelta = LONG, count: int = 3) -> Slots:
    return Slots(count, grace=grace, ended=told)


async def at_once(running: Running) -> Outcome:
    return Succeeded(running.run.id)


async def never(_: Running) -> Outcome:
    await anyio.sleep_forever()
    raise AssertionError


def deaf(until: asyncio.Event) -> Body:
    """A run that ignores being cancelled."""

    async def body(_: Running) -> Outcome:
        while not until.is_set():
            try:
                await until.wait()
            except asyncio.CancelledError:
                continue
        return Succeeded("late")

    return body


async def test_a_run_takes_a_slot_until_it_is_over() -> None:
    told = Told()
    ours = slots(told)

    ours.start(run(), at_once)
    taken = ours.free
    await ours.idle()

    assert (taken, ours.free) == (2, 3)
    assert told.ended == [("r1", None, Succeeded("r1"))]


async def test_a_run_whose_time_is_up_is_cancelled() -> None:
    told = Told()
    ours = slots(told)

    ours.start(run("short", timeout=seconds(0.02)), never)
    ours.start(run("long"), at_once)
    await ours.idle()

    assert ("short", Stopped.TIMEOUT, None) in told.ended
    assert ("long", None, Succeeded("long")) in told.ended


async def test_each_run_has_its_own_deadline() -> None:
    told = Told()
    ours = slots(told)

    for n in (3, 1, 2):
        ours.start(run(str(n), timeout=seconds(n / 50)), never)
    await ours.idle()

    assert [id for id, *_ in told.ended] == ["1", "2", "3"]


async def test_a_cancelled_run_cleans_up_before_it_is_over() -> None:
    told, cleaned = Told(), list[str]()
    ours = slots(told)

    async def careful(_: Running) -> Outcome:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.01)
                cleaned.append("yes")
        raise AssertionError

    ours.start(run(), careful)
    await anyio.lowlevel.checkpoint()
    ours.cancel("r1", Stopped.CANCELLED)
    await ours.idle()

    assert cleaned == ["yes"]
    assert told.ended == [("r1", Stopped.CANCELLED, None)]


async def test_the_first_reason_to_stop_stands() -> None:
    told = Told()
    ours = slots(told)

    ours.start(run(), never)
    ours.cancel("r1", Stopped.STOPPING)
    ours.cancel("r1", Stopped.CANCELLED)
    ours.cancel("unknown", Stopped.CANCELLED)
    await ours.idle()

    assert told.ended == [("r1", Stopped.STOPPING, None)]


async def test_a_run_that_ignores_its_cancellation_is_abandoned(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told, release = Told(), asyncio.Event()
    ours = slots(told, grace=seconds(0.05))

    ours.start(run(timeout=seconds(0.02)), deaf(release))
    await ours.idle()

    assert told.ended == [("r1", Stopped.TIMEOUT, None)]
    assert ours.free == 3
    assert "ignored its cancellation" in caplog.text
    release.set()
    await ours.close()
    assert len(told.ended) == 1


async def test_what_an_abandoned_run_returns_later_counts_for_nothing() -> None:
    told, release = Told(), asyncio.Event()
    ours = slots(told, grace=seconds(0.02))
    late = run(timeout=seconds(0.02))

    ours.start(late, deaf(release))
    await ours.idle()
    release.set()
    await eventually(lambda: late.task is not None and late.task.done())

    assert told.ended == [("r1", Stopped.TIMEOUT, None)]


async def test_one_id_may_run_twice_and_each_ends_once() -> None:
    told = Told()
    ours = slots(told)

    ours.start(run("same"), at_once)
    ours.start(run("same"), never)
    ours.cancel("same", Stopped.CANCELLED)
    await ours.idle()

    assert len(told.ended) == 2
    assert ours.free == 3


async def test_a_run_whose_time_is_up_before_it_began_is_given_back() -> None:
    told = Told()
    ours = slots(told)

    async def blocks(_: Running) -> Outcome:
        sleep(0.02)  # noqa: ASYNC251  # a job that computes
        return Succeeded(None)

    for name in ("first", "second"):
        ours.start(run(name), blocks)
    ours.start(run("late", timeout=timedelta(milliseconds=10)), at_once)
    await ours.idle()

    assert told.ended[-1] == ("late", Stopped.STOPPING, None)


async def test_no_timer_outlives_the_runs() -> None:
    told = Told()
    ours = slots(told)
    ours.start(run(), at_once)
    await ours.idle()

    await ours.close()

    assert told.ended


async def test_a_run_that_ends_before_its_deadline_is_not_cancelled_at_it() -> None:
    told, release = Told(), asyncio.Event()
    ours = slots(told)

    async def body(_: Running) -> Outcome:
        await release.wait()
        return Succeeded("in time")

    ours.start(run("other", timeout=seconds(0.1)), never)
    ours.start(run("soon", timeout=seconds(0.05)), body)
    release.set()
    await ours.idle()

    assert told.ended == [
        ("soon", None, Succeeded("in time")),
        ("other", Stopped.TIMEOUT, None),
    ]
