"""What is written with a transaction: all of it or nothing, and only what can run."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import pytest
from msgspec import structs
from sqlalchemy.exc import OperationalError

from app.engine import (
    BadArguments,
    Client,
    Codec,
    Held,
    Job,
    ManualClock,
    TooLarge,
    UnknownJob,
    by_name,
    hours,
    job,
    seconds,
)
from app.engine.attempt import Attempt, current_attempt
from app.engine.doors.handle import Handle
from app.storage.database import Database
from app.storage.outbox import Outbox, Waiting
from app.storage.users import User, UserRow

LONG = seconds(20)


@job(name="tests.bill", queue="email")
async def bill(ctx: object, user_id: int, text: str = "") -> int:
    """Do nothing; nobody runs it."""
    del ctx, text
    return user_id


@job(name="tests.stray", queue="nowhere")
async def stray(ctx: object) -> None:
    """The same, on a queue nobody has declared."""
    del ctx


@pytest.fixture
def outbox(database: Database, client: Client, clock: ManualClock) -> Outbox:
    """One whose client knows the jobs and queues there are."""
    known = Client(client.store, client.codec, jobs=by_name([bill, stray]), queues=["email"])
    return Outbox(database, known, now=clock.now)


async def written(outbox: Outbox) -> list[Waiting]:
    return await outbox.next(most=100)


async def rename(database: Database, outbox: Outbox, *, fails: bool) -> Handle[int]:
    """Change a user and enqueue a run, in one transaction that may fail at its end."""
    async with database.write() as session:
        user = await session.get_one(UserRow, 1)
        user.name = "Bea"
        handle = await outbox.enqueue(session, bill, 1)
        if fails:
            raise RuntimeError("no")
    return handle


async def test_what_is_committed_is_there_with_its_run(
    database: Database, outbox: Outbox, owner: User, client: Client
) -> None:
    handle = await rename(database, outbox, fails=False)

    (waiting,) = await written(outbox)
    run = waiting.run()
    assert (waiting.run_id, waiting.job, waiting.queue) == (handle.id, "tests.bill", "email")
    assert (run.id, run.queue) == (handle.id, "email")
    assert client.codec.open_payload(run.payload).f == "tests.bill"
    async with database.read() as session:
        assert (await session.get_one(UserRow, owner.id)).name == "Bea"


@pytest.mark.usefixtures("owner")
async def test_of_what_is_rolled_back_nothing_is_there(database: Database, outbox: Outbox) -> None:
    with pytest.raises(RuntimeError):
        await rename(database, outbox, fails=True)

    assert await written(outbox) == []
    async with database.read() as session:
        assert (await session.get_one(UserRow, 1)).name == "Ann"


async def test_a_savepoint_takes_its_run_with_it(database: Database, outbox: Outbox) -> None:
    async with database.write() as session:
        kept = await outbox.enqueue(session, bill, 1)
        inner = await session.begin_nested()
        await outbox.enqueue(session, bill, 2)
        await inner.rollback()

    assert [each.run_id for each in await written(outbox)] == [kept.id]


async def test_runs_are_in_the_order_in_which_they_were_written(
    database: Database, outbox: Outbox
) -> None:
    ids = list[str]()
    for _ in range(3):
        async with database.write() as session:
            ids += [(await outbox.enqueue(session, bill.call(n))).id for n in range(5)]

    assert [each.run_id for each in await written(outbox)] == ids
    assert [each.run_id for each in await outbox.next(most=4)] == ids[:4]


async def test_a_call_that_can_never_run_is_refused_and_the_transaction_goes_on(
    database: Database, outbox: Outbox
) -> None:
    untyped: Any = outbox
    wrong: list[tuple[type[Exception], tuple[Any, ...]]] = [
        (BadArguments, (bill,)),
        (BadArguments, (bill, "seven")),
        (BadArguments, (bill, 1, 2)),
        (BadArguments, (bill.call(1), 2)),
        (BadArguments, (bill.call(1, text=7),)),  # type: ignore[arg-type]
        (BadArguments, (stray,)),
        (BadArguments, (bill.with_options(key="k", debounce=seconds(5)), 1)),
        (TooLarge, (bill, 1, "x" * 300_000)),
        (UnknownJob, (bill.function, 1)),
        (UnknownJob, ("tests.bill", 1)),
        (UnknownJob, (stranger(), 1)),
    ]

    async with database.write() as session:
        for kind, call in wrong:
            with pytest.raises(kind):
                await untyped.enqueue(session, *call)
        handle = await outbox.enqueue(session, bill, 1)

    assert [each.run_id for each in await written(outbox)] == [handle.id]


def stranger() -> Job[object, [int], None]:
    @job(name="tests.stranger", queue="email")
    async def unregistered(ctx: object, number: int) -> None:
        del ctx, number

    return unregistered


async def test_a_session_that_only_reads_is_no_place_for_it(
    database: Database, outbox: Outbox
) -> None:
    async with database.read() as session:
        with pytest.raises(OperationalError, match=r"read-?only"):
            await outbox.enqueue(session, bill, 1)


async def test_a_delay_begins_when_it_is_written_and_all_options_are_kept(
    database: Database, outbox: Outbox, clock: ManualClock
) -> None:
    moment = clock.now() + hours(5)
    async with database.write() as session:
        for each in (
            bill.with_options(delay=hours(2), key="k", held=Held.QUEUED),
            bill.with_options(at=moment, id="chosen", key="k", held=seconds(90)),
            bill,
        ):
            await outbox.enqueue(session, each, 1)
    begun = clock.now()

    delayed, timed, plain = [each.run() for each in await written(outbox)]

    assert delayed.at_ms is not None
    assert delayed.at_ms == pytest.approx((begun + hours(2)).timestamp() * 1000, abs=20_000)
    assert (delayed.delay_ms, delayed.key, delayed.held) == (0, "k", Held.QUEUED)
    assert (timed.id, timed.is_named, timed.held) == ("chosen", True, timedelta(seconds=90))
    assert timed.at_ms == round(moment.timestamp() * 1000)
    assert (plain.at_ms, plain.delay_ms, plain.key, plain.held) == (None, 0, "", Held.ACTIVE)


async def test_what_a_run_writes_names_it_as_parent_and_keeps_owner_and_trace(
    database: Database, outbox: Outbox, attempt: Attempt, codec: Codec
) -> None:
    parent = structs.replace(attempt, owner="7", trace="00-abc-def-01")
    token = current_attempt.set(parent)
    async with database.write() as session:
        await outbox.enqueue(session, bill, 1)
    current_attempt.reset(token)

    (waiting,) = await written(outbox)
    payload = codec.open_payload(waiting.run().payload)
    assert (payload.p, payload.u, payload.tp) == (attempt.run_id, "7", "00-abc-def-01")


async def test_a_commit_wakes_whoever_waits_for_it(database: Database, outbox: Outbox) -> None:
    woken = anyio.Event()

    async def wait() -> None:
        await outbox.written(within=LONG)
        woken.set()

    with anyio.fail_after(LONG.total_seconds() / 2):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            async with database.write() as session:
                await outbox.enqueue(session, bill, 1)
                async with session.begin_nested():
                    await outbox.enqueue(session, bill, 2)
            await woken.wait()

    assert len(await written(outbox)) == 2


async def test_a_run_that_is_put_off_waits_longer_each_time_and_tells_why(
    database: Database, client: Client, clock: ManualClock
) -> None:
    now = clock.now()
    outbox = Outbox(database, client, now=lambda: now)
    async with database.write() as session:
        await outbox.enqueue(session, bill, 1)
        await outbox.enqueue(session, bill, 2)
    pauses = list[int]()
    for _ in range(8):
        first, *_ = await written(outbox)
        await outbox.put_off(first, "nobody has its queue" + "!" * 1000)
        assert len(await written(outbox)) == 1
        pauses.append(0)
        while len(await written(outbox)) == 1:
            now += seconds(1)
            pauses[-1] += 1

    standing = await outbox.standing()
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert (standing.waiting, standing.troubled) == (2, 1)
    assert standing.oldest is not None
    assert standing.job == "tests.bill"
    assert standing.trouble.startswith("nobody has its queue!")
    assert len(standing.trouble) == 500


async def test_deleting_what_was_brought_is_safe_to_repeat(
    database: Database, outbox: Outbox
) -> None:
    async with database.write() as session:
        for number in range(3):
            await outbox.enqueue(session, bill, number)
    first, *others = await written(outbox)

    for _ in range(2):
        await outbox.brought([first.mark])

    assert await written(outbox) == others
    assert (await outbox.standing()).waiting == 2


async def test_bytes_that_are_no_run_say_so(database: Database, outbox: Outbox) -> None:
    async with database.write() as session:
        await outbox.enqueue(session, bill, 1)
    (waiting,) = await written(outbox)

    for kept in (
        b"",
        b"\xc1",
        b"\x80",
        waiting.kept[:-1],
        waiting.kept.replace(b"active", b"actixe"),
    ):
        with pytest.raises(ValueError, match="no run that was written down"):
            replace(waiting, kept=kept).run()


async def test_the_result_of_a_run_that_is_not_enqueued_yet_is_waited_for(
    database: Database, outbox: Outbox
) -> None:
    async with database.write() as session:
        handle = await outbox.enqueue(session, bill, 1)

    with pytest.raises(TimeoutError):
        await handle.result(within=seconds(0.05))
