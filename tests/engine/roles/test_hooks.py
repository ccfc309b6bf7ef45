"""Code around attempts that raises, hangs or wants to end the process: the runs don't notice."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from app.engine import Attempt, Ending, Hooks, Over, RunStatus, ending_of, seconds
from tests.engine.conftest import Open
from tests.engine.jobs import die, wait, write
from tests.eventually import eventually
from tests.plugins.cases import Case


async def raises(_: object) -> None:
    raise RuntimeError("a hook is broken")


async def exits(_: object) -> None:
    raise SystemExit(3)


async def interrupts(_: object) -> None:
    raise KeyboardInterrupt


async def hangs(_: object) -> None:
    await anyio.sleep_forever()


async def test_hooks_are_told_before_and_after_each_attempt(workshop: Open) -> None:
    told: list[tuple[str, Any]] = []

    async def before(attempt: Attempt) -> None:
        told.append((attempt.job, attempt.number))

    async def after(over: Over) -> None:
        told.append((over.known.f, ending_of(over.outcome)))

    async with workshop(write, die) as shop:
        await shop.client.enqueue(write, "x")
        await shop.drain(hooks=Hooks(before=before, after=after))
        await shop.client.enqueue(die, "y")
        await shop.drain(hooks=Hooks(before=before, after=after))

    assert told == [
        ("test.write", 1),
        ("test.write", Ending.SUCCEEDED),
        ("test.die", 1),
        ("test.die", Ending.DEAD),
    ]


@pytest.mark.not_by("resp2", why="with it the log says once that the server tells nothing")
@pytest.mark.case(8)
@pytest.mark.parametrize("hook", [raises, exits, interrupts, hangs])
async def test_a_hook_that_fails_leaves_worker_and_runs_alone(
    workshop: Open,
    hook: Callable[[object], Awaitable[None]],
    caplog: pytest.LogCaptureFixture,
    case: Case,
) -> None:
    hooks = Hooks(before=hook, after=hook, within=seconds(0.2))
    async with workshop(write) as shop, shop.working(hooks=hooks):
        handles = [await shop.client.enqueue(write, text) for text in "abc"]

        said = [await each.result(within=seconds(10)) for each in handles]
        await eventually(lambda: len(caplog.records) >= 6)

    case.says(
        f"a hook before and after a job {hook.__name__}",
        arq="the worker dies, and its leases last 309 s" if hook is raises else "not tried",
        steward="a line in the log; the worker and its runs go on",
    )
    assert said == [1, 1, 1]
    assert sorted(shop.page) == ["a", "b", "c"]
    assert all("hook" in each.message and hook.__name__ in each.message for each in caplog.records)


@pytest.mark.not_by("resp2", why="with it the log says once that the server tells nothing")
@pytest.mark.case(8)
async def test_a_hook_that_blocks_the_loop_is_named_and_costs_no_run(
    workshop: Open, caplog: pytest.LogCaptureFixture, case: Case
) -> None:
    async def blocks(_: object) -> None:
        if not caplog.records:
            time.sleep(2.5)  # longer than the lease  # noqa: ASYNC251

    async with workshop(write) as shop, shop.working(hooks=Hooks(before=blocks)) as worker:
        handle = await shop.client.enqueue(write, "it")

        assert await handle.result(within=seconds(20)) == 2
        assert [each.id for each in await shop.client.workers()] == [worker.id]

    (said,) = [each.message for each in caplog.records if "does not turn" in each.message]
    case.says(
        "a hook that blocks the loop for longer than a lease",
        steward="named in the log with its line; the run is done once, the lease is kept",
    )
    assert "in blocks" in said
    assert len(shop.heard) == 1
    assert shop.page == ["it"]


async def test_a_run_is_cancelled_though_its_hook_hangs(workshop: Open) -> None:
    async with workshop(wait) as shop:
        begun = anyio.Event()

        async def before(_: Attempt) -> None:
            begun.set()
            await anyio.sleep_forever()

        async with shop.working(hooks=Hooks(before=before, within=seconds(30))):
            handle = await shop.client.enqueue(wait)
            await begun.wait()
            await handle.cancel()
            await eventually(lambda: shop.heard)

        assert await handle.status() == RunStatus.CANCELLED
        assert shop.page == []


async def test_outcomes_that_are_heard_of_with_an_error_are_written_down(
    workshop: Open, caplog: pytest.LogCaptureFixture
) -> None:
    def heard(_: Over) -> None:
        raise RuntimeError("nobody listens")

    async with workshop(write) as shop, shop.working(heard=heard):
        handles = [await shop.client.enqueue(write, text) for text in "abc"]

        assert [await each.result(within=seconds(10)) for each in handles] == [1, 1, 1]

    assert "RuntimeError: nobody listens" in caplog.text


async def test_a_role_that_fails_is_begun_again_and_the_worker_goes_on(workshop: Open) -> None:
    begun: list[float] = []

    async def role() -> None:
        begun.append(anyio.current_time())
        if len(begun) < 3:
            raise RuntimeError("not yet")

    async with workshop(write) as shop, shop.working(roles=[role]):
        handle = await shop.client.enqueue(write, "x")

        assert await handle.result(within=seconds(10)) == 1
        await eventually(lambda: len(begun) == 3)

    assert begun == sorted(begun)
