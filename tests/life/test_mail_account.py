"""A mail account on real servers, kept by real workers, one of which is killed in the middle."""

import sqlite3
from contextlib import closing
from signal import SIGKILL

import pytest

from app.context import Services
from app.engine import RunStatus, seconds
from app.jobs.email import process_email_queue, send_notification
from app.jobs.sync import sync_email_services
from app.services.mail.imap import Account
from app.storage.mailboxes import Mailboxes
from app.storage.notifications import Notices
from app.storage.sync_history import SyncHistory, SyncOutcome
from tests.dovecot import Dovecot, dovecot
from tests.eventually import eventually
from tests.life.home import LEASE, STEWARD, Home, history
from tests.life.processes import WorkerProcess
from tests.plugins.cases import Case
from tests.services.mail.capture import Capture, smtp_server

LONG = 2 * LEASE + seconds(30)
MAILS = 80
SOME = 24
URGENT = b"From: Eve <eve@example.org>\r\nSubject: URGENT %d\r\n\r\nHi"
LUNCH = b"From: Bob <bob@example.org>\r\nSubject: Lunch %d\r\n\r\nHi"


def worker(home: Home, server: Dovecot, account: Account, capture: Capture) -> WorkerProcess:
    """Steward's own, with this account."""
    return home.worker(
        STEWARD,
        STEWARD_MAIL__IMAP__HOST="127.0.0.1",
        STEWARD_MAIL__IMAP__PORT=str(server.port),
        STEWARD_MAIL__IMAP__SECURITY="none",
        STEWARD_MAIL__IMAP__SORT="true",
        STEWARD_MAIL__IMAP__USERNAME=account.username,
        STEWARD_MAIL__IMAP__PASSWORD=account.password,
        STEWARD_MAIL__SMTP__HOST="127.0.0.1",
        STEWARD_MAIL__SMTP__PORT=str(capture.port),
        STEWARD_MAIL__SMTP__SECURITY="none",
    )


def count(steward: Services, table: str) -> int:
    """How many rows it has, asked behind everybody's back."""
    with closing(sqlite3.connect(steward.database.path, timeout=5)) as connection:
        (found,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(found)


@pytest.mark.timeout(150)
@pytest.mark.case(59)
async def test_mail_goes_in_and_out_through_workers_that_are_killed(
    home: Home, steward: Services, case: Case
) -> None:
    with dovecot() as server:
        account = server.account()
        server.put(account, *(LUNCH % n for n in range(MAILS - 2)), URGENT % 1, URGENT % 2)
        async with smtp_server(Capture()) as capture:
            await _synced(home, steward, server, account, capture)
            at_kill = await _filed(home, steward, server, account, capture)

            handle = await steward.client.enqueue(send_notification, 1, "Hi", "All is filed.")
            assert (await handle.result(within=LONG)).sent
            assert [mail.message["Subject"] for mail in capture.mails] == ["Hi"]
    case.says(
        f"kill -9 in the middle of syncing {MAILS} mails, and of filing them",
        steward=f"each synced once; {at_kill} were filed at the kill, {MAILS} once in the end",
    )


async def _synced(
    home: Home, steward: Services, server: Dovecot, account: Account, capture: Capture
) -> None:
    """The account is synced by a worker that is killed, and then by another."""
    victim = await worker(home, server, account, capture).ready(steward.client)
    handle = await steward.client.enqueue(sync_email_services)
    await eventually(lambda: count(steward, "mailbox_entries") >= SOME)
    victim.send(SIGKILL)
    await victim.exit_code()
    await worker(home, server, account, capture).ready(steward.client)
    synced = await handle.result(within=LONG)

    name = f"imap:{account.username}@127.0.0.1/INBOX"
    owner = await steward.users.owner()
    entries = await Mailboxes(steward.database).entries(owner.id, name)
    assert [each.number for each in entries] == list(range(1, MAILS + 1))
    assert synced.status is SyncOutcome.SUCCESS
    assert synced.new + synced.unchanged == MAILS
    last = await SyncHistory(steward.database, "mail").latest(limit=4)
    assert last[0].outcome is SyncOutcome.SUCCESS
    again = await steward.client.enqueue(sync_email_services)
    repeated = await again.result(within=LONG)
    assert (repeated.new, repeated.updated, repeated.deleted) == (0, 0, 0)


async def _filed(
    home: Home, steward: Services, server: Dovecot, account: Account, capture: Capture
) -> int:
    """The INBOX is filed by a worker that is killed, and then by another; how many at the kill."""
    (victim,) = [each for each in home.started if each.is_alive]
    handle = await steward.client.enqueue(process_email_queue)
    await eventually(lambda: count(steward, "incoming_mail") >= SOME)
    victim.send(SIGKILL)
    await victim.exit_code()
    at_kill = server.where(account).get("personal", 0)
    await worker(home, server, account, capture).ready(steward.client)
    await handle.result(within=LONG)

    where = server.where(account)
    assert where == {"": 0, "personal": MAILS - 2, "important": 2}
    assert count(steward, "incoming_mail") == MAILS
    assert await handle.status() is RunStatus.SUCCEEDED
    owner = await steward.users.owner()
    titles = [each.body for each in await Notices(steward.database).of(owner.id)]
    assert sorted(titles) == ["URGENT 1", "URGENT 2"]
    run = await history(steward, handle.id)
    assert run.attempts >= 1
    assert run.started_at < run.ended_at
    return at_kill
