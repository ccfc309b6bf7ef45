"""Redis's append-only file, read as a witness: who took which run from whom, and was he alive?

The server writes down each change in the order it happened, expiries included. So the file tells
without a doubt whether a worker's sign of life was there when another took its run. It has to be
whole: a server that rewrites its file begins another one and deletes the first, which forgets what
was. So either it never does (`WHOLE`), or somebody keeps each file under a second name (`keep`).
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import hiredis

from app.engine.clock import from_ms
from app.engine.doors.overview import WorkerSeen
from app.engine.redis import keys
from tests.life.evidence import Takeover

WHOLE = {"appendonly": "yes", "appendfsync": "everysec", "auto_aof_rewrite_percentage": 0}
"""A server's options, for a journal that can be read."""

ROLLING = {"appendonly": "yes", "appendfsync": "no", "auto_aof_rewrite_min_size": "8mb"}
"""The same, for one that is kept: it does not grow for ever, and a restart is quick.

Its server may be killed, so it writes before it answers, always: with `everysec` it would not while
a busy disk takes long for the sync before, and a receipt from then would be lost with it.
"""

_CHUNK = 1 << 20
_FILES = "appendonlydir"
_SUSPECT = "suspect"  # in the place of a worker: leased to nobody, until it is tried alone
_TOLD = (keys.WORKER.encode(), keys.LEASE.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """The first that a worker gave of its life."""

    worker: WorkerSeen
    until: datetime
    """It was good so long, by the server's clock."""


@dataclass(frozen=True, slots=True)
class Journal:
    """What such a file tells."""

    takeovers: Sequence[Takeover]
    """Every lease that one worker took from another."""
    signs: Sequence[Sign]


def keep(data: Path, folder: Path) -> None:
    """Keep what the server has written so far, and will write; do so before it begins two more."""
    folder.mkdir(exist_ok=True)
    for path in (data / _FILES).glob("*.incr.aof"):
        with suppress(FileExistsError, FileNotFoundError):
            os.link(path, folder / path.name)


def read(folder: Path) -> Journal:
    """All it tells, by a server's data folder or what was kept."""
    signs = _Signs()
    takeovers = [taken for command in _commands(folder) for taken in signs.after(command)]
    return Journal(takeovers, [*signs.first.values()])


class _Signs:
    """Which workers show signs of life, and which runs they have, as the file goes on."""

    def __init__(self) -> None:
        self.first = dict[str, Sign]()
        self._alive = set[str]()
        self._holders = dict[str, str]()
        self._unseen = defaultdict[str, set[str]](set)
        """Runs that were leased to a worker which has not shown itself alive since."""

    def after(self, command: list[bytes]) -> Iterator[Takeover]:
        """What this command took from whom."""
        match command[0].upper(), command[1:]:
            case b"SET", [key, value, *options] if key.startswith(_TOLD):
                yield from self._after_set(key.decode(errors="replace"), value, options)
            case b"DEL" | b"UNLINK", gone:
                for name in (each.decode(errors="replace") for each in gone):
                    self._alive.discard(name.removeprefix(keys.WORKER))
                    self._holders.pop(name.removeprefix(keys.LEASE), None)
            case _:
                pass

    def _after_set(self, key: str, value: bytes, options: Sequence[bytes]) -> Iterator[Takeover]:
        if key.startswith(keys.WORKER):
            worker = key.removeprefix(keys.WORKER)
            self._alive.add(worker)
            self._unseen.pop(worker, None)
            if worker not in self.first and (seen := WorkerSeen.unpack(value)):
                self.first[worker] = Sign(worker=seen, until=from_ms(int(options[-1])))
        elif b":" in value:
            holder = value.decode(errors="replace").rpartition(":")[0]
            yield from self._after_lease(key.removeprefix(keys.LEASE), holder)

    def _after_lease(self, run: str, worker: str) -> Iterator[Takeover]:
        loser = self._holders.pop(run, worker)
        if loser != worker:
            was_seen = run not in self._unseen[loser]
            has_lapsed = was_seen and loser not in self._alive
            self._unseen[loser].discard(run)
            if worker != _SUSPECT or has_lapsed:  # else the loser has given it back for a trial
                yield _takeover(run, loser, worker, has_lapsed=has_lapsed)
        if worker != _SUSPECT:
            self._holders[run] = worker
        if worker not in self._alive:
            self._unseen[worker].add(run)


def _takeover(run: str, loser: str, worker: str, *, has_lapsed: bool) -> Takeover:
    return Takeover(
        run=run,
        loser=process_of(loser),
        has_lapsed=has_lapsed,
        is_suspect=worker == _SUSPECT,
    )


def process_of(worker: str) -> int:
    """The process of a worker: host, process, something that no other has; 0 for another name."""
    parts = worker.rsplit("-", 2)
    return int(parts[1]) if len(parts) > 2 and parts[1].isdecimal() else 0


def _commands(folder: Path) -> Iterator[list[bytes]]:
    """Every command, from the oldest file to the newest."""
    place = folder / _FILES
    files = (place if place.exists() else folder).glob("*.incr.aof")
    for path in sorted(files, key=lambda each: int(each.name.split(".")[-3])):
        reader = hiredis.Reader()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                reader.feed(chunk)
                while (command := reader.gets()) is not False:
                    yield command
