"""Jobs that leave a trace in the ledger, and wait when a test wants them to be in the middle."""

import ctypes
import os
import resource
import signal
import time
from asyncio import CancelledError
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic

import anyio

from app.context import Context
from app.engine import (
    ASK,
    NEVER,
    REPEAT,
    AtOnce,
    Fixed,
    Rate,
    by_name,
    job,
    minutes,
    schedule,
    seconds,
)
from app.queues import AI, EMAIL, MAINTENANCE, NAMES
from app.services.mail import Message
from app.services.notifications import Channel
from tests.life.attempts import BEGUN, ENDED, LEFT
from tests.life.ledger import Ledger
from tests.life.promises import EFFECT

_TOIL = 0.003  # s
_HOARD = list[bytearray]()
_SOON = Fixed(timedelta(seconds=0.2), attempts=3)


def _write(ctx: Context, what: str, *, key: str = "") -> None:
    Ledger.here().write(what, run=ctx.attempt.run_id, attempt=ctx.attempt.number, key=key)


@asynccontextmanager
async def _at_work(ctx: Context, *, effect: str = "") -> AsyncGenerator[None]:
    """Tell when an attempt begins and ends; one that ends as it should has had this effect."""
    _write(ctx, BEGUN)
    try:
        yield
    except BaseException:
        _write(ctx, LEFT)
        raise
    _write(ctx, ENDED, key=effect)


@job(name="life.note", queue=MAINTENANCE)
async def note(ctx: Context) -> int:
    """Leave a line, and say which process did."""
    _write(ctx, "noted")
    return os.getpid()


@job(name="life.follow", queue=MAINTENANCE)
async def follow(ctx: Context) -> str:
    """Have a note follow, by a transaction."""
    async with ctx.database.write() as session:
        return (await ctx.outbox.enqueue(session, note)).id


@job(name="life.ask", queue=AI)
async def ask(ctx: Context) -> int:
    """Do the same, urgently."""
    return await note(ctx)


@job(name="life.hold", queue=MAINTENANCE, timeout=minutes(1))
async def hold(ctx: Context, gate: str = "gate") -> int:
    """Be in the middle until the gate opens."""
    async with _at_work(ctx):
        await Ledger.here().through_gate(gate)
    return ctx.attempt.number


@job(name="life.rest", queue=MAINTENANCE)
async def rest(ctx: Context) -> None:
    """Keep a slot for longer than any test lasts."""
    _write(ctx, "resting")
    await anyio.sleep_forever()


async def _toil(ctx: Context) -> None:
    """Be at work for a few milliseconds."""
    _write(ctx, f"{ctx.attempt.queue} begun")
    await anyio.sleep(_TOIL)
    _write(ctx, f"{ctx.attempt.queue} ended")


TOIL = {queue: job(name=f"life.toil_{queue}", queue=queue)(_toil) for queue in NAMES}
"""The same work on each queue."""


@job(name="life.tell", queue=MAINTENANCE, timeout=minutes(1))
async def tell(ctx: Context, *, wait: bool) -> int:
    """Tell the owner something, once a run; then be in the middle, if asked to."""
    async with _at_work(ctx):
        await ctx.notifications.send(
            await ctx.users.owner(),
            "told",
            "",
            channels=(Channel.IN_APP,),
            dedupe_key=ctx.attempt.run_id,
        )
        if wait:
            await Ledger.here().through_gate()
    return ctx.attempt.number


@job(name="life.mail", queue=EMAIL, timeout=minutes(1))
async def mail(ctx: Context, subject: str) -> str:
    """Mail the owner, and be in the middle until the gate opens."""
    owner = await ctx.users.owner()
    message = Message(to=(owner.address,), subject=subject, body="")
    sent = await ctx.mail.outbox.post(message, user_id=owner.id, key=f"run:{ctx.attempt.run_id}")
    _write(ctx, "mailed")
    await Ledger.here().through_gate()
    return sent.message_id


@job(name="life.stumble", queue=MAINTENANCE, timeout=seconds(20), retry=_SOON)
async def stumble(ctx: Context, *, times: int) -> int:
    """Fail so many times."""
    _write(ctx, "tried")
    if ctx.attempt.number <= times:
        raise RuntimeError("stumbled")
    return ctx.attempt.number


@job(name="life.block", queue=MAINTENANCE, timeout=minutes(1))
async def block(ctx: Context, seconds: float) -> int:
    """Stop everybody else in this process."""
    _write(ctx, "blocking")
    time.sleep(seconds)  # what a job must not do, and some do  # noqa: ASYNC251
    _write(ctx, "unblocked")
    return ctx.attempt.number


def _keep_interpreter(seconds: float) -> None:
    """Compute in one call, which lets no other thread run, for so long at least."""
    count, took = 100_000, 0.0
    while took < 0.05:
        count, began = 2 * count, monotonic()
        sum(range(count))
        took = monotonic() - began
    sum(range(int(count * seconds / took)))


@job(name="life.seize", queue=MAINTENANCE, timeout=minutes(2))
async def seize(ctx: Context, seconds: float, *, thread: bool) -> int:
    """Stop every thread of this process, from the loop's or from another."""
    _write(ctx, "seizing")
    if thread:
        await anyio.to_thread.run_sync(_keep_interpreter, seconds)
    else:
        _keep_interpreter(seconds)
    _write(ctx, "let go")
    return ctx.attempt.number


@job(name="life.hoard", queue=MAINTENANCE)
async def hoard(ctx: Context, mib: int) -> int:
    """Keep so much memory for ever, as a library that leaks does."""
    _write(ctx, "hoarded")
    _HOARD.append(bytearray(b"x") * (mib * 2**20))
    return os.getpid()


@job(name="life.cling", queue=MAINTENANCE, timeout=seconds(1.5), retry=_SOON)
async def cling(ctx: Context) -> int:
    """Go on until this attempt's gate opens, whoever cancels it."""
    _write(ctx, "clinging")
    while True:
        try:
            await Ledger.here().through_gate(f"cling-{ctx.attempt.number}")
        except CancelledError:
            _write(ctx, "cancelled")
        else:
            _write(ctx, "let go")
            return ctx.attempt.number


async def _pay(run: str, attempt: int, key: str) -> int:
    """Take a moment before it happens, and one after, so that a kill comes in between."""
    await anyio.sleep(10 * _TOIL)
    Ledger.here().write(EFFECT, run=run, attempt=attempt, key=key)
    await anyio.sleep(10 * _TOIL)
    return attempt


@job(name="life.pay", queue=MAINTENANCE, timeout=minutes(1), retry=Fixed(timedelta(0), attempts=9))
async def pay(ctx: Context, *, ask: bool) -> int | None:
    """Do something that should happen once; who asks is promised that it does, or is in doubt."""
    in_doubt = ASK if ask else REPEAT
    run, attempt = ctx.attempt.run_id, ctx.attempt.number
    key = f"pay {run}" if ask else ""
    async with _at_work(ctx, effect=key):
        return await ctx.once("pay", _pay, run, attempt, key, in_doubt=in_doubt)


@job(name="life.beget", queue=MAINTENANCE, timeout=minutes(1))
async def beget(ctx: Context) -> None:
    """Start a program that would go on for an hour, and wait for it."""
    async with await anyio.open_process(["sh", "-c", "sleep 3600 & wait"]) as child:
        _write(ctx, f"begot {child.pid}")
        await child.wait()


UNRULY = {
    "exit": SystemExit(3),
    "interrupt": KeyboardInterrupt(),
    "generator": GeneratorExit(),
    "cancelled": CancelledError(),
}


@job(name="life.misbehave", queue=MAINTENANCE, timeout=seconds(20), retry=NEVER)
async def misbehave(ctx: Context, how: str) -> None:
    """Raise what is meant to end more than a job."""
    _write(ctx, how)
    raise UNRULY[how]


def _take_all_memory() -> None:
    """Pass the limit, where that is the end: as a system does that has no more to give."""
    resource.setrlimit(resource.RLIMIT_AS, (2**20, 2**20))
    try:
        _HOARD.append(bytearray(2**30))
    except MemoryError:
        os.abort()


@job(name="life.visit", queue=MAINTENANCE, timeout=minutes(1), limits=[AtOnce(3, by="who")])
async def visit(ctx: Context, who: str, gate: str = "") -> int:
    """Be one of a few at work for somebody."""
    _write(ctx, f"{who} begun")
    await Ledger.here().through_gate(gate) if gate else await anyio.sleep(_TOIL)
    _write(ctx, f"{who} ended")
    return ctx.attempt.number


@job(name="life.knock", queue=MAINTENANCE, limits=[Rate(10, per=seconds(1), name="door")])
async def knock(ctx: Context) -> None:
    """Be one of so many in a second."""
    _write(ctx, "knocked")


POISONS: dict[str, Callable[[], object]] = {
    "exit": lambda: os._exit(1),
    "crash": lambda: ctypes.string_at(0),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "memory": _take_all_memory,
}


@job(name="life.poison", queue=MAINTENANCE, timeout=minutes(1))
async def poison(ctx: Context, how: str) -> None:
    """Take the worker down."""
    _write(ctx, how)
    POISONS[how]()


JOBS = by_name(
    (
        note,
        follow,
        ask,
        hold,
        rest,
        tell,
        mail,
        stumble,
        block,
        seize,
        hoard,
        cling,
        pay,
        misbehave,
        poison,
        visit,
        knock,
        beget,
        *TOIL.values(),
    )
)

YEARLY = tuple(schedule("0 0 1 1 *", note.call(), name=f"life.yearly-{n}") for n in range(10))
