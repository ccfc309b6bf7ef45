"""`send_daily_summary`: each user their day, once, at eight where they are."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.context import Context
from app.engine import ManualClock
from app.jobs.email import process_email_queue, send_daily_summary
from app.jobs.sync import sync_calendar_events
from app.services.calendar import MemoryCalendar
from app.services.daily_summary import SummaryStatus
from app.services.mail.errors import MailInDoubt, MailRefused, MailTrouble
from app.services.mail.memory import MemoryMailbox, MemorySender
from app.services.mail.message import Message
from app.services.mail.outbox import Outbox
from app.services.mail.sender import Receipt
from app.storage.outgoing_mail import MailStatus, OutgoingMails
from app.storage.users import User
from app.storage.ways import Channel, Way, Ways
from app.testing import next_try

ROOF = b"From: Eve <eve@example.org>\nSubject: URGENT: <b>the roof</b>\n\nHi"
NEWS = b"From: n@example.org\nSubject: News\nList-Id: <n.example.org>\n\nHi"

Go = Callable[[str], datetime]


@pytest.fixture
def go(clock: ManualClock) -> Go:
    """Moves the clock to a time of tomorrow, UTC: the day that the tests are about."""
    tomorrow = (clock.now() + timedelta(days=1)).date()

    def to(wall: str) -> datetime:
        hour, minute = map(int, wall.split(":"))
        moment = datetime.combine(tomorrow, datetime.min.time(), UTC)
        moment += timedelta(hours=hour, minutes=minute)
        clock.advance(moment - clock.now())
        return moment

    return to


@pytest.fixture
async def bob(context: Context, owner: User) -> User:
    del owner  # the first
    return await context.users.add(name="Bob", address="bob@example.org")


def to_whom(sender: MemorySender) -> list[str]:
    return sorted(to for message in sender.sent.values() for to in message.to)


class Picky(MemorySender):
    """Fails for one recipient, while `failing_for` names them."""

    failing_for: str = ""

    async def send(self, message: Message, *, message_id: str, date: datetime) -> Receipt:
        """Keep it, or raise `failing`."""
        if self.failing_for in message.to and self.failing is not None:
            raise self.failing
        kept, self.failing = self.failing, None
        try:
            return await super().send(message, message_id=message_id, date=date)
        finally:
            self.failing = kept


@pytest.fixture
def picky(context: Context, clock: ManualClock) -> tuple[Context, Picky]:
    sender = Picky()
    mail = replace(context.mail, outbox=Outbox(context.database, sender, now=clock.now))
    return replace(context, mail=mail), sender


async def test_each_active_user_gets_one_mail_after_eight(
    context: Context, owner: User, bob: User, sender: MemorySender, go: Go
) -> None:
    await context.users.add(name="Cy", address="cy@example.org", active=False)
    go("7:59")
    early = await send_daily_summary(context)
    go("8:00")
    at_eight = await send_daily_summary(context)
    go("8:15")
    later = await send_daily_summary(context)

    assert (early.sent, early.not_yet) == (0, 2)
    assert (at_eight.status, at_eight.sent) == (SummaryStatus.SUCCESS, 2)
    assert (later.sent, later.had_it) == (0, 2)
    assert to_whom(sender) == [owner.address, bob.address]


async def test_eight_is_what_the_users_own_clock_says(
    context: Context, owner: User, sender: MemorySender, go: Go
) -> None:
    tokyo = await context.users.add(
        name="Ai", address="ai@example.org", timezone="Asia/Tokyo"
    )  # at nine hours before UTC
    go("7:30")
    first = await send_daily_summary(context)
    go("8:30")
    second = await send_daily_summary(context)

    assert (first.sent, first.not_yet) == (1, 1)
    assert (second.sent, second.had_it) == (1, 1)
    assert to_whom(sender) == [tokyo.address, owner.address]


async def test_the_next_day_is_another_mail(
    context: Context, owner: User, sender: MemorySender, clock: ManualClock, go: Go
) -> None:
    go("8:00")
    await send_daily_summary(context)
    clock.advance(timedelta(days=1))

    assert (await send_daily_summary(context)).sent == 1
    assert to_whom(sender) == [owner.address] * 2


async def test_one_failing_user_keeps_no_other_from_theirs_and_alone_is_tried_again(
    picky: tuple[Context, Picky], owner: User, bob: User, go: Go
) -> None:
    context, sender = picky
    sender.failing_for, sender.failing = bob.address, MailTrouble("smtp: busy")
    go("8:00")

    first = await send_daily_summary(context)
    sender.failing = None
    second = await send_daily_summary(context)

    assert (first.status, first.sent, first.failed) == (SummaryStatus.PARTIAL_SUCCESS, 1, 1)
    assert first.errors == (f"user {bob.id}: smtp: busy",)
    assert (second.status, second.sent, second.had_it) == (SummaryStatus.SUCCESS, 1, 1)
    assert to_whom(sender) == [owner.address, bob.address]


async def test_when_nobodys_can_be_sent_it_is_an_error(
    context: Context, owner: User, sender: MemorySender, go: Go
) -> None:
    sender.failing = MailTrouble("smtp: no answer")
    go("8:00")

    with pytest.raises(MailTrouble, match="smtp: no answer"):
        await send_daily_summary(context)

    (mail,) = await OutgoingMails(context.database).of(owner.id)
    assert mail.accepted_at is None
    sender.failing = None
    retried = await send_daily_summary(next_try(context))
    assert (retried.sent, to_whom(sender)) == (1, [owner.address])


async def test_a_summary_that_was_refused_for_good_is_not_tried_all_day(
    picky: tuple[Context, Picky], owner: User, bob: User, go: Go
) -> None:
    context, sender = picky
    sender.failing_for, sender.failing = owner.address, MailRefused("smtp: refused: 550")
    go("8:00")
    await send_daily_summary(context)
    sender.failing = AssertionError("nothing may be sent")

    again = await send_daily_summary(context)

    assert (again.status, again.refused, again.had_it) == (SummaryStatus.SUCCESS, 1, 1)
    assert to_whom(sender) == [bob.address]


async def test_a_summary_in_doubt_is_an_error_once_a_day_and_goes_on_when_it_is_settled(
    context: Context, owner: User, clock: ManualClock, go: Go
) -> None:
    is_settled = False

    async def once(_key: str, _send: Callable[[], Awaitable[Receipt]], /) -> None:
        if not is_settled:
            raise MailInDoubt("unknown, needs review")

    outbox = Outbox(context.database, MemorySender(), now=clock.now, once=once)
    ctx = replace(context, mail=replace(context.mail, outbox=outbox))
    go("8:00")

    for _ in range(2):
        with pytest.raises(MailInDoubt):
            await send_daily_summary(ctx)
        for _ in range(3):
            clock.advance(timedelta(minutes=15))
            later = await send_daily_summary(ctx)
            assert (later.status, later.in_doubt, later.sent, later.failed) == (
                SummaryStatus.PARTIAL_SUCCESS,
                1,
                0,
                0,
            )
        clock.advance(timedelta(days=1))
    clock.advance(timedelta(days=-1))
    is_settled = True
    assert (await send_daily_summary(ctx)).sent == 1
    assert (await send_daily_summary(ctx)).had_it == 1
    (today, yesterday) = await OutgoingMails(context.database).of(owner.id)
    assert (today.status, yesterday.status) == (MailStatus.SENT, MailStatus.PENDING)


async def test_who_wants_no_mail_or_has_quiet_hours_gets_none(
    context: Context, owner: User, bob: User, sender: MemorySender, go: Go
) -> None:
    await context.users.add(name="Cy", address="cy@example.org", wants_mail=False)
    eve = await context.users.add(name="Eve", address="eve@example.org")
    await Ways(context.database).put(eve.id, Way(channel=Channel.EMAIL, is_wanted=False))
    await context.users.change(bob.id, quiet_hours="22:00-09:00")
    go("8:00")
    first = await send_daily_summary(context)
    go("9:00")
    second = await send_daily_summary(context)

    assert (first.sent, first.not_yet, first.unwanted) == (1, 1, 2)
    assert (second.sent, second.had_it, second.unwanted) == (1, 1, 2)
    assert to_whom(sender) == [owner.address, bob.address]


async def test_the_day_is_in_it_as_text_and_as_html(
    context: Context,
    owner: User,
    sender: MemorySender,
    mailbox: MemoryMailbox,
    calendar: MemoryCalendar,
    go: Go,
) -> None:
    day = go("7:00")
    mailbox.inbox |= {"a": ROOF, "b": NEWS}
    await process_email_queue(context)
    calendar.files = {"a.ics": EVENTS.replace("DAY", f"{day:%Y%m%d}")}
    assert (await sync_calendar_events(context)).new == 2
    await context.tasks.create_reminder(owner, "Call <Bob>", day.replace(hour=17))
    await context.tasks.create_reminder(owner, "Too late", day + timedelta(days=2))
    go("8:00")

    await send_daily_summary(context)

    (message,) = sender.sent.values()
    assert message.subject == f"Your day: {day:%A}, {day.day} {day:%B %Y} (2 events, 1 tasks)"
    for line in (
        "  - 10:00-11:00 Dentist (Main St)",
        "  - all day Ann's birthday",
        "  - 17:00 Call <Bob>",
        "New mail (2)",
        "  - important: 1",
        "  - newsletters: 1",
        "  - important: URGENT: <b>the roof</b> (eve@example.org)",
    ):
        assert f"{line}\n" in message.body + "\n"
    assert "Too late" not in message.body
    assert "<li>17:00 Call &lt;Bob&gt;</li>" in message.html
    assert "&lt;b&gt;the roof" in message.html
    assert "<b>" not in message.html


def test_a_summary_is_tried_four_times_ten_minutes_apart() -> None:
    retry = send_daily_summary.retry

    assert (retry.attempts, retry.wait(1, MailTrouble()).total_seconds()) == (4, 600)
    assert send_daily_summary.queue == "email"


EVENTS = """BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//test//EN\r
BEGIN:VEVENT\r
UID:1@x\r
DTSTAMP:DAYT000000Z\r
DTSTART:DAYT100000Z\r
DTEND:DAYT110000Z\r
SUMMARY:Dentist\r
LOCATION:Main St\r
END:VEVENT\r
BEGIN:VEVENT\r
UID:2@x\r
DTSTAMP:DAYT000000Z\r
DTSTART;VALUE=DATE:DAY\r
SUMMARY:Ann's birthday\r
END:VEVENT\r
END:VCALENDAR\r
"""
