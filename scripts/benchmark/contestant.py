"""Who takes part: an adapter, in one of its variants.

An adapter is one Python file. It has two async tasks, `noop` and `nap`, which `probe.mark` what
they do, and names

    PACKAGES, CONCURRENCY                   whose versions are told; how many runs one worker runs
    worker_command(workload)                the command of a worker process
    connect(), enqueue(client, task, *args), enqueue_many(client, task, calls)
                                            plain functions or coroutines, as is close(client)
    VARIANTS, TITLES                        if there are several; how the table calls them
    MAX_JOBS, MAX_QUEUED                    if it is too slow for more
    CROWD                                   whether its process can be BENCH_WORKERS workers

BENCH_CONCURRENCY, when it is set, is its CONCURRENCY.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmark.failed import Failed

_SCRIPTS = Path(__file__).resolve().parents[1]
_PATIENCE = 900.0  # s; a million runs are enqueued in it
_LAST_WORDS = 600  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What an adapter says of itself in one variant."""

    title: str
    variants: tuple[str, ...]
    versions: dict[str, str]
    concurrency: int
    command: tuple[str, ...]
    most_runs: int | None
    """A slow one drains no more than these."""
    most_queued: int | None
    """And no more of these are laid before it."""
    is_crowd: bool
    """Whether one process can be many workers."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """An adapter's file and a variant; the first question to it is what it is."""

    adapter: Path
    variant: str
    about: About

    @classmethod
    def all_of(cls, adapter: Path) -> list["Contestant"]:
        """Every variant of an adapter."""
        first = _about(adapter, "")
        return [cls(adapter, each, _about(adapter, each)) for each in first.variants]

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """What its processes find in their environment."""
        return {**_environment(self.adapter, self.variant), **more}

    def ask(self, *question: str, environment: Mapping[str, str], folder: Path) -> Any:
        """The agent's answer, as JSON has it."""
        return _ask(self.adapter, *question, environment=self.environment(environment), cwd=folder)

    def at_most(self, runs: int) -> int:
        """As many runs as it can be given to drain."""
        return min(runs, self.about.most_runs or runs)

    def can_face(self, queued: int) -> bool:
        """Whether so many runs may be laid before it."""
        most = self.about.most_queued
        return most is None or 0 < most >= queued


def _about(adapter: Path, variant: str) -> About:
    answer = _ask(adapter, "about", environment=_environment(adapter, variant))
    return msgspec.convert(answer, About)


def _environment(adapter: Path, variant: str) -> dict[str, str]:
    path = (_SCRIPTS, _SCRIPTS.parent, adapter.parent)
    more = {"PYTHONPATH": os.pathsep.join(map(str, path)), "BENCH_VARIANT": variant}
    return {**os.environ, **more}


def _ask(
    adapter: Path, what: str, *more: str, environment: Mapping[str, str], cwd: Path | None = None
) -> Any:
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "benchmark.agent", what, str(adapter), *more],
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{adapter.name}: {what} takes more than {_PATIENCE:.0f} s") from error
    if done.returncode:
        raise Failed(f"{adapter.name}: {what}: {done.stderr.strip()[-_LAST_WORDS:]}")
    return json.loads(done.stdout.splitlines()[-1])
