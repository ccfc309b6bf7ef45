"""Runs share a task for as long as none of them waits, and none meets what another left behind."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from time import sleep

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine import current_attempt, seconds
from app.engine.outcome import Outcome, Succeeded
from app.engine.roles.carriers import Carriers
from app.engine.roles.running import Body, Running
from app.engine.run import Claimed
from tests.engine.jobs import write
from tests.engine.steps import running
from tests.eventually import eventually

pytestmark = pytest.mark.anyio

MOOD: ContextVar[str] = ContextVar("mood", default="calm")


class Odd:
    """Can't be compared, as arrays of numbers can't."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("true of some, and not of others")

    __hash__ = object.__hash__


ODD: ContextVar[Odd] = ContextVar("odd")


def run(id: str = "r") -> Running:
    return running(Claimed(id=id, queue="q", worker="w", payload=b""), write)


class Bench:
    """Carriers, and what became of what they carried, in order."""

    def __init__(self) -> None:
        self.carriers = Carriers(self._over)
        self.ended: list[str] = []
        self.outcomes: dict[str, Outcome | None] = {}
        self.tasks: dict[str, asyncio.Task[None] | None] = {}

    def _over(self, running: Running, outcome: Outcome | None) -> None:
        self.ended.append(running.run.id)
        self.outcomes[running.run.id] = outcome
        self.tasks[running.run.id] = running.task

    async def carry(self, *bodies: Body) -> None:
        """Have them carried at once, called 0, 1, ..., until all are over."""
        for number, body in enumerate(bodies):
            self.carriers.add(run(str(number)), body)
        await eventually(lambda: len(self.ended) == len(bodies), within=seconds(5))

    def carried_by(self) -> list[asyncio.Task[None]]:
        """The task of each."""
        return [task for task in self.tasks.values() if task]

    @property
    def task_count(self) -> int:
        """How many tasks it took."""
        return len(set(map(id, self.tasks.values())))


async def at_once(running: Running) -> Outcome:
    return Succeeded(running.run.id)


async def after_a_turn(running: Running) -> Outcome:
    await asyncio.sleep(0)
    return Succeeded(running.run.id)


async def test_runs_that_never_wait_share_a_task() -> None:
    bench = Bench()

    await bench.carry(*[at_once] * 20)

    assert bench.task_count == 1
    assert bench.ended == [str(n) for n in range(20)]


async def test_a_run_that_waits_keeps_nobody_waiting_and_shares_its_task_with_none_after_it() -> (
    None
):
    bench, gate = Bench(), asyncio.Event()

    async def gated(running: Running) -> Outcome:
        await gate.wait()
        return Succeeded(running.run.id)

    async def opens(running: Running) -> Outcome:
        gate.set()
        return Succeeded(running.run.id)

    await bench.carry(at_once, gated, opens, at_once)

    assert bench.ended == ["0", "2", "3", "1"]
    assert bench.tasks["0"] is bench.tasks["1"] is not bench.tasks["2"]
    assert bench.tasks["2"] is bench.tasks["3"]


async def test_a_job_that_waited_gets_tasks_of_its_own_which_begin_together() -> None:
    bench, turns = Bench(), list[str]()

    async def noted(running: Running) -> Outcome:
        turns.append(f"begin {running.run.id}")
        await asyncio.sleep(0)
        turns.append(f"end {running.run.id}")
        return Succeeded(None)

    await bench.carry(after_a_turn)
    bench.ended.clear()
    bench.tasks.clear()
    await bench.carry(noted, noted, noted)

    assert turns == [*(f"begin {n}" for n in range(3)), *(f"end {n}" for n in range(3))]
    assert bench.task_count == 3


@pytest.mark.parametrize("body", [at_once, after_a_turn])
async def test_each_runs_code_knows_whose_it_is(body: Body) -> None:
    bench, seen = Bench(), list[tuple[str, bool]]()

    async def looks(running: Running) -> Outcome:
        outcome = await body(running)
        seen.append((running.run.id, current_attempt.get() is running.attempt))
        return outcome

    await bench.carry(*[looks] * 5)

    assert sorted(seen) == [(str(n), True) for n in range(5)]
    assert current_attempt.get() is None


async def test_what_a_run_leaves_in_its_context_no_other_sees() -> None:
    bench, seen = Bench(), list[str]()

    async def cross(running: Running) -> Outcome:
        seen.append(MOOD.get())
        MOOD.set("cross")
        return Succeeded(running.run.id)

    await bench.carry(cross, cross, at_once, cross)

    assert seen == ["calm"] * 3


async def test_a_request_to_cancel_that_a_run_left_behind_reaches_no_other() -> None:
    bench = Bench()

    async def cancels_itself(running: Running) -> Outcome:
        task = asyncio.current_task()
        assert task
        task.cancel()
        return Succeeded(running.run.id)

    await bench.carry(cancels_itself, after_a_turn, after_a_turn)

    assert bench.outcomes == {str(n): Succeeded(str(n)) for n in range(3)}


async def test_a_timeout_that_a_run_forgot_cancels_no_other() -> None:
    bench, waited = Bench(), list[str]()

    async def forgets(running: Running) -> Outcome:
        await asyncio.sleep(0)
        await asyncio.timeout(0.01).__aenter__()
        return Succeeded(running.run.id)

    async def waits(running: Running) -> Outcome:
        await asyncio.sleep(0.03)
        waited.append(running.run.id)
        return Succeeded(running.run.id)

    await bench.carry(forgets, waits, waits)

    assert waited == ["1", "2"]


def _forgotten_timeout(_: list[object]) -> Coroutine[None, None, object]:
    return asyncio.timeout(0.01).__aenter__()


async def _forgotten_scope(scopes: list[object]) -> None:
    scope = anyio.move_on_after(0.01)
    scopes.append(scope)  # an async generator that nobody closed has it as its own
    scope.__enter__()


async def _forgotten_timer(_: list[object]) -> None:
    task = asyncio.current_task()
    assert task
    asyncio.get_running_loop().call_later(0.01, task.cancel)


@pytest.mark.parametrize("forget", [_forgotten_timeout, _forgotten_scope, _forgotten_timer])
async def test_what_would_cancel_a_run_later_cancels_no_other(
    forget: Callable[[list[object]], Coroutine[None, None, object]],
) -> None:
    bench, waited, scopes = Bench(), list[str](), list[object]()

    async def forgets(running: Running) -> Outcome:
        await forget(scopes)
        return Succeeded(running.run.id)

    async def waits(running: Running) -> Outcome:
        await asyncio.sleep(0.03)
        waited.append(running.run.id)
        return Succeeded(running.run.id)

    await bench.carry(forgets, waits, waits)

    assert sorted(waited) == ["1", "2"]


async def test_a_context_that_cannot_be_compared_is_left_to_its_run() -> None:
    bench = Bench()

    async def sets(running: Running) -> Outcome:
        ODD.set(Odd())
        return Succeeded(running.run.id)

    ODD.set(Odd())
    await bench.carry(sets, at_once)
    await eventually(lambda: all(task.done() for task in bench.carried_by()))

    assert bench.ended == ["0", "1"]
    assert [task.exception() for task in bench.carried_by()] == [None, None]


async def test_a_run_that_is_cut_off_is_told_without_an_outcome() -> None:
    bench = Bench()

    async def cut_off(_: Running) -> Outcome:
        raise asyncio.CancelledError

    await bench.carry(cut_off, at_once)

    assert bench.outcomes == {"0": None, "1": Succeeded("1")}


async def test_a_run_that_is_over_before_its_turn_is_not_begun() -> None:
    bench, stopped = Bench(), run("stopped")

    bench.carriers.add(stopped, at_once)
    stopped.is_over = True
    bench.carriers.add(run("other"), at_once)
    await eventually(lambda: bench.ended)

    assert bench.ended == ["other"]


async def test_the_loop_turns_between_runs_that_take_long() -> None:
    bench, turns = Bench(), list[str]()

    async def slow(running: Running) -> Outcome:
        sleep(0.006)  # noqa: ASYNC251  # a job that computes
        turns.append(running.run.id)
        return Succeeded(None)

    asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, turns.append, "loop")
    await bench.carry(slow, slow, slow)

    assert turns.index("loop") < 2


@given(st.lists(st.sampled_from([at_once, after_a_turn]), max_size=30))
async def test_each_is_carried_once_whatever_the_others_do(bodies: list[Body]) -> None:
    bench = Bench()

    await bench.carry(*bodies)

    assert sorted(map(int, bench.ended)) == list(range(len(bodies)))
    assert all(bench.outcomes[id] == Succeeded(id) for id in bench.ended)
