"""What Steward noticed is told where its user wants it, once, and not in their quiet hours."""

import json
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from app.context import Context
from app.engine import ManualClock, RetryLater, hours, minutes
from app.jobs.ai_upkeep import evaluate_events
from app.jobs.email import process_email_queue
from app.jobs.letters import send_letter
from app.jobs.notifications import herald_of, post, send_slack, send_webhook
from app.jobs.sms import send_sms
from app.jobs.sync import sync_calendar_events
from app.services.calendar.memory import MemoryCalendar
from app.services.mail.memory import MemoryMailbox, MemorySender
from app.services.notifications import Channel, DeliveryStatus, Topic
from app.services.notifications.herald import MOST_OF_MAIL
from app.services.notifications.memory import MemoryCarrier
from app.services.sms.memory import MemorySms
from app.storage.calendar import Calendars
from app.storage.notifications import Notices
from app.storage.users import User
from app.storage.ways import Way, Ways
from tests.jobs.ai_bench import notices
from tests.jobs.phones import NUMBER, other_run
from tests.jobs.test_ai_events import at
from tests.storage.test_calendar import event

ROOF = b"From: Eve <eve@example.org>\nSubject: URGENT: the roof\n\nHi"
PARTY = (
    b"From: Bob <bob@example.org>\nSubject: Party\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR"
)
SLACK = Way(channel=Channel.SLACK, address="https://hooks.example.org/T/B/x", notices=True)
HOOK = Way(channel=Channel.WEBHOOK, address="https://example.org/hook", secret="whsec_x")
PHONE = Way(channel=Channel.SMS, address=NUMBER, notices=True)
MAIL = Way(channel=Channel.EMAIL, notices=True)
TO_ALL = (PHONE, SLACK, replace(HOOK, notices=True), MAIL)


@dataclass
class Left:
    """The runs that bring what is to leave."""

    jobs: list[str]
    urgent: set[bool]


async def left(context: Context) -> Left:
    rows = await context.outbox.next(most=50)
    payloads = [context.client.codec.open_payload(each.run().payload) for each in rows]
    bring = {each.name: each for each in (send_sms, send_slack, send_webhook, send_letter)}
    given = [bring[each.f].signature.unpack(each.a, each.k)[1] for each in payloads]
    return Left([each.job for each in rows], {each["urgent"] for each in given})


async def chosen(context: Context, user: User, *ways: Way) -> User:
    await Ways(context.database).put(user.id, *ways)
    return user


async def soon(context: Context, user: User, away: timedelta) -> None:
    start = context.client.store.clock.now() + away
    stored = replace(event("dentist"), occurrences=(at(start, "Dentist"),))
    await Calendars(context.database).put(user.id, "source", [stored])


async def quiet(context: Context, user: User, lasts: timedelta) -> None:
    now = context.client.store.clock.now()
    quiet_hours = f"{now - hours(1):%H:%M}-{now + lasts:%H:%M}"
    await context.users.change(user.id, quiet_hours=quiet_hours)


async def test_without_a_choice_a_notice_is_told_in_the_application_alone(
    context: Context, owner: User
) -> None:
    await chosen(context, owner, *(replace(each, notices=False) for each in TO_ALL))

    told = await herald_of(context).tell(owner, "The roof", "It leaks.", key="k")

    assert [each.channel for each in told.delivered] == [Channel.IN_APP]
    assert (await left(context)).jobs == []


async def test_an_event_ahead_is_told_on_every_channel_that_was_chosen(
    context: Context, owner: User
) -> None:
    await chosen(context, owner, *TO_ALL)
    await soon(context, owner, minutes(30))

    first, again = [await evaluate_events(context) for _ in range(2)]

    assert first.channels == {
        "in_app delivered": 1,
        "email queued": 1,
        "sms queued": 1,
        "slack queued": 1,
        "webhook queued": 1,
    }
    assert (first.told, again.told, again.told_before) == (1, 0, 1)
    jobs = ["email.send_letter", "sms.send_sms"]
    jobs += ["notifications.send_slack", "notifications.send_webhook"]
    assert await left(context) == Left(jobs, {False})


async def test_told_again_a_notice_goes_only_where_it_is_still_missing(
    context: Context, owner: User
) -> None:
    await chosen(context, owner, SLACK)
    await herald_of(context).tell(owner, "The roof", "It leaks.", key="k")
    await chosen(context, owner, PHONE)

    told = await herald_of(context).tell(owner, "The roof", "It leaks.", key="k")

    assert (await left(context)).jobs == ["notifications.send_slack", "sms.send_sms"]
    assert [each.channel for each in told.parcels] == [Channel.SMS]
    assert len(await notices(context, owner)) == 1


@pytest.mark.parametrize("came", [ROOF, PARTY])
async def test_important_mail_and_invitations_are_told_but_not_by_mail(
    context: Context, owner: User, mailbox: MemoryMailbox, came: bytes
) -> None:
    await chosen(context, owner, *TO_ALL)
    mailbox.inbox["a"] = came

    done = await process_email_queue(context)

    assert done.notified == 1
    assert "email.send_letter" not in (await left(context)).jobs
    assert done.told == {
        "in_app delivered": 1,
        "sms queued": 1,
        "slack queued": 1,
        "webhook queued": 1,
    }


async def test_where_important_mail_is_told_can_be_chosen_by_itself(
    context: Context, owner: User, mailbox: MemoryMailbox
) -> None:
    await chosen(
        context,
        owner,
        replace(PHONE, notices=False, mail_notices=True),
        replace(SLACK, mail_notices=False),
        replace(MAIL, mail_notices=True),
    )
    mailbox.inbox["a"] = ROOF

    await process_email_queue(context)

    assert (await left(context)).jobs == ["email.send_letter", "sms.send_sms"]


async def test_a_notice_by_mail_brings_no_notice_of_itself(
    context: Context, owner: User, mailbox: MemoryMailbox, sender: MemorySender
) -> None:
    await chosen(context, owner, replace(MAIL, mail_notices=True))
    mailbox.inbox["a"] = ROOF.replace(b"eve@", b"urgent@")
    await process_email_queue(context)
    (letter,) = await context.outbox.next(most=9)
    payload = context.client.codec.open_payload(letter.run().payload)
    given, _ = send_letter.signature.unpack(payload.a, payload.k)
    await send_letter(context, *given)
    ((message_id, message),) = sender.sent.items()
    mailbox.inbox["b"] = (
        f"Message-ID: {message_id}\nFrom: Ann <ann@example.com>\nSubject: {message.subject}\n\nHi"
    ).encode()
    assert "urgent" in message.subject

    again = await process_email_queue(context)

    assert (again.filed, again.notified) == (1, 0)
    assert len(await context.outbox.next(most=9)) == 1


async def test_of_mail_no_more_than_a_few_notices_an_hour_leave(
    context: Context, owner: User, clock: ManualClock
) -> None:
    await chosen(context, owner, PHONE)
    herald = herald_of(context)

    for n in range(MOST_OF_MAIL + 2):
        await herald.tell(owner, "Important mail", "", key=f"{n}", topic=Topic.MAIL)

    assert len((await left(context)).jobs) == MOST_OF_MAIL
    assert len(await notices(context, owner)) == MOST_OF_MAIL + 2
    await herald.tell(owner, "The roof", "", key="roof")
    clock.advance(minutes(61))
    await herald.tell(owner, "Important mail", "", key="later", topic=Topic.MAIL)
    assert len((await left(context)).jobs) == MOST_OF_MAIL + 2


async def test_new_events_are_told_with_the_sync_that_stored_them(
    context: Context, owner: User, calendar: MemoryCalendar
) -> None:
    await chosen(context, owner, SLACK)
    calendar.held = {"cafe": "it is suddenly empty"}

    await sync_calendar_events(context)
    await sync_calendar_events(context)

    assert await left(context) == Left(["notifications.send_slack"], {False})


@pytest.mark.parametrize("job", [send_sms, send_slack, send_webhook, send_letter])
async def test_what_is_not_urgent_waits_for_the_end_of_quiet_hours(
    context: Context,
    owner: User,
    clock: ManualClock,
    carrier: MemoryCarrier,
    phones: MemorySms,
    sender: MemorySender,
    job: object,
) -> None:
    await chosen(context, owner, *TO_ALL)
    await quiet(context, owner, hours(2))

    async def bring(ctx: Context, *, urgent: bool = False) -> None:
        if job is send_letter:
            await send_letter(ctx, owner.id, "Hi", "Call Bob.", ctx.attempt.run_id, urgent=urgent)
        for each in (send_sms, send_slack, send_webhook):
            if job is each:
                await each(ctx, owner.id, json.dumps("Hi"), urgent=urgent)

    def sent() -> int:
        return len(carrier.sent) + len(phones.sent) + len(sender.sent)

    with pytest.raises(RetryLater, match="quiet hours until") as waits:
        await bring(context)
    assert sent() == 0
    await bring(other_run(context), urgent=True)
    assert sent() == 1
    clock.advance(waits.value.delay)
    await bring(context)

    assert sent() == 2


@pytest.mark.parametrize("job", [send_slack, send_webhook])
async def test_who_is_told_nothing_there_is_not_waited_for(
    context: Context, owner: User, job: object
) -> None:
    silent = [Way(channel=each, is_wanted=False) for each in (Channel.SLACK, Channel.WEBHOOK)]
    await chosen(context, owner, *silent)
    await quiet(context, owner, hours(2))

    bring = send_slack if job is send_slack else send_webhook
    assert (await bring(context, owner.id, "{}")).status is DeliveryStatus.DECLINED


async def test_a_reminder_is_urgent_and_what_an_older_release_wrote_is_too(
    context: Context, owner: User
) -> None:
    await chosen(context, owner, *TO_ALL)
    async with context.database.write() as session:
        told = await context.notifications.tell(
            session, owner, "Hi", "", channels=tuple(Channel), dedupe_key="k"
        )
        await post(context, session, told, urgent=True)

    assert (await left(context)).urgent == {True}
    for each in (send_slack, send_webhook, send_letter):
        assert each.version == 2


async def test_an_event_that_begins_in_quiet_hours_is_told_in_the_application_alone(
    context: Context, owner: User
) -> None:
    await chosen(context, owner, PHONE)
    await soon(context, owner, minutes(30))
    await quiet(context, owner, hours(1))

    assert (await evaluate_events(context)).channels == {"in_app delivered": 1}
    assert (await left(context)).jobs == []


async def test_one_that_begins_after_them_does_not_say_how_long_there_is(
    context: Context, owner: User
) -> None:
    await chosen(context, owner, PHONE)
    await soon(context, owner, minutes(90))
    await quiet(context, owner, minutes(45))

    await evaluate_events(context)

    (notice,) = await Notices(context.database).of(owner.id)
    assert notice.body.endswith(".")
    assert "minutes" not in notice.body
    assert (await left(context)).jobs == ["sms.send_sms"]
