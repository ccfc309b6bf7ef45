"""A queue worked off on a stage: what ran, and what it cost from the first mark on."""

import time
from dataclasses import dataclass

from benchmark.marks import Mark
from benchmark.measured import Cost
from benchmark.stage import Stage

_AFTERWARDS = 0.3  # s in which the last commit comes, and would a run that is done twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How it went."""

    marks: list[Mark]
    is_done: bool
    """Whether as many marks came as were waited for."""
    cost: Cost


def work_off(stage: Stage, marks: int, *, a_run: int = 1) -> Work:
    """Wait until so many more marks are there, or no more come; `a_run` of them belong to a run."""
    already = stage.marks.count()
    is_begun = stage.until(already + 1)
    before, early = stage.spent(), stage.marks.count()
    is_done = is_begun and stage.until(already + marks)
    time.sleep(_AFTERWARDS)
    after, late = stage.spent(), stage.marks.count()
    cost = Cost.between(before, after, runs=(late - early) // a_run)
    return Work(marks=stage.marks.read(), is_done=is_done, cost=cost)
