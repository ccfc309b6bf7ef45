"""How much there is of each of the storm's jobs, and with what arguments."""

from random import Random
from typing import Any

from app.engine import Call, Job
from storm.jobs import (
    affect,
    appear,
    build,
    changed,
    despair,
    few,
    hurry,
    regret,
    repent,
    sole,
    unchanged,
    work,
)

Make = tuple[float, Job[Any, ..., Any], tuple[tuple[int, int], ...]]
_MIX: tuple[Make, ...] = (
    # the share of all runs, the job, and the span of each of its arguments
    (0.33, work, ((1, 10), (0, 0))),
    (0.27, affect, ((1, 10),)),
    (0.10, work, ((100, 600), (0, 0))),
    (0.05, work, ((1, 10), (1, 3))),
    (0.06, hurry, ((1, 10),)),
    (0.02, despair, ()),
    (0.03, changed, ()),
    (0.02, unchanged, ()),
    (0.02, appear, ()),
    (0.03, regret, ((50, 500),)),
    (0.01, repent, ()),
    (0.02, build, ((1, 10), (0, 2))),
    (0.02, sole, ((1, 20), (5, 50))),
    (0.02, few, ((1, 5), (5, 50))),
)


def calls(chance: Random, count: int) -> list[Call[Any]]:
    """So many calls, each with an id of its own, so that it can be asked for again."""
    shares = [share for share, *_ in _MIX]
    return [_call(chance, *make) for make in chance.choices(_MIX, shares, k=count)]


def _call(
    chance: Random, _share: float, job: Job[Any, ..., Any], spans: tuple[tuple[int, int], ...]
) -> Call[Any]:
    arguments = [chance.randint(*span) for span in spans]
    id = f"{chance.getrandbits(80):020x}"
    key = f"sole-{arguments[0]}" if job is sole else None
    return job.with_options(id=id, key=key).call(*arguments)
