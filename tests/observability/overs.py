"""Outcomes as a worker's listeners hear them, made up."""

from typing import Any

import msgspec

from app.engine import Job, Over, job
from app.engine.envelope import Payload
from app.engine.outcome import Outcome
from app.engine.run import Claimed


@job(queue="email", name="tests.write")
async def write(ctx: object, to: str, words: str = "") -> None:
    """Do nothing; nobody will run it."""
    del ctx, to, words


def over(
    outcome: Outcome,
    *,
    job: Job[Any, ..., Any] | None = write,
    run_id: str = "run-1",
    attempt: int = 1,
    uncharged: int = 0,
    enqueued: int = 1_000,
    due: int = 0,
    started: int = 1_500,
    took: int = 250,
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
) -> Over:
    """An attempt that is over; its moments are in ms."""
    payload = Payload(
        f=job.name if job else "made.up",
        a=msgspec.Raw(msgspec.msgpack.encode(args)),
        k=msgspec.Raw(msgspec.msgpack.encode(kwargs or {})),
        et=enqueued,
        sf=due,
        id=run_id,
    )
    run = Claimed(
        id=run_id, queue="email", payload=None, worker="w1", attempt=attempt, uncharged=uncharged
    )
    return Over(
        run=run,
        payload=payload,
        job=job,
        outcome=outcome,
        started_ms=started,
        ended_ms=started + took,
    )
