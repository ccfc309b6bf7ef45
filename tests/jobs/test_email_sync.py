"""`sync_email_services`: the owner's mailboxes, in step with the database."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from app.context import Context
from app.engine import ManualClock, seconds
from app.engine.retry import is_permanent
from app.jobs.email import process_email_queue
from app.jobs.sync import sync_email_services
from app.services.mail.errors import BadLetter, LoginRefused, MailError, MailTrouble
from app.services.mail.mailbox import Head
from app.services.mail.memory import MemoryMailbox
from app.services.mail.sync import MailSync
from app.storage.mailboxes import Mailboxes
from app.storage.sync_history import SyncCounts, SyncHistory, SyncOutcome
from app.storage.users import User
from tests.jobs.ai_bench import notices

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


async def test_important_mail_is_told_though_nobody_sorts_the_mailbox(
    context: Context, owner: User, mailbox: MemoryMailbox
) -> None:
    mailbox.is_sorted = False
    mailbox.inbox |= {"old": ROOF}
    await sync_email_services(context)
    assert await notices(context, owner) == []
    mailbox.inbox |= {"a": LUNCH, "b": ROOF.replace(b"roof", b"cellar")}

    for _ in range(2):
        await sync_email_services(context)
    mailbox.epoch = "2"
    await sync_email_services(context)

    (notice,) = await notices(context, owner)
    assert notice.title == "Important mail from eve@example.org"
    assert notice.body == "URGENT: the cellar"


async def test_of_a_mailbox_that_is_sorted_the_sorter_tells(
    context: Context, owner: User, mailbox: MemoryMailbox
) -> None:
    await sync_email_services(context)
    mailbox.inbox |= {"a": ROOF}

    await sync_email_services(context)
    assert await notices(context, owner) == []
    await process_email_queue(context)

    assert len(await notices(context, owner)) == 1


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


async def test_a_sync_says_how_much_it_read_and_how_long_that_took(
    context: Context, clock: ManualClock
) -> None:
    slow = SlowMailbox({"a": LUNCH, "c": ROOF})
    slow.clock = clock
    sync = MailSync(context.database, (slow,), now=clock.now)

    synced = await sync_email_services(replace(context, mail=replace(context.mail, sync=sync)))

    (past,) = await SyncHistory(context.database, "mail").latest()
    assert (past.counts, past.source) == (SyncCounts(new=2), "memory")
    assert past.ended_at is not None
    assert past.ended_at - past.started_at >= seconds(3)
    assert synced.duration == pytest.approx(3, abs=1)


class SlowMailbox(MemoryMailbox):
    """Takes three seconds of this clock to be read."""

    clock: ManualClock

    async def heads(self, names: Sequence[str]) -> dict[str, Head | BadLetter]:
        """How these begin."""
        self.clock.advance(seconds(3))
        return await super().heads(names)
