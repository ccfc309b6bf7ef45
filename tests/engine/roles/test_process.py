"""A process that works, and ends, whatever is still at work in it."""

import asyncio
import subprocess
import sys

import pytest

from app.engine import run_process

_PROGRAM = """
import asyncio, time
from app.engine import run_process

async def deaf():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            print("never mind")

async def busy():
    await asyncio.to_thread(time.sleep, 60)

async def work():
    task = asyncio.get_running_loop().create_task({job}())
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.sleep(0.1)
    print("all is closed")
    return 3

raise SystemExit(run_process(work))
"""


def test_its_exit_code_is_the_one_that_its_work_names() -> None:
    async def work() -> int:
        return await asyncio.to_thread(int, "3")

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


@pytest.mark.case(4)
@pytest.mark.parametrize("job", ["deaf", "busy"])
def test_a_task_or_a_thread_that_goes_on_does_not_keep_it_from_ending(job: str) -> None:
    program = [sys.executable, "-c", _PROGRAM.format(job=job)]

    ended = subprocess.run(program, capture_output=True, text=True, timeout=30, check=False)

    assert ended.returncode == 3
    assert ended.stdout.endswith("all is closed\n" if job == "busy" else "never mind\n")
    assert ended.stderr == "the process ends without what is still at work in it: 1\n"
