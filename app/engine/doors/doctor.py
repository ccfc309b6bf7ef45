"""What no step leaves behind, and is there all the same: found, and mended where that is safe.

Somebody deletes a key by hand, a server loses its last second, a release goes without its jobs:
then there are leases of nobody, runs on no queue, keys that nobody holds. Everything is looked at
twice, a moment apart, each time in one step of the server: what is on its way is no inconsistency.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import anyio

from app.engine.clock import seconds
from app.engine.doors.client import Client
from app.engine.doors.strays import placed_by_payload
from app.engine.job import Job
from app.engine.redis import census, keys
from app.engine.redis.store import Suspect
from app.engine.schedule import Schedule
from app.engine.trouble import Finding, Trouble

_AT_ONCE = 200  # suspects a step: a millisecond or two of the server's time
_MOMENT = seconds(1)  # a worker that parts from a run needs less
_BY_NAME = (
    (keys.LEASE, Trouble.LEASE),
    (keys.ATTEMPTS, Trouble.LEAVINGS),
    (keys.FAILURES, Trouble.LEAVINGS),
    (keys.JOB, Trouble.UNQUEUED),
    (keys.UNIQUE, Trouble.KEY),
    (keys.DEAD_LETTER, Trouble.LETTER_UNLISTED),
)
_Suspects = dict[Trouble, list[Suspect]]


class Doctor:
    """Examines one client's Redis."""

    def __init__(
        self,
        client: Client,
        *,
        jobs: Mapping[str, Job[Any, ..., Any]],
        timetable: Sequence[Schedule] = (),
        pause: timedelta = _MOMENT,
    ) -> None:
        """`jobs` and `timetable` are this release's; `pause` lies between the two looks."""
        self._client = client
        self._store = client.store
        self._redis = client.store.redis
        self._jobs = jobs
        self._timetable = timetable
        self._pause = pause.total_seconds()

    async def examine(self, *, mend: bool = False) -> list[Finding]:
        """All that is wrong, mended where that is safe and asked for; raises `Unavailable`."""
        queues = await census.queues(self._redis)
        suspects = await self._first_look(queues)
        idle = await self._unheeded(queues)
        if suspects or idle:
            await anyio.sleep(self._pause)
        findings = self._without_job()
        for trouble, some in suspects.items():
            for each in await self._wrong(trouble, some, queues, mend=mend):
                findings.append(_finding(trouble, each, is_mended=mend))
        return findings + [each for each in await self._unheeded(queues) if each in idle]

    async def _first_look(self, queues: Sequence[str]) -> _Suspects:
        waiting, found = defaultdict[Trouble, list[Suspect]](list), _Suspects()

        async def look(trouble: Trouble) -> None:
            wrong = await self._wrong(trouble, waiting.pop(trouble), queues)
            if trouble is Trouble.UNQUEUED:
                placed = [await placed_by_payload(self._client, each) for each in wrong]
                wrong = [each for each in placed if each]
            if wrong:
                found[trouble] = [*dict.fromkeys([*found.get(trouble, ()), *wrong])]

        async for trouble, suspect in self._all(queues):
            waiting[trouble].append(suspect)
            if len(waiting[trouble]) == _AT_ONCE:
                await look(trouble)
        for trouble in list(waiting):
            await look(trouble)
        return found

    async def _all(self, queues: Sequence[str]) -> AsyncIterator[tuple[Trouble, Suspect]]:
        """Whatever could be wrong: nearly everything there is."""
        for prefix, trouble in _BY_NAME:
            async for name in census.names_after(self._redis, prefix):
                yield trouble, (name, "")
        for queue in queues:
            async for id in census.members(self._redis, keys.queue(queue)):
                yield Trouble.PAYLOAD_LOST, (id, queue)
                yield Trouble.STRANDED, (id, queue)
        async for id, _ in census.parked(self._redis):
            yield Trouble.PARKED_LOST, (id, "")
        async for id in census.members(self._redis, keys.DEAD):
            yield Trouble.LETTER_LOST, (id, "")

    async def _wrong(
        self,
        trouble: Trouble,
        suspects: Sequence[Suspect],
        queues: Sequence[str],
        *,
        mend: bool = False,
    ) -> list[Suspect]:
        wrong: list[Suspect] = []
        for start in range(0, len(suspects), _AT_ONCE):
            some = suspects[start : start + _AT_ONCE]
            wrong += await self._store.examine(trouble, some, queues, mend=mend)
        return wrong

    async def _unheeded(self, queues: Sequence[str]) -> list[Finding]:
        """Runs that wait for a worker, or for code, that is not there."""
        served = {queue for each in await self._client.workers() for queue in each.queues}
        alone = [name for name in queues if name not in served]
        found = [Finding(trouble=Trouble.QUEUE, subject=keys.queue_title(each)) for each in alone]
        async for id, note in census.parked(self._redis):
            name, version = _code_of(note)
            job = self._jobs.get(name)
            if job is None or job.version < version:
                about = f"{name}, version {version}"
                found.append(Finding(trouble=Trouble.PARKED, subject=_text(id), about=about))
        return found

    def _without_job(self) -> list[Finding]:
        lost = [each for each in self._timetable if each.call.job.name not in self._jobs]
        return [
            Finding(trouble=Trouble.SCHEDULE, subject=each.name, about=each.call.job.name)
            for each in lost
        ]


def _code_of(note: bytes) -> tuple[str, int]:
    """The job's name and version, as park.lua has noted them."""
    name, version, *_ = [*note.decode(errors="replace").rsplit("|", 3), "", ""]
    return name, int(version) if version.isdigit() else 0


def _finding(trouble: Trouble, suspect: Suspect, *, is_mended: bool) -> Finding:
    subject, queue = suspect
    about = f"on {keys.queue_title(queue)}" if queue else ""
    return Finding(trouble=trouble, subject=_text(subject), about=about, is_mended=is_mended)


def _text(name: bytes) -> str:
    return name.decode(errors="replace")
