"""Events that begin soon: those that matter are told, once, to their own user."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.context import Context
from app.engine import ManualClock, hours, minutes
from app.jobs.ai_upkeep import evaluate_events
from app.services.events_ahead import EventsEvaluated, Judgement, Reason, judge
from app.storage.calendar import Calendars
from app.storage.calendar_event import StoredOccurrence
from app.storage.users import User
from tests.jobs.ai_bench import notices
from tests.storage.test_calendar import event

MOMENT = timedelta(microseconds=1)


def at(start: datetime, title: str, *, place: str = "", all_day: bool = False) -> StoredOccurrence:
    return StoredOccurrence(
        starts_at=start, ends_at=start + hours(1), all_day=all_day, title=title, place=place
    )


async def stored(context: Context, user: User, *times: StoredOccurrence) -> None:
    """Put events into the user's calendar, as a sync would."""
    events = [
        replace(event(f"{user.id}-{n}"), title=each.title, occurrences=(each,))
        for n, each in enumerate(times)
    ]
    await Calendars(context.database).put(user.id, f"source-{user.id}", events)


async def test_events_that_matter_are_told_once_in_their_users_time(
    context: Context, owner: User, clock: ManualClock
) -> None:
    soon = clock.now() + minutes(80)
    await stored(
        context,
        owner,
        at(soon, "Dentist", place="Main St. 1"),
        at(soon, "Lunch"),
        at(soon, "Holiday", all_day=True),
        at(clock.now() - minutes(5), "Standup"),
        at(clock.now() + hours(3), "Dinner"),
    )

    first, again = [await evaluate_events(context) for _ in range(2)]

    (notice,) = await notices(context, owner)
    channels = {"in_app delivered": 1}
    assert first == EventsEvaluated(found=4, told=1, skipped=3, channels=channels)
    assert again == EventsEvaluated(found=4, told_before=1, skipped=3)
    assert notice.title == "Soon: Dentist"
    assert notice.body == f"At {soon:%H:%M}, in 80 minutes.\nWhere: Main St. 1"


async def test_an_event_is_told_to_its_own_user_and_again_when_it_moves(
    context: Context, owner: User, clock: ManualClock
) -> None:
    bob = await context.users.add(name="Bob", address="bob@example.org", timezone="Asia/Kathmandu")
    soon = clock.now() + minutes(30)
    await stored(context, bob, at(soon, "Review"))
    await evaluate_events(context)
    moved = at(soon + minutes(30), "Review")
    await Calendars(context.database).put(
        bob.id, f"source-{bob.id}", [replace(event(f"{bob.id}-0", "2"), occurrences=(moved,))]
    )

    summary = await evaluate_events(context)

    assert summary.told == 1
    assert await notices(context, owner) == []
    assert len(told := await notices(context, bob)) == 2
    local = soon + timedelta(hours=5, minutes=45)
    assert f"At {local:%H:%M}, in 30 minutes." in [each.body for each in told]


async def test_two_events_of_one_name_at_one_time_are_told_each_and_a_renamed_one_once(
    context: Context, owner: User, clock: ManualClock
) -> None:
    soon = clock.now() + minutes(30)
    await stored(context, owner, at(soon, "Review"), at(soon, "Review"))
    both = await evaluate_events(context)
    renamed = replace(event(f"{owner.id}-0", "2"), occurrences=(at(soon, "The review"),))
    same = replace(event(f"{owner.id}-1"), occurrences=(at(soon, "Review"),))
    calendars = Calendars(context.database)
    await calendars.put(owner.id, f"source-{owner.id}", [renamed])
    await calendars.put(owner.id, "another calendar with the second", [same])

    again = await evaluate_events(context)

    assert both.told == 2
    assert (again.found, again.told, again.told_before) == (3, 0, 3)
    assert len(await notices(context, owner)) == 2


@pytest.mark.parametrize(
    ("title", "away", "place", "all_day", "judgement"),
    [
        ("Call Ann", minutes(5), "", False, Judgement(True, Reason.WEIGHTY)),
        ("Busy: call", minutes(5), "", False, Judgement(True, Reason.WEIGHTY)),
        ("Walk", minutes(5), "the park", False, Judgement(True, Reason.PLACE)),
        ("Walk", minutes(5), " ", False, Judgement(True, Reason.TIMED)),
        ("FOCUS time", minutes(5), "", False, Judgement(False, Reason.FILLER)),
        ("Call Ann", minutes(0), "", False, Judgement(False, Reason.BEGUN)),
        ("Call Ann", MOMENT, "", False, Judgement(True, Reason.WEIGHTY)),
        ("Call Ann", minutes(5), "", True, Judgement(False, Reason.ALL_DAY)),
    ],
)
def test_the_rules_give_a_reason(
    clock: ManualClock,
    title: str,
    away: timedelta,
    place: str,
    all_day: bool,
    judgement: Judgement,
) -> None:
    now = clock.now()

    assert judge(at(now + away, title, place=place, all_day=all_day), now) == judgement
