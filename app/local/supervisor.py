"""Keeps several processes of one command alive, and ends them in order.

A process that ends before it was told to is replaced. One that ends soon after it began, again and
again, is replaced after a pause that grows, so that what can't work does not keep the machine busy.

Each process has its standard input from here, as a lifeline (see app.local.lifeline): a byte tells
it to stop, a second one to stop at once, and its end that this process is gone, however it died. No
signal is sent, so one that reaches a whole group of processes is not counted twice; each process
has a session of its own, and Ctrl-C in a terminal is for the supervisor alone. What does not go is
told twice, and then killed. What a process leaves in its session, such as programs that a job had
started, is killed once it has ended.
"""

import logging
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic

import anyio
from anyio.abc import Process

log = logging.getLogger(__name__)

DONE, FAILED = 0, 1
SPENT = 75
"""The exit code of a process that has done its part, and wants to be replaced: EX_TEMPFAIL."""

_SOON = 10.0  # s; a process that ends earlier may do so again
_LONGEST_PAUSE = 60.0  # s
_AT_ONCE = 20.0  # s for a process that was told twice to clean up


class Supervisor:
    """`count` processes of one command."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        count: int,
        environment: Mapping[str, str],
        patience: float,
        is_finite: bool = False,
    ) -> None:
        """`patience`: the seconds to stop in order. A finite command has an end of its own."""
        self._command = command
        self._count = count
        self._environment = dict(environment)  # uvloop takes nothing else
        self.patience = patience
        self._is_finite = is_finite
        self._is_well = True
        self._orders = (anyio.Event(), anyio.Event(), anyio.Event())

    async def run(self) -> bool:
        """Keep them alive until they are told to stop; whether all of them ended well."""
        async with anyio.create_task_group() as places:
            for _ in range(self._count):
                places.start_soon(self._fill_place)
        return self._is_well

    def stop(self) -> None:
        """Have them stop in order; told again, at once; and then killed."""
        waiting = (each for each in self._orders if not each.is_set())
        if (order := next(waiting, None)) is not None:
            order.set()

    async def _fill_place(self) -> None:
        in_a_row = 0  # how many have ended soon after they began
        while not self._orders[0].is_set():
            began = monotonic()
            end, code = await self._live()
            if self._is_over(end, code):
                return
            is_soon = monotonic() - began < _SOON and code != SPENT
            in_a_row = in_a_row + 1 if is_soon else 0
            pause = pause_after(in_a_row)
            then = "another takes its place" + (f" in {pause:g} s" if pause else "")
            log.log(logging.INFO if code == SPENT else logging.WARNING, "%s; %s", end, then)
            with anyio.move_on_after(pause):
                await self._orders[0].wait()

    def _is_over(self, end: str, code: int) -> bool:
        """Whether the place stays empty; an end that is no good one is said."""
        told = self._orders[0].is_set()
        if not told and not (self._is_finite and code in (DONE, FAILED)):
            return False
        if code not in (DONE, SPENT):
            self._is_well = False
            log.warning("%s", end)
        return True

    async def _live(self) -> tuple[str, int]:
        """The life of one process: its end in words, and its exit code."""
        began = monotonic()
        try:
            process = await self._start()
        except OSError as error:  # the system has no room for it just now
            return f"a worker process could not be started: {error.strerror}", FAILED
        async with process, anyio.create_task_group() as group:
            group.start_soon(self._pass_orders_on, process)
            await process.wait()
            _end_session(process.pid)
            group.cancel_scope.cancel()
        code, lived = await process.wait(), monotonic() - began
        return f"worker process {process.pid} {ended(code)} after {lived:.1f} s", code

    async def _start(self) -> Process:
        return await anyio.open_process(
            self._command,
            stdin=subprocess.PIPE,
            stdout=None,
            stderr=None,
            env=self._environment,
            start_new_session=True,
        )

    async def _pass_orders_on(self, process: Process) -> None:
        stop, hurry, kill = self._orders
        await stop.wait()
        await _tell(process)
        with anyio.move_on_after(self.patience):
            await hurry.wait()
        await _tell(process)
        with anyio.move_on_after(_AT_ONCE):
            await kill.wait()
        with suppress(ProcessLookupError):  # it has just gone
            process.kill()


def _end_session(pid: int) -> None:
    """Kill what a process has left behind: nobody waits for its children any more."""
    with suppress(ProcessLookupError, PermissionError):  # it was alone, as it should be
        os.killpg(pid, signal.SIGKILL)


async def _tell(process: Process) -> None:
    assert process.stdin
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # it is ending just now
        await process.stdin.send(b"\n")


def pause_after(in_a_row: int) -> float:
    """How many seconds to wait, after so many processes in a row that ended soon: 0, 1, 2, 4 ..."""
    return min(2.0 ** (in_a_row - 2), _LONGEST_PAUSE) if in_a_row > 1 else 0.0


def ended(code: int) -> str:
    """How a process ended, in words; a signal's code is negative."""
    if code == SPENT:
        return "has done its part"
    if code >= 0:
        return f"ended with exit code {code}"
    names = {each.value: each.name for each in signal.Signals}
    return f"was killed by {names.get(-code, f'signal {-code}')}"
