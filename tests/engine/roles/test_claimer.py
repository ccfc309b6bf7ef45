"""What a worker takes of each queue, and when."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

import anyio
import pytest

from app.engine import Client, ManualClock, RunStatus, Unavailable, minutes, seconds
from app.engine.outcome import Outcome, Succeeded
from app.engine.redis import keys
from app.engine.redis.store import Store
from app.engine.roles.ahead import Ahead
from app.engine.roles.claimer import Claimer
from app.engine.roles.running import Running
from app.engine.roles.slots import Slots
from app.engine.roles.urgency import Urgency
from app.engine.run import Claim, Claimed, Share
from tests.engine.conftest import QUEUES
from tests.engine.jobs import write
from tests.engine.steps import LEASE, claim, completed, running
from tests.eventually import eventually


class Losing(Store):
    """A store that acts on claims and loses answers."""

    losses = 0
    claims = 0
    patient = 0
    is_absent = False

    def __init__(self, client: Client) -> None:
        super().__init__(client.store.redis, client.store.clock)
        self.on_its_way = anyio.Event()
        self.on_its_way.set()

    async def claim(
        self,
        worker: str,
        want: int,
        shares: Sequence[Share],
        *,
        mine: Collection[str] | None = None,
        may_take_over: bool = True,
        was_offering: bool = False,
        offer: timedelta | None = None,
        fatal: int = 3,
    ) -> Claim:
        """Claim, and perhaps say nothing of it."""
        self.claims += 1
        if self.is_absent:
            raise Unavailable("nobody there")
        claim = await super().claim(
            worker,
            want,
            shares,
            mine=mine,
            may_take_over=may_take_over,
            was_offering=was_offering,
            offer=offer,
            fatal=fatal,
        )
        self.patient += not may_take_over
        await self.on_its_way.wait()
        if self.losses:
            self.losses -= 1
            raise Unavailable("the answer got lost")
        return claim


class Desk:
    """A claimer, its slots, and what it started."""

    def __init__(
        self,
        client: Client,
        *,
        count: int,
        queues: tuple[str, ...] = QUEUES,
        poll: timedelta = timedelta(seconds=0.05),
        limits: Mapping[str, int] | None = None,
        patience: timedelta = timedelta(0),
    ) -> None:
        self.store = Losing(client)
        self.taken: list[Claimed] = []
        self.shown: list[int] = []
        """How many claims there had been, each time the sign of life was seen to."""
        self.slots = Slots(count, grace=minutes(1), ended=self._over)
        self.gate = anyio.Event()
        urgency = Urgency(
            [(name, LEASE) for name in queues], slots=count, turn=8, limits=limits or {}
        )
        self.claimer = Claimer(
            self.store,
            self.slots,
            worker="w1",
            urgency=urgency,
            ahead=Ahead(
                self.slots, reserved=urgency.reserved, start=self._start, give_back=self._keep
            ),
            poll=poll,
            patience=patience,
            mine=lambda: {each.id for each in self.taken},
            show=self._show,
        )

    def _keep(self, run: Claimed) -> None:
        raise AssertionError(f"{run.id} was given back")

    async def _show(self) -> None:
        self.shown.append(self.store.claims)

    def _start(self, run: Claimed) -> None:
        self.taken.append(run)
        self.slots.start(running(run, write), self._body)

    async def _body(self, running: Running) -> Outcome:
        await self.gate.wait()
        return Succeeded(running.run.id)

    def _over(self, running: Running, outcome: Outcome | None) -> None: ...

    async def work(self, until: Any) -> None:
        """Claim until that is so."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.claimer.run)
            await eventually(until)
            group.cancel_scope.cancel()
        self.gate.set()
        await self.slots.idle()
        await self.store.commit([completed(run) for run in self.taken])


async def test_a_limited_queue_never_has_more_runs_at_once(client: Client) -> None:
    desk = Desk(client, count=20, limits={write.queue: 3})
    await client.enqueue_many(write.call(str(n)) for n in range(9))

    async with anyio.create_task_group() as group:
        group.start_soon(desk.claimer.run)
        await eventually(lambda: len(desk.taken) == 3)
        await eventually(lambda: desk.store.claims > 6)
        group.cancel_scope.cancel()
    desk.gate.set()
    await desk.slots.idle()

    assert len(desk.taken) == 3
    await desk.store.commit([completed(run) for run in desk.taken])


async def test_nothing_is_taken_over_for_a_while_after_the_connection_broke(
    client: Client,
) -> None:
    desk, early = Desk(client, count=5, patience=seconds(0.4)), list[Claimed]()
    await client.enqueue(write, "theirs")
    theirs = (await claim(client.store, "w2")).runs  # which shows no sign of life

    desk.store.is_absent = True
    async with anyio.create_task_group() as group:
        group.start_soon(desk.claimer.run)
        await eventually(lambda: desk.store.claims)
        desk.store.is_absent = False
        await eventually(lambda: desk.store.patient > 1)
        early += desk.taken
        await eventually(lambda: desk.taken)
        group.cancel_scope.cancel()
    desk.gate.set()
    await desk.slots.idle()

    assert early == []
    assert [(run.id, run.attempt) for run in desk.taken] == [(theirs[0].id, 2)]
    await desk.store.commit([completed(run) for run in desk.taken])


async def test_no_more_is_taken_than_there_are_slots(client: Client) -> None:
    desk = Desk(client, count=3)
    await client.enqueue_many(write.call(str(n)) for n in range(9))

    await desk.work(lambda: len(desk.taken) >= 3)

    assert len(desk.taken) == 3
    for _ in range(2):
        rest = Desk(client, count=3)
        await rest.work(lambda rest=rest: len(rest.taken) >= 3)
        assert len(rest.taken) == 3


async def test_a_free_slot_is_filled_at_once(client: Client) -> None:
    desk = Desk(client, count=1, queues=("default",))
    desk.gate.set()
    await client.enqueue_many(write.call(str(n)) for n in range(20))

    with anyio.fail_after(5):
        await desk.work(lambda: len(desk.taken) == 20)

    assert len({run.id for run in desk.taken}) == 20


async def test_a_run_is_taken_when_it_is_due(client: Client, clock: ManualClock) -> None:
    desk = Desk(client, count=3)
    await client.enqueue(write.with_options(delay=seconds(0.3)), "x")
    start = clock.now()

    await desk.work(lambda: desk.taken)

    assert timedelta(seconds=0.3) <= clock.now() - start < timedelta(seconds=2)


async def test_runs_of_a_lost_answer_are_taken_again(client: Client) -> None:
    desk = Desk(client, count=3, queues=("default",))
    desk.store.losses = 1
    handles = await client.enqueue_many(write.call(str(n)) for n in range(3))

    await desk.work(lambda: len(desk.taken) == 3)

    assert [run.id for run in desk.taken] == [each.id for each in handles]
    assert {run.attempt for run in desk.taken} == {1}


@pytest.mark.not_by("resp2", why="with it the log says once that the server tells nothing")
async def test_a_redis_that_comes_back_is_claimed_from(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(client, count=3)
    desk.store.losses = 3
    handle = await client.enqueue(write.with_options(delay=seconds(0.2)), "x")

    await desk.work(lambda: desk.taken)

    assert desk.store.losses == 0
    assert len([each for each in caplog.records if each.levelname == "WARNING"]) == 1
    assert [run.id for run in desk.taken] == [handle.id]


async def test_stopping_in_the_middle_of_a_claim_loses_nothing(client: Client) -> None:
    desk = Desk(client, count=3)
    handle = await client.enqueue(write, "x")
    desk.store.on_its_way = anyio.Event()

    async with anyio.create_task_group() as group:
        group.start_soon(desk.claimer.run)
        await eventually(lambda: desk.store.claims)
        group.cancel_scope.cancel()
        desk.store.on_its_way.set()

    assert [run.id for run in desk.taken] == [handle.id]
    desk.gate.set()
    await desk.slots.idle()
    await desk.store.commit([completed(run) for run in desk.taken])


async def test_before_each_claim_the_sign_of_life_is_seen_to(client: Client) -> None:
    desk = Desk(client, count=1)

    await desk.work(lambda: desk.store.claims >= 3)

    assert desk.shown[:3] == [0, 1, 2]


async def test_an_absent_redis_is_asked_some_times_in_each_lease(client: Client) -> None:
    desk = Desk(client, count=3, poll=seconds(30), patience=seconds(0.4))
    desk.store.is_absent = True

    async with anyio.create_task_group() as group:
        group.start_soon(desk.claimer.run)
        await eventually(lambda: desk.store.claims >= 12, within=seconds(9))  # else it takes 13 s
        group.cancel_scope.cancel()


async def test_an_absent_redis_is_asked_now_and_then(client: Client) -> None:
    desk = Desk(client, count=3, poll=seconds(30), patience=seconds(8))
    desk.store.is_absent = True

    with anyio.move_on_after(0.5):
        await desk.claimer.run()

    assert 2 <= desk.store.claims <= 12


async def test_after_a_lost_answer_all_runs_come_as_fast_as_ever(client: Client) -> None:
    desk = Desk(client, count=10, queues=("default",), poll=seconds(30))
    desk.store.losses = 1
    desk.gate.set()
    handles = await client.enqueue_many(write.call(str(n)) for n in range(60))

    with anyio.fail_after(5):
        await desk.work(lambda: len(desk.taken) == 60)

    assert {run.id for run in desk.taken} == {each.id for each in handles}
    assert {run.attempt for run in desk.taken} == {1}


async def test_what_is_leased_to_us_unknown_comes_though_two_claims_were_under_way(
    client: Client,
) -> None:
    desk = Desk(client, count=10, queues=("default",), poll=seconds(30))
    handles = await client.enqueue_many(write.call(str(n)) for n in range(30))

    async with anyio.create_task_group() as group:
        group.start_soon(desk.claimer.run)
        await eventually(lambda: desk.store.claims)
        desk.store.losses = 2
        desk.gate.set()
        with anyio.fail_after(5):
            await eventually(lambda: len(desk.taken) == 30)
        group.cancel_scope.cancel()

    assert sorted(run.id for run in desk.taken) == sorted(each.id for each in handles)
    assert {run.attempt for run in desk.taken} == {1}
    await desk.slots.idle()
    await desk.store.commit([completed(run) for run in desk.taken])


async def test_half_the_slots_do_not_wait_for_the_other_half(client: Client) -> None:
    desk = Desk(client, count=100, queues=("urgent", "default"), poll=seconds(30))
    await client.enqueue_many(write.call(str(n)) for n in range(100))

    with anyio.fail_after(5):
        await desk.work(lambda: len(desk.taken) == 90)

    rest = Desk(client, count=100, queues=("urgent", "default"))
    await rest.work(lambda: len(rest.taken) == 10)


async def test_an_idle_claimer_looks_no_more_than_it_is_told_to(client: Client) -> None:
    desk = Desk(client, count=3, poll=seconds(30))

    with anyio.move_on_after(0.5):
        await desk.claimer.run()

    assert desk.store.claims == 1


async def test_being_told_to_look_for_ours_takes_nothing_twice(client: Client) -> None:
    desk = Desk(client, count=10, queues=("default",), poll=seconds(30))
    desk.gate.set()
    handles = await client.enqueue_many(write.call(str(n)) for n in range(300))

    async def nag() -> None:
        claimer: Any = desk.claimer
        while True:
            await anyio.sleep(0.002)  # two claims get under way
            desk.claimer.look_for_ours()
            await anyio.sleep(0.002)
            claimer._doubts._wary_until = 0.0

    async with anyio.create_task_group() as group:
        group.start_soon(nag)
        with anyio.fail_after(10):
            await desk.work(lambda: len(desk.taken) >= 300)
        group.cancel_scope.cancel()

    assert sorted(run.id for run in desk.taken) == sorted(each.id for each in handles)


async def test_stopping_while_there_is_plenty_stops_at_once(client: Client) -> None:
    desk = Desk(client, count=100, queues=("default",), poll=seconds(30))
    desk.gate.set()
    await client.enqueue_many(write.call(str(n)) for n in range(3000))

    async with anyio.create_task_group() as group:
        group.start_soon(desk.claimer.run)
        await eventually(lambda: desk.taken)
        group.cancel_scope.cancel()

    assert len(desk.taken) < 1500
    await desk.slots.idle()
    await desk.store.commit([completed(run) for run in desk.taken])


@pytest.mark.not_by("resp2", why="with it a server tells nothing")
async def test_once_settled_nothing_is_on_its_way_to_a_closed_worker(client: Client) -> None:
    desk = Desk(client, count=5, poll=seconds(0.02))
    await client.store.greet("w1", b"{}", minutes(1))

    async def offers() -> bool:
        return bool(await client.store.redis.exists(keys.offer("w1")))

    async with anyio.create_task_group() as group:
        group.start_soon(desk.claimer.run)
        await eventually(offers)
        with desk.slots.closed():
            await desk.claimer.settled()
            handle = await client.enqueue(write, "later")
            assert not await offers()
            assert await handle.status() is RunStatus.QUEUED
            assert desk.taken == []
        await eventually(lambda: desk.taken)
        group.cancel_scope.cancel()

    desk.gate.set()
    await desk.slots.idle()
    await desk.store.commit([completed(run) for run in desk.taken])
    await client.store.redis.delete(keys.worker("w1"))
