"""What the type checkers must accept and refuse: `scripts/check` reads this file, nothing runs it.

Every wrong call below carries the error it must give. Both checkers report an ignored error that
does not occur, so a wrong call that became acceptable fails the check.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_type

from sqlalchemy.ext.asyncio import AsyncSession

from app.engine import (
    Attempt,
    Call,
    Client,
    Handle,
    Held,
    Job,
    Schedule,
    Worker,
    job,
    minutes,
    schedule,
    seconds,
)
from app.storage.outbox import Outbox


@dataclass(frozen=True)
class Context:
    """What these jobs are called with."""

    attempt: Attempt


@dataclass(frozen=True)
class Delivery:
    """What they return."""

    sent: bool


@job(queue="email", timeout=minutes(2))
async def send(ctx: Context, user_id: int, subject: str, *, at: datetime | None = None) -> Delivery:
    """Send a mail."""
    return Delivery(sent=bool(ctx and user_id and subject and at))


@job()
async def forget(ctx: Context) -> None:
    """Take nothing, and return nothing."""
    assert_type(ctx.attempt.number, int)


# declaring


def a_job_is_typed_by_its_function() -> None:
    assert_type(send.name, str)
    assert_type(send.call(7, "Hi"), Call[Delivery])
    assert_type(forget.call(), Call[None])
    assert_type(schedule("* * * * *", send.call(7, "Hi")), Schedule)


def options_keep_the_type(moment: datetime) -> None:
    later = send.with_options(delay=seconds(5), key="k", held=Held.QUEUED)
    assert_type(later.call(7, "Hi", at=moment), Call[Delivery])


async def a_job_is_still_its_function(ctx: Context) -> None:
    assert_type(send(ctx, 7, "Hi"), Awaitable[Delivery])
    assert_type(await send(ctx, 7, "Hi"), Delivery)


@job()  # type: ignore[arg-type]
def not_async(ctx: Context) -> int:
    """Block."""
    return ctx.attempt.number


@job()  # type: ignore[arg-type]
async def no_context() -> int:
    """Take nothing."""
    return 1


@job(timeout=5)  # type: ignore[arg-type]
async def timeout_in_seconds(ctx: Context) -> int:
    """Have a timeout that is a number."""
    return ctx.attempt.number


# enqueuing


async def results_have_the_jobs_type(client: Client, moment: datetime) -> None:
    handle = await client.enqueue(send, 7, "Hi", at=moment)
    assert_type(handle, Handle[Delivery])
    assert_type(await handle.result(within=seconds(5)), Delivery)
    assert_type(await client.enqueue(forget), Handle[None])
    assert_type(await client.enqueue_call(send.call(7, "Hi")), Handle[Delivery])
    assert_type(
        await client.enqueue_many(send.call(n, "Hi") for n in range(3)), list[Handle[Delivery]]
    )
    assert_type(client.run("id"), Handle[Any])


async def wrong_arguments_are_refused(client: Client, ctx: Context) -> None:
    await client.enqueue(send)  # type: ignore[call-arg]
    await client.enqueue(send, 7)  # type: ignore[call-arg]
    await client.enqueue(send, "7", "Hi")  # type: ignore[arg-type]
    await client.enqueue(send, 7, 8)  # type: ignore[arg-type]
    await client.enqueue(send, 7, None)  # type: ignore[arg-type]
    await client.enqueue(send, 7, "Hi", "now")  # type: ignore[call-arg, arg-type]
    await client.enqueue(send, 7, "Hi", at="now")  # type: ignore[arg-type]
    await client.enqueue(send, 7, "Hi", nope=1)  # type: ignore[call-arg]
    await client.enqueue(send, ctx, 7, "Hi")  # type: ignore[call-arg, arg-type]
    await client.enqueue(forget, 7)  # type: ignore[call-arg]
    await client.enqueue("send", 7, "Hi")  # type: ignore[arg-type]
    await client.enqueue(send.call(7, "Hi"))  # type: ignore[arg-type]
    await client.enqueue(send.function, 7, "Hi")  # type: ignore[arg-type]


async def a_transaction_takes_typed_calls(outbox: Outbox, session: AsyncSession) -> None:
    handle = await outbox.enqueue(session, send, 7, "Hi")
    assert_type(handle, Handle[Delivery])
    assert_type(await outbox.enqueue(session, send.call(7, "Hi")), Handle[Delivery])
    assert_type(await outbox.enqueue(session, forget), Handle[None])


async def a_transaction_refuses_wrong_calls(outbox: Outbox, session: AsyncSession) -> None:
    await outbox.enqueue(session, send)  # type: ignore[call-overload]
    await outbox.enqueue(session, send, "7", "Hi")  # type: ignore[call-overload]
    await outbox.enqueue(session, send, 7, "Hi", nope=1)  # type: ignore[call-arg]
    await outbox.enqueue(session, send.call(7, "Hi"), 7)  # type: ignore[call-overload]
    await outbox.enqueue(session, forget, 7)  # type: ignore[call-overload]
    await outbox.enqueue(session, "send", 7, "Hi")  # type: ignore[call-overload]
    await outbox.enqueue(session, send.function, 7, "Hi")  # type: ignore[call-overload]
    await outbox.enqueue(send, 7, "Hi")  # type: ignore[call-overload]


def wrong_calls_are_refused() -> None:
    send.call()  # type: ignore[call-arg]
    send.call("7", "Hi")  # type: ignore[arg-type]
    send.call(7, "Hi", nope=1)  # type: ignore[call-arg]
    forget.call(1)  # type: ignore[call-arg]
    schedule("* * * * *", send)  # type: ignore[arg-type]
    schedule("* * * * *", send.call(7))  # type: ignore[call-arg]


async def wrong_batches_are_refused(client: Client) -> None:
    await client.enqueue_many(send)  # type: ignore[arg-type]
    await client.enqueue_many([7])  # type: ignore[arg-type]
    await client.enqueue_call(send)  # type: ignore[arg-type]


def wrong_options_are_refused(moment: datetime) -> None:
    send.with_options(delay=5)  # type: ignore[arg-type]
    send.with_options(at="now")  # type: ignore[arg-type]
    send.with_options(id=7)  # type: ignore[arg-type]
    send.with_options(held="active")  # type: ignore[arg-type]
    send.with_options(nope=moment)  # type: ignore[call-arg]
    send.with_options(seconds(5))  # type: ignore[call-arg]


async def wrong_uses_of_a_result_are_refused(handle: Handle[Delivery]) -> None:
    delivery = await handle.result()
    assert_type(delivery.nope, Any)  # type: ignore[attr-defined]
    await handle.result(within=5)  # type: ignore[arg-type]
    handle.id = "other"  # type: ignore[misc]


async def a_job_called_here_needs_its_context(ctx: Context) -> None:
    await send(7, "Hi")  # type: ignore[call-arg, arg-type]
    await send("ctx", 7, "Hi")  # type: ignore[arg-type]
    await send(ctx, "7", "Hi")  # type: ignore[arg-type]


# a worker and its context


async def a_worker_runs_with_one_kind_of_context(worker: Worker[Context]) -> None:
    await worker.run(5)  # type: ignore[call-arg]


def a_job_keeps_the_kind_of_its_context() -> None:
    typed: Job[Context, [], None] = forget
    other: Job[int, [], None] = forget  # type: ignore[assignment]
    assert_type(typed.call(), Call[None])
    assert_type(other.call(), Call[None])


# once, and not again


async def read_number(text: str, *, base: int = 10) -> int:
    """A step."""
    return int(text, base)


async def a_step_is_typed_by_its_function(ctx: Context) -> None:
    assert_type(await ctx.attempt.step("a", read_number, "7"), int)
    assert_type(await ctx.attempt.step("b", read_number, "7", base=8), int)
    await ctx.attempt.step("c", read_number, 7)  # type: ignore[arg-type]
    await ctx.attempt.step("d", read_number)  # type: ignore[call-arg]


async def an_effect_is_typed_by_its_act(ctx: Context) -> None:
    assert_type(await ctx.attempt.once("a", read_number, "7"), int | None)
    await ctx.attempt.once("b", read_number, 7)  # type: ignore[arg-type]
    await ctx.attempt.once("c", read_number, "7", in_doubt="ask")  # type: ignore[arg-type]
