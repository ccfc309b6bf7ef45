"""The history of syncs: what is known of each, and of those that died."""

from app.engine import ManualClock, days, seconds
from app.storage.database import Database
from app.storage.history import History
from app.storage.sync_history import SyncCounts, SyncHistory, SyncOutcome
from app.storage.users import User


async def test_a_sync_is_known_with_its_times_counts_and_outcome(
    database: Database, owner: User, clock: ManualClock
) -> None:
    history = SyncHistory(database, "calendar", now=clock.now)

    number = await history.begin("folder", user_id=owner.id)
    clock.advance(seconds(3))
    await history.end(
        number, SyncOutcome.PARTIAL_SUCCESS, SyncCounts(new=2, failed=1), ["one is bad"]
    )

    (past,) = await history.latest()
    assert (past.user_id, past.kind, past.source) == (owner.id, "calendar", "folder")
    assert past.ended_at
    assert past.ended_at - past.started_at >= seconds(3)
    assert (past.outcome, past.errors) == (SyncOutcome.PARTIAL_SUCCESS, ("one is bad",))
    assert past.counts == SyncCounts(new=2, failed=1)


async def test_one_that_died_is_found_by_the_next_of_its_source(database: Database) -> None:
    history = SyncHistory(database, "notes")
    await history.begin("notion")
    await history.begin("another")

    await history.begin("notion")

    latest, other, died = await history.latest()
    assert (latest.outcome, died.outcome) == (SyncOutcome.RUNNING, SyncOutcome.INTERRUPTED)
    assert (other.source, other.outcome) == ("another", SyncOutcome.RUNNING)


async def test_kinds_are_apart(database: Database) -> None:
    await SyncHistory(database, "mail").begin("imap")

    assert await SyncHistory(database, "notes").latest() == ()


async def test_what_is_old_stays_as_long_as_the_settings_say(
    database: Database, clock: ManualClock
) -> None:
    syncs = SyncHistory(database, "mail", now=clock.now)
    await syncs.begin("imap")
    clock.advance(days(365))
    await syncs.begin("imap")

    kept = await History(database, keep=days(366), now=clock.now).prune()
    gone = await History(database, keep=days(364), now=clock.now).prune()

    assert (kept.removed, gone.removed) == (0, 1)
    assert [past.outcome for past in await syncs.latest()] == [SyncOutcome.RUNNING]
