"""What the storm runs. Each job writes down when it begins and when it has done all it had to."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_hex

import anyio

from app.engine import AtOnce, Attempt, Discard, Fixed, by_name, job, schedule, seconds
from tests.life.attempts import BEGUN, ENDED, LEFT
from tests.life.ledger import Ledger
from tests.life.oracle import REPLAYS
from tests.life.promises import EFFECT, STEPPED, place

QUEUES = ("urgent", "usual")
FEW = 2
"""Runs of one colour that may be at work at once."""
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
def _written(ctx: Context, *, key: str = "", at: str = "") -> Generator[None]:
    """Tell that an attempt begins, and how it ended: its effect, of this key, has happened then.

    `at`: the place that it has as long, if there are only so many.
    """
    ctx.write(BEGUN, key=at)
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


@job(name="storm.regret", queue="usual", retry=_OFTEN, timeout=seconds(30))
async def regret(ctx: Context, ms: int) -> None:
    """Be cancelled, before it begins or in the middle."""
    with _written(ctx):
        await anyio.sleep(ms / 1000)


@job(name="storm.repent", queue="usual", retry=_OFTEN, timeout=seconds(30))
async def repent(ctx: Context) -> int:
    """Fail for good, until somebody has the dead letter run again: it may need several tries."""
    with _written(ctx):
        if ctx.attempt.parent is None:
            raise Discard("not before somebody asks again")
        ctx.write(REPLAYS, key=ctx.attempt.parent)
    return ctx.attempt.number


async def _draw() -> str:
    return token_hex(8)


@job(name="storm.build", queue="usual", retry=_OFTEN, timeout=seconds(30))
async def build(ctx: Context, ms: int, failures: int) -> int:
    """Take two steps, each of which is done once it is done, whatever fails after it."""
    with _written(ctx):
        for name in ("first", "second"):
            drawn = await ctx.attempt.step(name, _draw)
            ctx.write(STEPPED, key=f"{name} {drawn}")
            await anyio.sleep(ms / 1000)
            if ctx.attempt.number <= failures:
                raise RuntimeError("not yet")
    return ctx.attempt.number


@job(name="storm.sole", queue="usual", retry=_OFTEN, timeout=seconds(30))
async def sole(ctx: Context, number: int, ms: int) -> int:
    """Be the only one of this number, by its key."""
    with _written(ctx, at=place(1, f"sole {number}")):
        await anyio.sleep(ms / 1000)
    return ctx.attempt.number


@job(
    name="storm.few",
    queue="usual",
    retry=_OFTEN,
    timeout=seconds(30),
    limits=[AtOnce(FEW, by="colour")],
)
async def few(ctx: Context, colour: int, ms: int) -> int:
    """Be one of a few of this colour."""
    with _written(ctx, at=place(FEW, f"colour {colour}")):
        await anyio.sleep(ms / 1000)
    return ctx.attempt.number


@job(name="storm.tick", queue="usual", retry=_OFTEN, timeout=seconds(30))
async def tick(ctx: Context) -> int:
    """Do what must happen once at each tick; its run has the tick's name."""
    key = f"effect of {ctx.attempt.run_id}"

    async def act() -> None:
        ctx.write(EFFECT, key=key)

    with _written(ctx, key=key):
        await ctx.attempt.once("effect", act)
    return ctx.attempt.number


_ALWAYS = (work, affect, hurry, despair, regret, repent, build, sole, few, tick)
RELEASES = {
    PREVIOUS: by_name([*_ALWAYS, unchanged]),
    THIS: by_name([*_ALWAYS, changed, appear]),
}

TIMETABLE = tuple(schedule("* * * * *", tick.call(), name=f"storm.tick-{n}") for n in range(20))
