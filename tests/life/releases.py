"""Two releases of one application: the second has changed a job's arguments, and has a new job."""

from collections.abc import Mapping
from typing import Any

from app.context import Context
from app.engine import Arguments, Job, by_name, job
from app.queues import MAINTENANCE
from tests.life.ledger import Ledger

VARIABLE = "LIFE_RELEASE"
"""Of which release a worker is: 1, 2, or neither."""


def _write(ctx: Context, what: str) -> None:
    Ledger.here().write(what, run=ctx.attempt.run_id, attempt=ctx.attempt.number)


@job(name="life.greet", queue=MAINTENANCE)
async def greet_by_name(ctx: Context, name: str) -> str:
    """Greet, as the first release did."""
    _write(ctx, "greeted by the first")
    return f"Hello {name}"


def split_name(version: int, old: Arguments) -> Arguments:
    """In version 1 there was one name; without a blank in it, nobody knows which."""
    assert version == 1
    (name,) = old.args
    first, last = name.split(" ")
    return Arguments(first, last=last)


@job(name="life.greet", queue=MAINTENANCE, version=2, upcast=split_name)
async def greet(ctx: Context, first: str, last: str) -> str:
    """Greet, as the second release does."""
    _write(ctx, "greeted")
    return f"Good day, {last}, {first}"


@job(name="life.wave", queue=MAINTENANCE)
async def wave(ctx: Context) -> int:
    """Do what only the second release can."""
    _write(ctx, "waved")
    return ctx.attempt.number


JOBS: Mapping[str, Mapping[str, Job[Any, ..., Any]]] = {
    "": {},
    "1": by_name([greet_by_name]),
    "2": by_name([greet, wave]),
}
