"""How a supervised process hears that it should stop."""

import os
import subprocess
import sys
from functools import partial

import anyio
import pytest

from app.local.lifeline import follow
from tests.eventually import eventually

TAKE = """
import os, subprocess, sys
from app.local.lifeline import take_lifeline
line = take_lifeline()
child = subprocess.run(["cat"], capture_output=True, timeout=20)  # it would wait for ever
print(os.read(line, 5).decode(), sys.stdin.read(), child.stdout, os.get_inheritable(line))
"""


async def test_each_order_is_told_and_the_end_of_the_line_is_one_if_there_was_none() -> None:
    assert await _told([b"\n", b"\n"]) == [1, 2, 2]
    assert await _told([b"\n\n"]) == [2, 2]
    assert await _told([]) == [1]


async def _told(orders: list[bytes]) -> list[int]:
    ours, theirs = os.pipe()
    told = list[int]()
    async with anyio.create_task_group() as group:
        group.start_soon(follow, ours, told.append)
        for number, each in enumerate(orders):
            os.write(theirs, each)
            await eventually(partial(_has, told, number + 1))
        os.close(theirs)
    os.close(ours)
    return told


def _has(told: list[int], count: int) -> bool:
    return len(told) == count


def test_nobody_but_the_supervised_process_has_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TAKE], input=b"order", capture_output=True, timeout=40, check=True
    )

    assert done.stdout.split() == [b"order", b"b''", b"False"]


@pytest.mark.parametrize("loop", [True, False], ids=["uvloop", "asyncio"])
def test_a_socket_that_is_reset_is_at_its_end(loop: bool) -> None:
    import socket

    ours, theirs = socket.socketpair()
    theirs.sendall(b"\n")
    ours.sendall(b"unread")  # so that closing it resets the connection
    theirs.close()
    told = list[int]()

    with ours:
        anyio.run(follow, ours.fileno(), told.append, backend_options={"use_uvloop": loop})

    assert told == [1, 1]
