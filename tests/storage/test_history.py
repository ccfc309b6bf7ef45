"""The past: what goes once it is long over, at exactly which moment, and what stays."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.engine import Ending, days
from app.storage.base import Base
from app.storage.database import Database
from app.storage.health import HealthCheckRow
from app.storage.history import PASTS, History
from app.storage.incoming_mail import IncomingMailRow
from app.storage.notifications import NoticeRow
from app.storage.outgoing_mail import MailStatus, OutgoingMailRow
from app.storage.outgoing_posts import OutgoingPostRow, PostStatus
from app.storage.outgoing_sms import OVER, OutgoingSmsRow, SmsStatus
from app.storage.position import GapRow
from app.storage.runs import RunRow, Runs
from app.storage.users import Users
from app.storage.ways import Channel
from tests.storage.still_clock import TICK, StillClock

KEEP = days(90)


@pytest.fixture
def still() -> StillClock:
    return StillClock()


@pytest.fixture
def history(database: Database, still: StillClock) -> History:
    return History(database, keep=KEEP, now=still.now)


def run(number: int, ended_at: datetime, status: Ending = Ending.SUCCEEDED) -> RunRow:
    return RunRow(
        id=f"run-{number}",
        enqueued_at=ended_at,
        job="test.job",
        queue="ai",
        status=status,
        attempts=1,
        started_at=ended_at,
        ended_at=ended_at,
        worker="w",
        owner="",
        parent="",
        error_kind="",
        error_message="",
    )


async def add(database: Database, *rows: object) -> None:
    async with database.write() as session:
        session.add_all(rows)


async def left(database: Database) -> set[str]:
    return {each.id for each in await Runs(database).list(limit=10_000)}


async def test_a_run_is_forgotten_when_it_is_older_than_it_is_kept_and_not_before(
    history: History, database: Database, still: StillClock
) -> None:
    edge = still.now() - KEEP
    await add(database, run(1, edge - TICK), run(2, edge), run(3, still.now()))

    dry = await history.prune(dry_run=True)
    assert len(await left(database)) == 3
    real = await history.prune()

    assert (dry.removed, real.removed, real.tables["runs"]) == (1, 1, 1)
    assert await left(database) == {"run-2", "run-3"}
    assert (await history.prune()).removed == 0


async def test_a_run_that_is_not_over_is_not_forgotten(
    history: History, database: Database, still: StillClock
) -> None:
    old = still.now() - 2 * KEEP
    rows = [run(number, old, each) for number, each in enumerate(Ending)]
    await add(database, *rows)

    pruned = await history.prune()

    over = {Ending.SUCCEEDED, Ending.CANCELLED, Ending.DEAD}
    assert pruned.removed == len(over)
    assert {each.status for each in await Runs(database).list()} == set(Ending) - over


async def test_every_table_that_tells_of_a_past_is_pruned(
    history: History, database: Database, still: StillClock
) -> None:
    old = still.now() - KEEP - TICK
    for at in (old, old + timedelta(hours=1)):
        await add(
            database,
            HealthCheckRow(checked_at=at, overall="healthy", report={}),
            GapRow(epoch=1, missed=1, since=None, until=at),
        )

    pruned = await history.prune()

    assert pruned.tables.keys() == {each.name for each in PASTS}
    assert (pruned.tables["health_checks"], pruned.tables["history_gaps"]) == (1, 1)
    assert pruned.removed == 2


def told(number: int, at: datetime, key: str = "") -> NoticeRow:
    key = key or f"key-{number}"
    return NoticeRow(id=number, user_id=1, dedupe_key=key, title="t", body="b", created_at=at)


def mail(status: MailStatus, at: datetime, accepted_at: datetime | None = None) -> OutgoingMailRow:
    name = f"{status}-{at}-{accepted_at}"
    return OutgoingMailRow(
        key=name,
        user_id=1,
        message_id=name,
        recipients="ann@example.org",
        subject="s",
        status=status,
        created_at=at,
        accepted_at=accepted_at,
        detail="",
    )


def sms(status: SmsStatus, at: datetime, next_at: datetime | None = None) -> OutgoingSmsRow:
    return OutgoingSmsRow(
        key=f"{status}-{at}-{next_at}",
        user_id=1,
        recipient="+49",
        text="",
        status=status,
        attempts=1,
        next_at=next_at,
        provider_id="",
        code=None,
        detail="",
        created_at=at,
    )


def post(status: PostStatus, at: datetime) -> OutgoingPostRow:
    return OutgoingPostRow(
        key=f"{status}-{at}",
        user_id=1,
        channel=Channel.SLACK,
        status=status,
        detail="",
        created_at=at,
        settled_at=None if status is PostStatus.PENDING else at,
    )


def filed(at: datetime) -> IncomingMailRow:
    return IncomingMailRow(
        key=f"{at}",
        user_id=1,
        message_id="",
        sender="",
        subject="",
        category="personal",
        reason="",
        filed_at=at,
    )


async def rows(database: Database, kind: type[Base]) -> list[Any]:
    async with database.read() as session:
        return [*await session.scalars(select(kind))]


@pytest.fixture
async def user(database: Database) -> int:
    ann = await Users(database).ensure_owner(name="A", address="a@example.org", timezone="UTC")
    return ann.id


@pytest.mark.usefixtures("user")
async def test_a_notice_goes_when_it_is_older_than_it_is_kept_but_not_that_of_what_lasts(
    history: History, database: Database, still: StillClock
) -> None:
    edge = still.now() - KEEP
    lasts = [f"{each}:x" for each in ("landslide", "preferences", "refused")]
    await add(
        database,
        told(1, edge - TICK),
        told(2, edge),
        *(told(number, edge - TICK, key) for number, key in enumerate(lasts, 3)),
    )

    dry = await history.prune(dry_run=True)
    assert len(await rows(database, NoticeRow)) == 5
    real = await history.prune()

    assert (dry.tables["notices"], real.tables["notices"]) == (1, 1)
    assert {each.id for each in await rows(database, NoticeRow)} == {2, 3, 4, 5}


@pytest.mark.usefixtures("user")
async def test_a_message_goes_a_year_after_its_end_and_never_before_that(
    history: History, database: Database, still: StillClock
) -> None:
    edge = still.now() - days(365)
    old = edge - TICK
    going = [
        mail(MailStatus.SENT, old - KEEP, old),
        mail(MailStatus.REFUSED, old),
        *(sms(each, old) for each in (*OVER, SmsStatus.ACCEPTED)),
        *(post(each, old) for each in (PostStatus.SENT, PostStatus.FAILED)),
        filed(old),
    ]
    staying = [
        mail(MailStatus.SENT, old, edge),
        mail(MailStatus.PENDING, old),
        *(sms(each, old) for each in set(SmsStatus) - {*OVER, SmsStatus.ACCEPTED}),
        sms(SmsStatus.ACCEPTED, old, still.now()),
        sms(SmsStatus.DELIVERED, edge),
        *(post(each, old) for each in (PostStatus.PENDING, PostStatus.UNKNOWN)),
        post(PostStatus.SENT, edge),
        filed(edge),
    ]
    await add(database, *going, *staying)

    dry = await history.prune(dry_run=True)
    real = await history.prune()

    assert dry.removed == real.removed == len(going)
    kinds = (OutgoingMailRow, OutgoingSmsRow, OutgoingPostRow, IncomingMailRow)
    assert sum([len(await rows(database, each)) for each in kinds]) == len(staying)


@pytest.mark.usefixtures("user")
async def test_a_span_of_zero_is_for_ever(database: Database, still: StillClock) -> None:
    old = still.now() - 100 * KEEP
    await add(database, told(1, old), filed(old))
    never = History(database, keep_notices=timedelta(0), keep_messages=timedelta(0), now=still.now)

    assert (await never.prune()).removed == 0


async def test_many_rows_go_in_several_transactions(
    history: History, database: Database, still: StillClock
) -> None:
    old = still.now() - 2 * KEEP
    await add(database, *(run(number, old) for number in range(4_500)), run(9_999, still.now()))

    assert (await history.prune()).removed == 4_500
    assert await left(database) == {"run-9999"}
