"""The life of a process that works until it is told to stop.

The first signal stops it in order, whatever that means where it is just now: while it starts, what
is open is closed again; while it works, the work is brought to an end. Further signals hurry it.
"""

import gc
import signal
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from app.cli.failures import OK

if TYPE_CHECKING:
    from anyio.abc import TaskStatus

_SIGNALLED = 128  # a shell's code for a process that a signal ended, plus the signal


class Stopper:
    """Hands each signal to whoever can stop what goes on now."""

    def __init__(self) -> None:
        self.code = OK
        """The process's exit code: not 0 when the signal came before the work had begun."""
        self._stops: list[Callable[[int], None]] = []
        self._told = 0

    @contextmanager
    def calling(self, stop: Callable[[], None]) -> Generator[None]:
        """While the block lasts, a signal calls `stop`, and to stop is no failure."""
        self._stops.append(lambda _: stop())
        try:
            yield
        finally:
            self._stops.pop()

    @contextmanager
    def cancelling(self, *, is_failure: bool = False) -> Generator[None]:
        """While the block lasts, a signal cancels it."""
        import anyio

        with anyio.CancelScope() as scope:

            def cancel(signum: int) -> None:
                self.code = _SIGNALLED + signum if is_failure else OK
                scope.cancel()

            self._stops.append(cancel)
            try:
                yield
            finally:
                self._stops.pop()

    async def listen(self, *, task_status: "TaskStatus[None]") -> None:
        """Pass signals on until cancelled."""
        import anyio

        with anyio.open_signal_receiver(*_heeded()) as received:
            task_status.started()
            signals = 0
            async for signum in received:
                signals += 1
                self._tell(signals, signum)

    def told(self, times: int) -> None:
        """Somebody else has told it so often: what signals told it too is not counted twice."""
        self._tell(times, signal.SIGTERM)

    def _tell(self, times: int, signum: int) -> None:
        while self._told < times:
            self._told += 1
            self._stops[-1](signum)


def serve(work: Callable[[Stopper], Awaitable[None]], *, supervised: bool = False) -> int:
    """Do this work on a loop of its own until it ends or is told to; returns the exit code.

    `supervised`: who tells it is the process that started it, and to be told is never a failure.
    """
    from app.engine import run_process

    gc.enable()
    return run_process(partial(_serve, work, supervised=supervised))


async def _serve(work: Callable[[Stopper], Awaitable[None]], *, supervised: bool) -> int:
    import anyio

    stopper = Stopper()
    async with anyio.create_task_group() as group:
        with stopper.cancelling(is_failure=not supervised):
            await group.start(stopper.listen)
            if supervised:
                from app.local.lifeline import follow, take_lifeline

                group.start_soon(follow, take_lifeline(), stopper.told)
            await work(stopper)
        group.cancel_scope.cancel()
    return stopper.code


def _heeded() -> list[signal.Signals]:
    """A lost terminal counts, unless somebody (nohup) has said that it does not."""
    hangs_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hangs_up else [])]
