"""What the storm runs. Each job writes down when it begins and when it has done all it had to."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import anyio

from app.engine import Attempt, Call, Fixed, Job, by_name, job, seconds
from tests.life.attempts import BEGUN, ENDED, LEFT
from tests.life.ledger import Ledger
from tests.life.oracle import EFFECT

QUEUES = ("urgent", "usual")
PREVIOUS, THIS = 1, 2
"""The two releases."""

_OFTEN = Fixed(seconds(0.05), attempts=100)  # a run may be killed with its worker again and again
_FEW = Fixed(seconds(0.05), attempts=3)


@dataclass(frozen=True, slots=True)
class Context:
    """What the storm's jobs can reach."""

    attempt: Attempt

    def write(self, what: str, *, key: str = "") -> None:
        """Into the ledger."""
        attempt = self.attempt
        Ledger.here().write(what, run=attempt.run_id, attempt=attempt.number, key=key)


@contextmanager
def _written(ctx: Context, *, key: str = "") -> Generator[None]:
    """Tell that an attempt begins, and how it ended: its effect, of this key, has happened then."""
    ctx.write(BEGUN)
    try:
        yield
    except BaseException:
        ctx.write(LEFT)
        raise
    ctx.write(ENDED, key=key)


@job(name="storm.work", queue="usual", retry=_OFTEN, timeout=seconds(30))
async def work(ctx: Context, ms: int, failures: int) -> int:
    """Take so long, after so many failures."""
    with _written(ctx):
        await anyio.sleep(ms / 1000)
        if ctx.attempt.number <= failures:
            raise RuntimeError("not yet")
    return ctx.attempt.number


@job(name="storm.affect", queue="usual", retry=_OFTEN, timeout=seconds(30))
async def affect(ctx: Context, ms: int) -> int:
    """Do something that must happen once; the run is dead if nobody can tell whether it did."""
    key = f"effect of {ctx.attempt.run_id}"

    async def act() -> None:
        ctx.write(EFFECT, key=key)

    with _written(ctx, key=key):
        await ctx.attempt.once("effect", act)
        await anyio.sleep(ms / 1000)
    return ctx.attempt.number


@job(name="storm.hurry", queue="urgent", retry=_OFTEN, timeout=seconds(30))
async def hurry(ctx: Context, ms: int) -> int:
    """The same, before others."""
    with _written(ctx):
        await anyio.sleep(ms / 1000)
    return ctx.attempt.number


@job(name="storm.despair", queue="usual", retry=_FEW, timeout=seconds(30))
async def despair(ctx: Context) -> None:
    """Never succeed."""
    with _written(ctx):
        raise RuntimeError("never")


@job(name="storm.change", queue="usual", retry=_OFTEN, timeout=seconds(30))
async def unchanged(ctx: Context) -> int:
    """What the previous release did."""
    with _written(ctx):
        return PREVIOUS


@job(name="storm.change", queue="usual", retry=_OFTEN, timeout=seconds(30), version=2)
async def changed(ctx: Context) -> int:
    """What this release does under the same name."""
    with _written(ctx):
        return THIS


@job(name="storm.appear", queue="usual", retry=_OFTEN, timeout=seconds(30))
async def appear(ctx: Context) -> int:
    """Be unknown to the previous release."""
    with _written(ctx):
        return THIS


RELEASES = {
    PREVIOUS: by_name([work, affect, hurry, despair, unchanged]),
    THIS: by_name([work, affect, hurry, despair, changed, appear]),
}

Make = tuple[float, Job[Any, ..., Any], tuple[tuple[int, int], ...]]
_MIX: tuple[Make, ...] = (
    # the share of all runs, the job, and the span of each of its arguments
    (0.40, work, ((1, 10), (0, 0))),
    (0.30, affect, ((1, 10),)),
    (0.10, work, ((100, 600), (0, 0))),
    (0.05, work, ((1, 10), (1, 3))),
    (0.06, hurry, ((1, 10),)),
    (0.02, despair, ()),
    (0.03, changed, ()),
    (0.02, unchanged, ()),
    (0.02, appear, ()),
)


def calls(chance: Random, count: int) -> list[Call[Any]]:
    """So many calls, each with an id of its own, so that it can be asked for again."""
    shares = [share for share, *_ in _MIX]
    return [_call(chance, *make) for make in chance.choices(_MIX, shares, k=count)]


def _call(
    chance: Random, _share: float, job: Job[Any, ..., Any], spans: tuple[tuple[int, int], ...]
) -> Call[Any]:
    arguments = [chance.randint(*span) for span in spans]
    return job.with_options(id=f"{chance.getrandbits(80):020x}").call(*arguments)
