"""What enqueue returns: a run on its way, and whether it is a new one."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio
import msgspec

from app.engine.errors import RunCancelled, RunFailed, Unavailable, UnknownRun
from app.engine.outcome import RunStatus

if TYPE_CHECKING:
    from app.engine.doors.lookup import Lookup, Trace
    from app.engine.job import Job

R = TypeVar("R")

_FIRST_LOOK, _RAREST_LOOK = 0.005, 0.1  # s between two looks at a result: often at first
_OVER = {RunStatus.SUCCEEDED, RunStatus.CANCELLED, RunStatus.DEAD, RunStatus.UNKNOWN}


class Handle(msgspec.Struct, Generic[R], frozen=True, eq=False, gc=False):
    """One run, known by its id; `is_new` is False when the call found it already there."""

    id: str
    is_new: bool
    _lookup: "Lookup"
    _job: "Job[Any, ..., R] | None" = None
    is_promised: bool = False
    """Whether somebody has yet to enqueue it, who will or won't: its result is waited for."""

    def __repr__(self) -> str:
        return f"Handle(id={self.id!r}, is_new={self.is_new})"

    async def status(self) -> RunStatus:
        """Where it stands; `UNKNOWN` once nothing of it is kept."""
        return (await self._lookup.trace(self.id)).status

    async def result(self, *, within: timedelta = timedelta(seconds=30)) -> R:
        """Wait for it to end, and return what the job returned.

        Raises `RunFailed` (with the job's error), `RunCancelled`, `UnknownRun` when its result is
        not kept, and when time is up `TimeoutError`, or `Unavailable` if Redis is away then.
        """
        value: R = self._value(await self._ended(within))
        return value

    async def cancel(self) -> bool:
        """Stop it: a waiting run never starts, a running one is told. False when it is over."""
        return await self._lookup.cancel(self.id)

    async def _ended(self, within: timedelta) -> "Trace":
        absent, pause = None, _FIRST_LOOK
        with anyio.move_on_after(within.total_seconds()):
            while True:
                try:
                    trace, absent = await self._lookup.trace(self.id), None
                    if trace.status in _OVER and not self._may_come(trace):
                        return trace
                except Unavailable as error:
                    absent = error
                await anyio.sleep(pause)
                pause = min(pause * 1.5, _RAREST_LOOK)
        raise absent or TimeoutError(f"run {self.id} has not ended in {within}")

    def _may_come(self, trace: "Trace") -> bool:
        return self.is_promised and trace.status is RunStatus.UNKNOWN

    def _value(self, trace: "Trace") -> Any:
        match trace.status:
            case RunStatus.SUCCEEDED if trace.kept is not None:
                return self._lookup.value_of(trace.kept, self._job)
            case RunStatus.CANCELLED:
                raise RunCancelled(self.id, trace.error or RuntimeError("cancelled"))
            case RunStatus.DEAD:
                error = trace.error or RuntimeError("failed")
                raise RunFailed(self.id, error) from error
            case _:
                raise UnknownRun(f"{self.id}: nothing is kept of it")
