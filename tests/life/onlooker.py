"""Looks on while a story of a home happens: what a witness is told elsewhere, it finds by itself.

Four times a second it reads what has ended, keeps the server's journal, and samples: each run that
is on a queue, among the dead letters or known from before stands in exactly one place. While Redis
is away it sees nothing, and says so.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from time import monotonic

import anyio

from app.engine import Unavailable
from tests.life.evidence import in_words, state_of
from tests.life.traces import standing
from tests.life.witness import Witness

_LOOK = 0.25  # s between two looks
_MOST = 200  # runs of a queue in one look, and of those that are known from before
_SHORT = 1.0  # s that a story may take without a look


class Onlooker:
    """Of one story."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._began = monotonic()
        self.looks = 0

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            with suppress(Unavailable):
                await self.look()
            await anyio.sleep(_LOOK)

    async def look(self) -> None:
        """Once; raises `Unavailable`."""
        witness = self._witness
        await witness.find_queues()
        await witness.follow()
        ahead = _MOST if self.looks else -1
        witness.accept(*await standing(witness.client, queues=witness.queues, most=ahead))
        runs = [*witness.accepted]
        open_ = [run for run in runs if run not in witness.endings]
        await self._sample([*dict.fromkeys([*open_[:_MOST], *open_[-_MOST:], *runs[-_MOST:]])])
        self.looks += 1

    async def _sample(self, runs: list[str]) -> None:
        witness = self._witness
        found = await witness.traces(runs)
        await witness.follow()
        for run, trace in found.items():
            witness.samples += 1
            is_forgotten = not trace and run in witness.endings
            if state_of(trace) is None and not is_forgotten:
                witness.torn.append(f"run {run}, during the case: {in_words(trace)}")

    def missed(self) -> list[str]:
        """Says it if there never was a look, though there was time for one."""
        took = monotonic() - self._began
        took -= sum(each.end - each.begin for each in self._witness.outages)
        is_blind = took > _SHORT and not self.looks
        return [f"no sample was taken in {took:.1f} s"] if is_blind else []


@asynccontextmanager
async def looking_on(witness: Witness) -> AsyncGenerator[Onlooker]:
    """Somebody does while the block lasts; what the block raises comes out as it is."""
    onlooker, failed = Onlooker(witness), list[Exception]()
    async with anyio.create_task_group() as group:
        group.start_soon(onlooker.run)
        try:
            yield onlooker
        except Exception as error:  # a group would wrap it
            failed.append(error)
        group.cancel_scope.cancel()
    if failed:
        raise failed[0]
