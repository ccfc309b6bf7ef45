from dataclasses import replace
from datetime import timedelta

import pytest
from arq.connections import RedisSettings
from msgspec import structs

from app.context import Context, Services
from app.engine import Fixed, ManualClock, RetryLater, RunStatus, minutes, seconds
from app.engine.retry import is_permanent
from app.jobs import JOBS
from app.jobs.email import process_email_queue, send_notification
from app.jobs.letters import Delivery, post, send_letter
from app.services.mail.errors import MailRefused, MailTrouble
from app.services.mail.mail_sorted import SortStatus
from app.services.mail.memory import MemoryMailbox, MemorySender
from app.services.mail.rules import Category
from app.services.notifications import Letter
from app.storage.notifications import Notices
from app.storage.outgoing_mail import MailStatus, OutgoingMails
from app.storage.users import UnknownUser, User
from app.storage.ways import Channel, Way, Ways
from app.testing import next_try
from tests.eventually import eventually
from tests.jobs.working import working

LUNCH = b"From: Bob <bob@example.org>\nSubject: Lunch\n\nHi"
ROOF = b"From: Eve <eve@example.org>\nSubject: URGENT: the roof\n\nHi"


async def test_a_user_is_mailed_once_it_is_accepted(
    context: Context, owner: User, sender: MemorySender
) -> None:
    delivery = await send_notification(context, owner.id, "Hi", "Call Bob.")

    ((message_id, message),) = sender.sent.items()
    assert (message.to, message.subject, message.body) == ((owner.address,), "Hi", "Call Bob.")
    assert (delivery.sent, delivery.message_id) == (True, message_id)
    assert delivery.accepted_at is not None


async def test_a_mail_that_no_server_took_is_not_called_sent(
    context: Context, owner: User, sender: MemorySender
) -> None:
    sender.kept_in = "mail/outbox"

    delivery = await send_notification(context, owner.id, "Hi", "Call Bob.")

    assert (delivery.sent, delivery.accepted_at) == (False, None)
    assert delivery.reason == "no mail server is set, so it is kept in mail/outbox"
    assert [*sender.sent] == [delivery.message_id]


async def test_a_repeat_of_the_run_is_the_same_mail(
    context: Context, owner: User, sender: MemorySender
) -> None:
    first = await send_notification(context, owner.id, "Hi", "Call Bob.")
    sender.failing = AssertionError("nothing may be sent")

    assert await send_notification(context, owner.id, "Hi", "Call Bob.") == first


async def test_another_run_is_another_mail(
    context: Context, owner: User, sender: MemorySender
) -> None:
    again = replace(context, attempt=structs.replace(context.attempt, run_id="run-2"))

    for each in (context, again):
        await send_notification(each, owner.id, "Hi", "Call Bob.")

    assert len(sender.sent) == 2


async def test_a_letter_is_sent_once_under_its_key(
    context: Context, owner: User, sender: MemorySender
) -> None:
    first = await send_letter(context, owner.id, "Hi", "Call Bob.", "key")
    elsewhere = replace(context, attempt=structs.replace(context.attempt, run_id="run-2"))

    again = await send_letter(elsewhere, owner.id, "Hi", "Call Bob.", "key")

    ((message_id, message),) = sender.sent.items()
    assert (message.to, message.subject, message.body) == ((owner.address,), "Hi", "Call Bob.")
    assert first == again
    assert (first.sent, first.message_id) == (True, message_id)


async def test_a_letter_to_a_user_who_wants_no_mail_any_more_is_not_sent(
    context: Context, sender: MemorySender
) -> None:
    bob = await context.users.add(name="Bob", address="bob@example.org", wants_mail=False)

    delivery = await send_letter(context, bob.id, "Hi", "Call Ann.", "key")

    assert delivery == Delivery(sent=False, reason="the user wants no mail")
    assert sender.sent == {}


async def test_a_letter_goes_out_with_the_transaction_that_wrote_it(
    context: Context, owner: User
) -> None:
    letter = Letter(user_id=owner.id, subject="Hi", body="Call Bob.", key="key")

    async def write(*, fails: bool) -> None:
        async with context.database.write() as session:
            await post(context, session, letter)
            if fails:
                raise RuntimeError

    with pytest.raises(RuntimeError):
        await write(fails=True)
    assert await context.outbox.next(most=9) == []
    await write(fails=False)

    (waiting,) = await context.outbox.next(most=9)
    payload = context.client.codec.open_payload(waiting.run().payload)
    assert payload.f == "email.send_letter"
    assert send_letter.signature.unpack(payload.a, payload.k)[0] == (
        *(owner.id, "Hi", "Call Bob.", "key"),
    )


async def test_a_user_who_wants_no_mail_gets_none(context: Context, sender: MemorySender) -> None:
    bob = await context.users.add(name="Bob", address="bob@example.org", wants_mail=False)

    delivery = await send_notification(context, bob.id, "Hi", "Call Ann.")

    assert delivery == Delivery(sent=False, reason="the user wants no mail")
    assert sender.sent == {}


async def test_a_user_who_excludes_mail_among_their_channels_gets_none(
    context: Context, owner: User, sender: MemorySender
) -> None:
    await Ways(context.database).put(owner.id, Way(channel=Channel.EMAIL, is_wanted=False))

    found = [
        await send_notification(context, owner.id, "Hi", "Call Bob."),
        await send_letter(context, owner.id, "Hi", "Call Bob.", "key"),
    ]

    assert found == [Delivery(sent=False, reason="the user wants no mail")] * 2
    assert sender.sent == {}


async def test_a_user_who_left_gets_none(context: Context, sender: MemorySender) -> None:
    bob = await context.users.add(name="Bob", address="bob@example.org", active=False)

    delivery = await send_notification(context, bob.id, "Hi", "Call Ann.")

    assert delivery == Delivery(sent=False, reason="the user is not active")
    assert sender.sent == {}


async def test_the_mail_goes_to_the_user_asked_for(
    context: Context, owner: User, sender: MemorySender
) -> None:
    bob = await context.users.add(name="Bob", address="bob@example.org")

    await send_notification(context, bob.id, "Hi", "Call Ann.")

    (message,) = sender.sent.values()
    assert message.to == (bob.address,)
    assert await OutgoingMails(context.database).of(owner.id) == ()


async def test_an_unknown_user_is_an_error_and_no_retry_helps(context: Context) -> None:
    with pytest.raises(UnknownUser) as caught:
        await send_notification(context, 999, "Hi", "Call Ann.")

    assert is_permanent(caught.value)


@pytest.mark.parametrize(
    ("error", "permanent", "status"),
    [
        (MailTrouble("smtp: busy"), False, MailStatus.PENDING),
        (TimeoutError(), False, MailStatus.PENDING),
        (OSError(28, "No space left on device"), False, MailStatus.PENDING),
        (MailRefused("smtp: refused: 550"), True, MailStatus.REFUSED),
    ],
)
async def test_a_mail_that_is_not_accepted_is_never_a_success(
    context: Context,
    owner: User,
    sender: MemorySender,
    error: Exception,
    *,
    permanent: bool,
    status: MailStatus,
) -> None:
    sender.failing = error

    with pytest.raises(type(error)) as caught:
        await send_notification(context, owner.id, "Hi", "Call Bob.")

    (mail,) = await OutgoingMails(context.database).of(owner.id)
    assert (mail.status, mail.accepted_at) == (status, None)
    assert is_permanent(caught.value) is permanent


@pytest.mark.case(60)
async def test_a_subject_that_forges_a_header_is_refused_before_anything_is_written(
    context: Context, owner: User, sender: MemorySender
) -> None:
    with pytest.raises(MailRefused):
        await send_notification(context, owner.id, "=?UTF-8?Q?=0A?=Bcc: eve@example.org", "Hi")

    assert sender.sent == {}
    assert await OutgoingMails(context.database).of(owner.id) == ()


def test_a_notification_is_tried_four_times_five_minutes_apart() -> None:
    retry = send_notification.retry

    assert (retry.attempts, retry.wait(1, MailTrouble()).total_seconds()) == (4, 300)
    assert (send_notification.queue, send_notification.timeout.total_seconds()) == ("email", 120)


async def test_incoming_mail_is_filed(context: Context, mailbox: MemoryMailbox) -> None:
    mailbox.inbox |= {"a": LUNCH, "c": ROOF}

    result = await process_email_queue(context)

    assert (result.status, result.processed, result.filed) == (SortStatus.SUCCESS, 2, 2)
    assert (result.categorized, result.categories) == (2, {"personal": 1, "important": 1})
    assert mailbox.filed == {"a": Category.PERSONAL, "c": Category.IMPORTANT}


async def test_the_owner_is_told_of_important_mail(
    context: Context, owner: User, mailbox: MemoryMailbox
) -> None:
    mailbox.inbox |= {"a": LUNCH, "c": ROOF}

    await process_email_queue(context)

    (notice,) = await Notices(context.database).of(owner.id)
    assert notice.title == "Important mail from eve@example.org"


async def test_a_second_look_finds_nothing(context: Context, mailbox: MemoryMailbox) -> None:
    mailbox.inbox |= {"a": LUNCH}

    first, second = [await process_email_queue(context) for _ in range(2)]

    assert (first.status, first.processed, first.filed) == (SortStatus.SUCCESS, 1, 1)
    assert (second.status, second.processed, second.filed) == (SortStatus.SUCCESS, 0, 0)
    assert mailbox.filed == {"a": Category.PERSONAL}


async def test_one_bad_mail_makes_it_a_partial_success(
    context: Context, mailbox: MemoryMailbox
) -> None:
    mailbox.inbox |= {"x": b"\0", "a": LUNCH}

    result = await process_email_queue(context)

    assert (result.status, result.failed, result.filed) == (SortStatus.PARTIAL_SUCCESS, 1, 1)
    assert mailbox.aside == ["x"]


async def test_a_mailbox_that_fails_is_never_a_success(
    context: Context, mailbox: MemoryMailbox
) -> None:
    mailbox.inbox |= {"a": LUNCH}
    mailbox.failing = MailTrouble("imap: away")

    with pytest.raises(MailTrouble) as caught:
        await process_email_queue(context)
    mailbox.failing = None
    retried = await process_email_queue(next_try(context))

    assert not is_permanent(caught.value)
    assert process_email_queue.retry == Fixed(minutes(5), attempts=4)
    assert (retried.filed, mailbox.filed) == (1, {"a": Category.PERSONAL})


async def quiet(context: Context, user: User) -> User:
    """Quiet hours that began an hour ago and end in two."""
    now = context.client.store.clock.now()
    hours = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=2):%H:%M}"
    return await context.users.change(user.id, quiet_hours=hours)


async def test_in_quiet_hours_a_notification_waits_until_they_end(
    context: Context, owner: User, sender: MemorySender, clock: ManualClock
) -> None:
    await quiet(context, owner)

    with pytest.raises(RetryLater) as waiting:
        await send_notification(context, owner.id, "Hi", "Call Bob.")

    assert timedelta(minutes=118) < waiting.value.delay <= timedelta(minutes=120)
    assert sender.sent == {}
    assert await OutgoingMails(context.database).of(owner.id) == ()
    clock.advance(waiting.value.delay)
    assert (await send_notification(context, owner.id, "Hi", "Call Bob.")).sent


async def test_what_is_urgent_does_not_wait(
    context: Context, owner: User, sender: MemorySender
) -> None:
    await quiet(context, owner)

    assert (await send_notification(context, owner.id, "Fire", "Get out.", urgent=True)).sent
    assert len(sender.sent) == 1


async def test_a_letter_that_is_urgent_comes_at_the_time_that_was_chosen_for_it(
    context: Context, owner: User, sender: MemorySender
) -> None:
    await quiet(context, owner)

    assert (await send_letter(context, owner.id, "Hi", "Call Bob.", "key", urgent=True)).sent
    assert len(sender.sent) == 1


async def test_an_empty_mailbox_is_no_work_and_no_error(context: Context, owner: User) -> None:
    result = await process_email_queue(context)

    assert (result.status, result.mailboxes, result.processed) == (SortStatus.SUCCESS, 1, 0)
    assert await Notices(context.database).of(owner.id) == ()


async def test_a_worker_lets_it_wait_without_using_up_an_attempt(
    services: Services,
    owner: User,
    sender: MemorySender,
    clock: ManualClock,
    clean_redis: RedisSettings,
) -> None:
    now = clock.now()
    hours = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=2):%H:%M}"
    await services.users.change(owner.id, quiet_hours=hours)
    async with working(services, clean_redis, JOBS):
        handle = await services.client.enqueue(send_notification, owner.id, "Hi", "Call Bob.")

        async def is_waiting() -> bool:
            return await handle.status() is RunStatus.DEFERRED

        await eventually(is_waiting)
        assert sender.sent == {}
        clock.advance(timedelta(hours=2, seconds=1))
        delivery = await handle.result(within=seconds(20))

    assert delivery.sent
    assert len(sender.sent) == 1
