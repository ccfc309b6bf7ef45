"""Where one workload of one contestant happens: an emptied server, its workers, their marks."""

import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from benchmark import family
from benchmark.contestant import Contestant
from benchmark.failed import Failed
from benchmark.marks import WARM_UP, Marks
from benchmark.measured import Spent
from benchmark.server import Server
from benchmark.sizes import Sizes

_BOOT = 60.0  # s until a worker's first mark
_LOOK = 0.002  # s between two looks at the marks
_SETTLE = 1.5  # s: a worker that has run something is idle by then
_WARM_UP = 3  # runs
_LAST_WORDS = 600  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How runs were enqueued."""

    seconds: float
    cpu: float
    times: list[float]
    """When each call began; of paced ones only."""


class Stage:
    """Empties the server and makes a fresh file of marks; ends every worker in the end."""

    def __init__(self, contestant: Contestant, server: Server, sizes: Sizes) -> None:
        self._contestant, self._server, self._sizes = contestant, server, sizes
        self.workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self._server.empty()
        self._folder = Path(tempfile.mkdtemp(prefix="steward-bench-"))
        self.marks = Marks(self._folder / "marks")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for worker in self.workers:
            family.kill(worker.pid)
            worker.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self, *, workers: int = 1, concurrency: int = 0) -> None:
        """Start one process, which is so many workers, each with so many runs at once."""
        number = str(len(self.workers))
        environment = self._environment() | {"BENCH_WORKER": number, "BENCH_WORKERS": str(workers)}
        if concurrency:
            environment["BENCH_CONCURRENCY"] = str(concurrency)
        with (self._folder / f"worker{number}.log").open("wb") as said:
            worker = subprocess.Popen(
                self._contestant.about.command,
                env=self._contestant.environment(environment),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self.workers.append(worker)

    def enqueue(self, mode: str, task: str, n: int, *seconds: float, first: int = 0) -> Sent:
        """Have another process enqueue runs; `benchmark.agent` knows the modes."""
        question = ("enqueue", mode, task, first, n, *seconds)
        what, *more = map(str, question)
        answer = self._contestant.ask(
            what, *more, environment=self._environment(), folder=self._folder
        )
        return msgspec.convert(answer, Sent)

    def warm_up(self) -> None:
        """Return once the workers have run something and gone idle; raises `Failed`."""
        before = self.marks.count()
        self.enqueue("each", "noop", _WARM_UP, first=WARM_UP)
        if not self.until(before + _WARM_UP):
            raise Failed(f"no worker runs anything: {self._said()}")
        time.sleep(_SETTLE)

    def until(self, count: int, *, longest: float = float("inf")) -> bool:
        """Wait for so many marks; False once they stop coming, or after so many seconds."""
        began = since = time.monotonic()
        seen = 0
        while (now := self.marks.count()) < count:
            if now != seen:
                seen, since = now, time.monotonic()
            waited = time.monotonic() - since
            if waited > (self._sizes.stall if now else _BOOT):
                return False
            if time.monotonic() - began > longest:
                return False
            self._look_after_workers()
            time.sleep(_LOOK)
        return True

    def spent(self) -> Spent:
        """What workers and server have spent so far."""
        own = sum(family.cpu_seconds(worker.pid) for worker in self.workers)
        return Spent(own=own, server=self._server.usage())

    def memory(self) -> float:
        """What the workers hold, in MB."""
        return sum(family.megabytes(worker.pid) for worker in self.workers)

    def _environment(self) -> dict[str, str]:
        return {"BENCH_REDIS_URL": self._server.url, "BENCH_RUNLOG": str(self.marks.file)}

    def _look_after_workers(self) -> None:
        if all(worker.poll() is not None for worker in self.workers):
            raise Failed(f"every worker has ended: {self._said()}")

    def _said(self) -> str:
        logs = sorted(self._folder.glob("worker*.log"))
        return "\n".join(each.read_text(errors="replace")[-_LAST_WORDS:] for each in logs)
