"""Calls that share a trip."""

import asyncio
from collections.abc import Sequence

import anyio
import pytest

from app.engine import Unavailable
from app.engine.redis.together import Together
from tests.eventually import eventually


class Carrier:
    """Doubles numbers, when it may go; remembers its trips."""

    def __init__(self) -> None:
        self.trips: list[list[int]] = []
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.together: Together[int, int] = Together(self._carry)

    async def _carry(self, items: Sequence[int]) -> Sequence[int]:
        self.trips.append(list(items))
        await self.gate.wait()
        if self.error:
            raise self.error
        return [2 * each for each in items]


class Caller:
    """One that sends, and what came of it."""

    def __init__(self, carrier: Carrier, *items: int) -> None:
        self.answers: Sequence[int] | None = None
        self.error: BaseException | None = None
        self.task = asyncio.get_running_loop().create_task(self._send(carrier, items))

    async def _send(self, carrier: Carrier, items: Sequence[int]) -> None:
        try:
            self.answers = await carrier.together.send(items)
        except BaseException as error:
            self.error = error


async def finished(*callers: Caller) -> None:
    """All of them are through."""
    with anyio.fail_after(5):
        await asyncio.wait([each.task for each in callers])


async def test_those_who_come_during_a_trip_share_the_next_and_get_their_own_answers() -> None:
    carrier = Carrier()
    carrier.gate.clear()

    callers = [Caller(carrier, 7), Caller(carrier, 1, 2), Caller(carrier), Caller(carrier, 3)]
    await eventually(lambda: carrier.trips)
    carrier.gate.set()
    await finished(*callers)

    assert carrier.trips == [[7], [1, 2, 3]]
    assert [each.answers for each in callers] == [[14], [2, 4], [], [6]]


async def test_one_trip_is_under_way_at_a_time() -> None:
    carrier = Carrier()
    carrier.gate.clear()

    first = Caller(carrier, 1)
    await eventually(lambda: carrier.trips)
    others = [Caller(carrier, n) for n in (2, 3)]
    await anyio.lowlevel.checkpoint()
    alone = list(carrier.trips)
    carrier.gate.set()
    await finished(first, *others)

    assert alone == [[1]]
    assert carrier.trips == [[1], [2, 3]]


async def test_after_the_last_trip_the_next_caller_goes_at_once() -> None:
    carrier = Carrier()
    await finished(Caller(carrier, 1), Caller(carrier, 2))

    await finished(Caller(carrier, 3))

    assert carrier.trips == [[1], [2], [3]]


@pytest.mark.parametrize("which", [0, 1, 2])
async def test_a_caller_cancelled_on_the_way_drops_nobody_elses_call(which: int) -> None:
    carrier = Carrier()
    carrier.gate.clear()
    callers = [Caller(carrier, n) for n in range(3)]
    await eventually(lambda: carrier.trips)

    callers[which].task.cancel()
    await anyio.lowlevel.checkpoint()
    carrier.gate.set()
    await finished(*callers)

    assert isinstance(callers[which].error, asyncio.CancelledError)
    others = [each.answers for each in callers if each is not callers[which]]
    assert others == [[2 * n] for n in range(3) if n != which]


async def test_a_caller_cancelled_before_its_trip_sends_nothing() -> None:
    carrier = Carrier()
    carrier.gate.clear()
    callers = [Caller(carrier, n) for n in range(3)]
    await eventually(lambda: carrier.trips)

    callers[1].task.cancel()
    await finished(callers[1])
    carrier.gate.set()
    await finished(*callers)

    assert carrier.trips == [[0], [2]]


async def test_a_failed_trip_fails_all_its_calls_and_not_the_next_trip() -> None:
    carrier = Carrier()
    carrier.error = OSError("cut")
    carrier.gate.clear()

    callers = [Caller(carrier, n) for n in range(3)]
    await eventually(lambda: carrier.trips)
    carrier.gate.set()
    await finished(*callers)
    carrier.error = None
    after = Caller(carrier, 7)
    await finished(after)

    assert all(isinstance(each.error, OSError) for each in callers)
    assert carrier.trips == [[0], [1, 2], [7]]
    assert after.answers == [14]


async def test_a_broken_connection_fails_those_who_wait_for_the_next_trip_too() -> None:
    carrier = Carrier()
    carrier.error = Unavailable("cut")
    carrier.gate.clear()

    callers = [Caller(carrier, n) for n in range(3)]
    await eventually(lambda: carrier.trips)
    carrier.gate.set()
    await finished(*callers)
    carrier.error = None
    after = Caller(carrier, 7)
    await finished(after)

    assert all(isinstance(each.error, Unavailable) for each in callers)
    assert carrier.trips == [[0], [7]]
    assert after.answers == [14]


async def test_a_failed_trip_whose_callers_are_gone_is_nobodys_error() -> None:
    carrier = Carrier()
    carrier.error = OSError("cut")
    carrier.gate.clear()
    caller = Caller(carrier, 1)
    await eventually(lambda: carrier.trips)

    caller.task.cancel()
    await finished(caller)
    carrier.gate.set()
    after = Caller(carrier, 2)
    await finished(after)

    assert isinstance(after.error, OSError)
