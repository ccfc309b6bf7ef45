"""`sync_email_services`: the owner's mailboxes, in step with the database."""

import pytest

from app.context import Context
from app.engine.retry import is_permanent
from app.jobs.sync import sync_email_services
from app.services.mail.errors import LoginRefused, MailError, MailTrouble
from app.services.mail.memory import MemoryMailbox
from app.storage.mailboxes import Mailboxes
from app.storage.sync_history import SyncHistory, SyncOutcome
from app.storage.users import User

LUNCH = b"From: Bob <bob@example.org>\nSubject: Lunch\n\nHi"
ROOF = b"From: Eve <eve@example.org>\nSubject: URGENT: the roof\n\nHi"


async def test_what_lies_in_the_mailbox_is_stored(
    context: Context, owner: User, mailbox: MemoryMailbox
) -> None:
    mailbox.inbox |= {"a": LUNCH, "c": ROOF}

    synced = await sync_email_services(context)

    assert (synced.status, synced.new, synced.mailboxes) == (SyncOutcome.SUCCESS, 2, 1)
    kept = await Mailboxes(context.database).entries(owner.id, "memory")
    assert [(each.sender, each.category) for each in kept] == [
        ("bob@example.org", "personal"),
        ("eve@example.org", "important"),
    ]
    (past,) = await SyncHistory(context.database, "mail").latest()
    assert (past.user_id, past.outcome, past.counts.new) == (owner.id, SyncOutcome.SUCCESS, 2)


async def test_a_repeat_changes_nothing(context: Context, mailbox: MemoryMailbox) -> None:
    mailbox.inbox |= {"a": LUNCH}
    await sync_email_services(context)

    again = await sync_email_services(context)

    assert (again.new, again.updated, again.deleted, again.unchanged) == (0, 0, 0, 1)


async def test_what_is_gone_is_counted(context: Context, mailbox: MemoryMailbox) -> None:
    mailbox.inbox |= {"a": LUNCH, "c": ROOF}
    await sync_email_services(context)
    del mailbox.inbox["a"]

    synced = await sync_email_services(context)

    assert (synced.deleted, synced.unchanged) == (1, 1)


@pytest.mark.parametrize(
    ("error", "permanent"), [(MailTrouble("away"), False), (LoginRefused("refused"), True)]
)
async def test_a_mailbox_that_can_not_be_read_is_never_a_success(
    context: Context, mailbox: MemoryMailbox, error: MailError, *, permanent: bool
) -> None:
    mailbox.closed = error

    with pytest.raises(type(error)) as caught:
        await sync_email_services(context)

    assert is_permanent(caught.value) is permanent
    (past,) = await SyncHistory(context.database, "mail").latest()
    assert past.outcome is SyncOutcome.FAILED


def test_a_sync_is_tried_four_times_half_an_hour_apart() -> None:
    retry = sync_email_services.retry

    assert (retry.attempts, retry.wait(1, MailTrouble()).total_seconds()) == (4, 1800)
    assert sync_email_services.queue == "sync"
