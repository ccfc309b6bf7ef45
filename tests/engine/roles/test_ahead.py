"""Runs that are claimed before there is a slot for them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import anyio
import pytest

from app.engine import Ending, Over, ending_of, minutes
from app.engine.outcome import Outcome, Succeeded
from app.engine.roles.ahead import AHEAD, LONGEST, Ahead
from app.engine.roles.running import Running
from app.engine.roles.slots import Slots
from app.engine.run import Claimed
from tests.engine.conftest import Open, Workshop
from tests.engine.jobs import pass_gate, write
from tests.engine.steps import running
from tests.eventually import eventually

SLOTS, KEPT = 4, 1
RESERVED = {"urgent": 0, "idle": KEPT}
QUICK, LONG = 3_000, 3 * SLOTS
WINDOW = 0.03  # s: longer than ends are counted over


@dataclass
class Desk:
    """Four slots whose runs end when the test says so, and what came of those that wait."""

    begun: list[str] = field(default_factory=list[str])
    given_back: list[str] = field(default_factory=list[str])
    ids: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.ends: dict[str, anyio.Event] = {}
        self.slots = Slots(SLOTS, grace=minutes(1), ended=self._ended)
        self.ahead = Ahead(
            self.slots,
            reserved=RESERVED,
            start=self._start,
            give_back=lambda run: self.given_back.append(run.id),
        )

    def add(self, how_many: int, *, queue: str = "urgent") -> list[str]:
        """Claimed runs come."""
        ids = [f"{queue}-{next(self.ids)}" for _ in range(how_many)]
        for id in ids:
            self.ahead.add(Claimed(id=id, queue=queue, worker="w", payload=b""))
        return ids

    async def end(self, *ids: str) -> None:
        """These are over."""
        for id in ids:
            self.ends[id].set()
        await eventually(lambda: not {each.run.id for each in self.slots.running} & {*ids})

    async def end_all(self) -> None:
        """What is at work is over, and what begins then, too."""
        while running := [each.run.id for each in self.slots.running]:
            await self.end(*running)

    async def hurry(self, ends: int) -> None:
        """So many runs end within the time that ends are counted over."""
        for _ in range(2):  # that count is taken together with the one before
            _ = self.ahead.room()
            for _ in range(ends):
                self.slots.freed()
            await anyio.sleep(WINDOW)

    def _start(self, run: Claimed) -> None:
        self.begun.append(run.id)
        self.ends[run.id] = anyio.Event()
        self.slots.start(running(run, write), self._body)

    async def _body(self, running: Running) -> Outcome:
        await self.ends[running.run.id].wait()
        return Succeeded(running.run.id)

    def _ended(self, running: Running, outcome: Outcome | None) -> None: ...


async def test_nothing_is_claimed_ahead_before_runs_have_ended() -> None:
    desk = Desk()

    assert desk.ahead.room() == 0
    assert desk.ahead.most == SLOTS // 2


async def test_the_faster_runs_end_the_more_is_claimed_ahead_up_to_the_number_of_slots() -> None:
    desk, rooms = Desk(), list[int]()
    for ends in (1, 20, 10_000):
        await desk.hurry(ends)
        rooms.append(desk.ahead.room())
    await desk.hurry(0)

    assert rooms[0] == 0
    assert 1 <= rooms[1] <= round(20 / WINDOW * AHEAD.total_seconds())
    assert rooms[2] == SLOTS
    assert desk.ahead.room() == 0


async def test_what_waits_begins_in_its_order_as_soon_as_there_are_slots() -> None:
    desk = Desk()
    first, second = desk.add(SLOTS), desk.add(3)

    assert desk.begun == first
    await desk.end(first[2])
    assert desk.begun == [*first, second[0]]
    await desk.end(first[0], first[1])
    assert desk.begun == [*first, *second]
    await desk.end_all()


async def test_more_is_claimed_once_half_of_it_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    await desk.hurry(10_000)
    assert desk.ahead.room() == SLOTS
    monkeypatch.setattr("app.engine.roles.ahead._WINDOW", 60.0)  # they go on as fast
    at_work = desk.add(SLOTS)
    waiting = desk.add(SLOTS)

    assert desk.ahead.room() == 0
    await desk.end(at_work[0])
    assert desk.ahead.room() == 0
    await desk.end(at_work[1])
    assert desk.ahead.room() == SLOTS - 2
    assert desk.begun == [*at_work, *waiting[:2]]
    await desk.end_all()


async def test_an_urgent_run_passes_those_that_leave_slots_free_for_it() -> None:
    desk = Desk()
    can_wait = desk.add(SLOTS, queue="idle")
    assert desk.begun == can_wait[: SLOTS - KEPT]

    urgent = desk.add(1)

    assert desk.begun == [*can_wait[: SLOTS - KEPT], *urgent]
    await desk.end(can_wait[0], *urgent)
    assert desk.begun[-1] == can_wait[-1]
    await desk.end_all()


async def test_a_run_of_a_queue_that_nobody_serves_here_begins_and_is_judged_there() -> None:
    desk = Desk()

    (stranger,) = desk.add(1, queue="nobody's")

    assert desk.begun == [stranger]
    await desk.end_all()


async def test_what_has_waited_for_long_is_given_back() -> None:
    desk = Desk()
    desk.add(SLOTS)
    early = desk.add(2)
    await anyio.sleep(LONGEST.total_seconds() / 2)
    late = desk.add(1)

    await eventually(lambda: desk.given_back)
    assert desk.given_back == early
    await eventually(lambda: len(desk.given_back) > len(early))
    assert desk.given_back == [*early, *late]
    await desk.end_all()


async def test_in_the_end_everything_is_given_back() -> None:
    desk = Desk()
    desk.add(SLOTS)
    waiting = desk.add(3)

    desk.ahead.give_back()

    assert desk.given_back == waiting
    assert list(desk.ahead.waiting) == []
    await desk.end_all()


async def test_nothing_begins_and_nothing_is_claimed_while_the_slots_are_closed() -> None:
    desk = Desk()
    await desk.hurry(10_000)
    with desk.slots.closed():
        waiting = desk.add(2)
        assert desk.ahead.room() <= 0
        assert desk.begun == []

    assert desk.begun == waiting
    await desk.end_all()


async def test_runs_that_began_together_and_end_together_are_not_taken_for_short_ones() -> None:
    desk = Desk()
    await anyio.sleep(LONGEST.total_seconds())  # they took so long
    desk.slots.freed()
    assert desk.ahead.room() == 0
    for _ in range(SLOTS * 100):
        desk.slots.freed()
    await anyio.sleep(WINDOW)
    at_the_end = desk.ahead.room()
    await desk.hurry(SLOTS * 100)

    assert at_the_end < SLOTS
    assert desk.ahead.room() == SLOTS


async def test_a_run_that_does_not_begin_leaves_its_slot_to_what_waits() -> None:
    desk = Desk()
    held = running(Claimed(id="held", queue="urgent", worker="w", payload=b""), write)
    desk.slots.hold(held)
    begun = desk.add(SLOTS - 1)
    (waiting,) = desk.add(1)

    desk.slots.let_go(held)

    assert desk.begun == [*begun, waiting]
    await desk.end_all()


async def test_slots_that_those_ahead_leave_free_are_there_for_others() -> None:
    desk = Desk()
    await desk.hurry(10_000)
    desk.add(2 * SLOTS, queue="idle")

    assert desk.slots.free == KEPT
    assert desk.ahead.room() == 0
    desk.slots.changed.clear()
    await eventually(lambda: desk.given_back)
    assert desk.slots.changed.is_set()
    await desk.end_all()


@pytest.mark.parametrize("stops", [False, True], ids=["slower", "stopping"])
async def test_what_waits_behind_long_runs_begins_elsewhere_uncharged(
    workshop: Open, *, stops: bool
) -> None:
    async with workshop(write, pass_gate) as shop:
        await shop.client.enqueue_many(write.call("quick") for _ in range(QUICK))
        await shop.client.enqueue_many(pass_gate.call(str(n)) for n in range(LONG))
        async with shop.working(concurrency=SLOTS) as first:
            await eventually(lambda: _long(shop) == SLOTS)
            if stops:
                first.stop()
            async with shop.working(concurrency=LONG):
                await eventually(lambda: _long(shop) == LONG)
                shop.gate.set()
                await eventually(lambda: len(_done(shop)) == QUICK + LONG)

        assert {over.run.attempt for over in _done(shop)} == {1}
        given_back = [over for over in shop.heard if ending_of(over.outcome) is Ending.RELEASED]
        assert 1 <= len(given_back) <= SLOTS


def _long(shop: Workshop) -> int:
    """How many of the long runs have begun."""
    return sum(line.endswith("waits") for line in shop.page)


def _done(shop: Workshop) -> list[Over]:
    return [over for over in shop.heard if ending_of(over.outcome) is Ending.SUCCEEDED]
