from dataclasses import replace
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from app.storage.calendar import Calendars
from app.storage.calendar_event import Changes, SourceState, StoredEvent, StoredOccurrence
from app.storage.database import Database
from app.storage.users import User, Users

START = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
STATE = SourceState(etag='"1"', last_modified="then", digest="d", view="v")


@pytest.fixture
def calendars(database: Database) -> Calendars:
    return Calendars(database)


@pytest.fixture
async def ann(database: Database) -> User:
    return await Users(database).add(name="Ann", address="ann@example.org")


def occurrence(start: datetime, title: str = "walk") -> StoredOccurrence:
    return StoredOccurrence(
        starts_at=start, ends_at=start + HOUR, all_day=False, title=title, place=""
    )


def event(uid: str = "a", digest: str = "1", times: int = 1) -> StoredEvent:
    return StoredEvent(
        uid=uid,
        title=uid,
        place="",
        notes="",
        starts_at=START,
        ends_at=START + HOUR,
        all_day=False,
        zone="UTC",
        rule="",
        is_cancelled=False,
        sequence=0,
        digest=digest,
        occurrences=tuple(occurrence(START + n * 24 * HOUR, uid) for n in range(times)),
    )


async def shown(calendars: Calendars, user: User) -> list[str]:
    found = await calendars.between(user.id, START, START + timedelta(days=365))
    return [each.title for each in found]


async def test_events_are_new_then_unchanged_then_updated(calendars: Calendars, ann: User) -> None:
    assert await calendars.put(ann.id, "home", [event("a"), event("b")]) == Changes(new=2)
    assert await calendars.put(ann.id, "home", [event("a"), event("b")]) == Changes(unchanged=2)
    changed = [event("a", digest="2", times=3), event("b")]
    assert await calendars.put(ann.id, "home", changed) == Changes(updated=1, unchanged=1)
    assert await shown(calendars, ann) == ["a", "b", "a", "a"]


async def test_occurrences_may_move_on_without_a_change_of_the_event(
    calendars: Calendars, ann: User
) -> None:
    await calendars.put(ann.id, "home", [event(times=1)])

    assert await calendars.put(ann.id, "home", [event(times=2)]) == Changes(unchanged=1)
    assert await shown(calendars, ann) == ["a", "a"]


async def test_a_source_is_read_when_its_state_is_stored_and_not_before(
    calendars: Calendars, ann: User
) -> None:
    assert await calendars.state(ann.id, "home") == SourceState()
    await calendars.put(ann.id, "home", [event()])
    await calendars.finish(ann.id, "home", STATE, only=None)
    assert await calendars.state(ann.id, "home") == STATE

    await calendars.put(ann.id, "home", [event(digest="2")])

    assert await calendars.state(ann.id, "home") == SourceState()


async def test_what_a_source_no_longer_has_is_deleted(calendars: Calendars, ann: User) -> None:
    await calendars.put(ann.id, "home", [event("a"), event("b")])

    assert await calendars.finish(ann.id, "home", STATE, only={"b"}) == 1
    assert await shown(calendars, ann) == ["b"]
    assert await calendars.count(ann.id, "home") == 1


async def test_nothing_is_deleted_when_it_is_not_known_what_is_gone(
    calendars: Calendars, ann: User
) -> None:
    await calendars.put(ann.id, "home", [event("a"), event("b")])

    assert await calendars.finish(ann.id, "home", STATE, only=None) == 0
    assert await calendars.count(ann.id, "home") == 2


async def test_two_syncs_at_once_leave_each_event_once(calendars: Calendars, ann: User) -> None:
    events = [event(f"e{n}") for n in range(500)]
    counted: list[Changes] = []

    async def sync() -> None:
        counted.append(await calendars.put(ann.id, "home", events))

    async with anyio.create_task_group() as group:
        group.start_soon(sync)
        group.start_soon(sync)

    assert await calendars.count(ann.id, "home") == 500
    assert sum(each.new for each in counted) == 500
    assert len(await shown(calendars, ann)) == 500


async def test_other_sources_are_forgotten_with_their_events(
    calendars: Calendars, ann: User
) -> None:
    for source in ("home", "work"):
        await calendars.put(ann.id, source, [event()])

    assert await calendars.drop_others(ann.id, ["home"]) == 1
    assert await shown(calendars, ann) == ["a"]
    assert await calendars.drop_others(ann.id, []) == 1


async def test_users_do_not_see_or_touch_each_others_events(
    calendars: Calendars, database: Database, ann: User
) -> None:
    bob = await Users(database).add(name="Bob", address="bob@example.org")
    await calendars.put(ann.id, "home", [event()])
    await calendars.put(bob.id, "home", [event()])

    await calendars.drop_others(bob.id, [])

    assert (await shown(calendars, ann), await shown(calendars, bob)) == (["a"], [])


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [
        (START - HOUR, START, 0),
        (START - HOUR, START + timedelta(seconds=1), 1),
        (START + HOUR / 2, START + HOUR, 1),
        (START + HOUR - timedelta(seconds=1), START + 2 * HOUR, 1),
        (START + HOUR, START + 2 * HOUR, 0),
    ],
)
async def test_what_overlaps_a_span_is_found(
    calendars: Calendars, ann: User, start: datetime, end: datetime, count: int
) -> None:
    await calendars.put(ann.id, "home", [event()])

    assert len(await calendars.between(ann.id, start, end)) == count


async def test_a_cancelled_event_is_kept_and_does_not_happen(
    calendars: Calendars, ann: User
) -> None:
    await calendars.put(ann.id, "home", [event()])
    cancelled = replace(event(digest="2"), is_cancelled=True, occurrences=())

    assert await calendars.put(ann.id, "home", [cancelled]) == Changes(updated=1)
    assert await shown(calendars, ann) == []
    assert await calendars.count(ann.id, "home") == 1
