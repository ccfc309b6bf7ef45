"""Looks on while a case happens, and gathers the evidence: from Redis, the database, the ledger.

The case tells it what it does: which runs got a receipt, which processes it started and killed,
when Redis was away. The rest the witness reads itself.
"""

import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from signal import SIGKILL
from time import monotonic
from typing import Any, cast

import anyio
import msgspec

from app.engine import Client, Ending, Unavailable, seconds
from app.engine.clock import from_ms
from app.engine.doors.events import Event
from app.engine.redis import census, keys
from app.engine.redis.steps import answering
from app.storage.run import OVER
from app.storage.runs import Runs
from tests.eventually import eventually
from tests.life.attempts import BEGUN
from tests.life.evidence import (
    Arrival,
    Evidence,
    Life,
    Span,
    Trace,
    Try,
    in_words,
    state_of,
)
from tests.life.journal import Journal, Sign, keep, process_of, read
from tests.life.ledger import Ledger, Line
from tests.life.oracle import Oracle
from tests.life.processes import WorkerProcess
from tests.life.story import story
from tests.life.traces import traces_of

_AT_ONCE = 500
_TOLD = 20  # runs
_CATCHING_UP = seconds(120)  # for a recorder that is far behind

_EVENTS = msgspec.msgpack.Decoder(list[Event])


@dataclass(kw_only=True)
class Witness:
    """One case's."""

    client: Client
    """On a connection that no case cuts."""
    ledger: Ledger
    queues: Sequence[str]
    lease: float
    """Seconds."""
    limit: float = 2
    """Leases that a recovery may take."""
    data: Path | None = None
    """Where the server keeps its append-only file, if that is whole."""
    journal: Path | None = None
    """Where to keep it, if the server writes its file anew now and then."""
    history: Runs | None = None
    accepted: dict[str, float] = field(default_factory=dict[str, float])
    """The runs that got a receipt, and when."""
    killed: dict[int, float] = field(default_factory=dict[int, float])
    outages: list[Span] = field(default_factory=list[Span])
    lives: list[Life] = field(default_factory=list[Life])
    leaked: list[str] = field(default_factory=list[str])
    torn: list[str] = field(default_factory=list[str])
    samples: int = 0
    endings: dict[str, list[Ending]] = field(default_factory=dict[str, list[Ending]])
    """The events that ended runs, as far as they were read."""
    ended_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    queue_of: dict[str, str] = field(default_factory=dict[str, str])
    heard: dict[Try, tuple[int, int]] = field(default_factory=dict[Try, tuple[int, int]])
    """The attempts that events tell of: from when until when, by the server's clock (ms)."""
    until: float | None = None
    """When a story ended that is not whole."""
    _ahead: float | None = None
    _position: str = "-"
    _reading: anyio.Lock = field(default_factory=anyio.Lock)

    def kill(self, worker: WorkerProcess) -> float:
        """Kill it, and tell when."""
        worker.send(SIGKILL)
        return self.killed.setdefault(worker.pid, monotonic())

    @property
    def under_way(self) -> int:
        """How many of the accepted runs have not ended yet, as far as is known."""
        return len(self.accepted) - len(self.endings)

    def accept(self, *runs: str) -> None:
        """These got a receipt, or were enqueued by whoever gives none: a clock, another run."""
        for run in runs:
            self.accepted.setdefault(run, monotonic())

    async def lost(self) -> set[str]:
        """The accepted runs that have not ended, and of which nothing is there."""
        left = [run for run in self.accepted if run not in self.endings]
        return {run for run, trace in (await self.traces(left)).items() if not trace}

    async def left(self) -> str:
        """Where those stand that have not ended, in words, and what is known of the first ones."""
        left = [run for run in self.accepted if run not in self.endings]
        traces, lines = await self.traces(left), self.ledger.all_lines()
        lost = sum(not trace for trace in traces.values())
        told = [
            f"run {run}: {in_words(traces[run])}; {self._story(run, lines)}"
            for run in sorted(left, key=lambda each: bool(traces[each]))[:_TOLD]
        ]
        return "\n".join([f"{len(left)} have not ended, {lost} of them lost", *told])

    def _story(self, run: str, lines: Sequence[Line]) -> str:
        at = self.accepted[run]
        return story(run, at=at, lines=lines, killed=self.killed, outages=self.outages)

    async def sample(self, runs: Iterable[str]) -> None:
        """See whether each stands in exactly one place now; nothing while Redis is away."""
        with suppress(Unavailable):
            for run, trace in (await self.traces(list(runs))).items():
                self.samples += 1
                if state_of(trace) is None:
                    self.torn.append(f"run {run}, during the case: {in_words(trace)}")

    async def traces(self, runs: Sequence[str]) -> dict[str, Trace]:
        """What Redis has of each."""
        return await traces_of(self.client, runs, queues=self.queues)

    async def find_queues(self) -> None:
        """Look for more of them than it was told."""
        found = await census.queues(self.client.store.redis)
        self.queues = sorted({*self.queues, *found})

    async def follow(self) -> None:
        """Read which runs have ended since the last time: the stream forgets after a while."""
        if self.data and self.journal:
            keep(self.data, self.journal)
        async with self._reading:
            while entries := await self._entries():
                for entry, fields in entries:
                    self._position = f"({entry.decode()}"
                    for event in _EVENTS.decode(fields[b"events"]):
                        self._hear(event, _moment(entry))

    def _hear(self, event: Event, at: datetime) -> None:
        self.queue_of[event.run_id] = event.queue
        attempt = event.run_id, event.attempt, process_of(event.worker)
        self.heard[attempt] = event.started, event.ended
        if (ending := Ending(event.ending)) in OVER:
            self.accept(event.run_id)
            self.ended_at[event.run_id] = at
            self.endings.setdefault(event.run_id, []).append(ending)

    async def _entries(self) -> list[tuple[bytes, dict[bytes, bytes]]]:
        anybody: Any = self.client.store.redis
        async with answering():
            found: list[tuple[bytes, dict[bytes, bytes]]] = await anybody.xrange(
                keys.EVENTS, min=self._position, count=_AT_ONCE
            )
        return found

    async def oracle(self, *, is_whole: bool = True) -> Oracle:
        """Let it be judged, with what nobody has a receipt of; if it is whole, all is over."""
        await self.follow()
        self.accept(*(line.run for line in self.ledger.lines(BEGUN)))
        traces = await self.traces(tuple(self.accepted))
        return Oracle(
            Evidence(
                accepted=tuple(self.accepted),
                receipts=self.accepted,
                traces=traces,
                endings=self.endings,
                lines=self.ledger.all_lines(),
                lease=self.lease,
                limit=self.limit,
                ended_at=self.ended_at,
                killed=self.killed,
                outages=self.outages,
                lives=self.lives,
                torn=self.torn,
                leaked=self.leaked,
                **await self._more(is_whole=is_whole),
            )
        )

    async def _more(self, *, is_whole: bool) -> dict[str, Any]:
        """What the journal has, and either the history or what is known in between."""
        there = self.journal or self.data
        journal = read(there) if self.data and there else Journal((), ())
        told: dict[str, Any] = {"takeovers": journal.takeovers, "is_whole": is_whole}
        if is_whole:
            gaps = await self.history.gaps() if self.history else ()
            return told | {"history": await self._recorded(), "gaps": gaps}
        ahead = await self._server_ahead()
        return told | {
            "until": self.until,
            "queues": self.queue_of,
            "arrivals": [_arrival(each, self.lease, ahead) for each in journal.signs],
            "heard": {
                attempt: Span(begin / 1000 - ahead, end / 1000 - ahead)
                for attempt, (begin, end) in self.heard.items()
            },
        }

    async def _server_ahead(self) -> float:
        """How far the server's clock is ahead of the one that never jumps."""
        if self._ahead is None:
            async with answering():
                now: tuple[int, int] = await cast("Any", self.client.store.redis).time()
            self._ahead = now[0] + now[1] / 1_000_000 - monotonic()
        return self._ahead

    async def _recorded(self) -> dict[str, Ending]:
        """The history, once it knows of every ending; or as it is, if that takes too long."""
        if self.history is None:
            return {}
        with suppress(TimeoutError):
            await eventually(self._has_caught_up, within=_CATCHING_UP)
        runs = await self.history.list(limit=sys.maxsize)
        return {run.id: run.status for run in runs if run.is_over}

    async def _has_caught_up(self) -> bool:
        assert self.history
        counts = await self.history.counts()
        return sum(counts[ending] for ending in OVER) >= len(self.endings)


def _moment(entry: bytes) -> datetime:
    """When an entry was written: its id begins with the server's time."""
    return from_ms(int(entry.partition(b"-")[0]))


def _arrival(sign: Sign, lease: float, ahead: float) -> Arrival:
    at = sign.until.timestamp() - lease - ahead
    return Arrival(pid=sign.worker.pid, at=at, queues=sign.worker.queues)
