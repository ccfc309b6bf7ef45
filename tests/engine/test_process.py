"""A process that works, and ends; tests/life has the jobs that would keep it from ending."""

import asyncio

from app.engine import run_process


def test_its_exit_code_is_the_one_that_its_work_names() -> None:
    async def work() -> int:
        return 3

    assert run_process(work) == 3


def test_what_ends_when_it_is_cancelled_may_clean_up() -> None:
    said = list[str]()

    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            said.append("cleaned up")

    async def work() -> int:
        task = asyncio.get_running_loop().create_task(linger())
        await asyncio.sleep(0)
        return 0 if not task.done() else 1

    assert run_process(work) == 0
    assert said == ["cleaned up"]
