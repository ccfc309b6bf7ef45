"""Mail accounts on real servers that refuse us, or have no time: how often they are asked."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import anyio
import pytest

from app.engine import ManualClock, hours, minutes, seconds
from app.services.health_report import PlainTrouble
from app.services.mail import (
    AccountRests,
    LoginRefused,
    Mail,
    MailRefused,
    MailTrouble,
    Message,
    Outbox,
)
from app.services.mail.imap import Account, ImapMailbox
from app.services.mail.resting import RestingMailbox, RestingSender
from app.services.mail.security import Security
from app.services.mail.smtp import SmtpSender
from app.services.mail.sync import MailSync
from app.services.rests import Rests
from app.storage.address import Address
from app.storage.cache import Cache
from app.storage.database import Database
from app.storage.sync_history import SyncOutcome
from app.storage.users import User
from tests.dovecot import dovecot
from tests.services.mail.capture import Capture, smtp_server

MAIL = Message(to=(Address("ann@example.org"),), subject="Hi", body="Call Bob.")
RIGHT, WRONG = "hunter2-canary", "wrong-canary"


@pytest.fixture
async def server() -> AsyncGenerator[Capture]:
    async with smtp_server(Capture(), login=True) as capture:
        yield capture


class Process:
    """What one process knows; the database is everybody's."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.rests = Rests(Cache(database, now=clock.now), now=clock.now)

    def sender(self, server: Capture, password: str = WRONG) -> RestingSender:
        smtp = SmtpSender(
            address="steward@example.org",
            host="127.0.0.1",
            port=server.port,
            username="ann",
            password=password,
            security=Security.NONE,
            timeout=seconds(10),
        )
        rest = self.rests.of(name="smtp", account=f"of {password[:5]}", label="outgoing mail")
        return RestingSender(smtp, rest)

    def mailbox(self, account: Account) -> RestingMailbox:
        digest = str(hash((account.username, account.password, account.folder)))
        rest = self.rests.of(name="imap", account=digest, label="incoming mail")
        return RestingMailbox(ImapMailbox(account), rest)


@pytest.fixture
def process(database: Database, clock: ManualClock) -> Process:
    return Process(database, clock)


async def send(sender: RestingSender, clock: ManualClock, number: int = 1) -> None:
    await sender.send(MAIL, message_id=f"<{number}@example.org>", date=clock.now())


async def test_a_refused_login_is_not_tried_again_for_an_hour_by_any_process(
    database: Database, clock: ManualClock, server: Capture
) -> None:
    for number in range(3):
        with pytest.raises(AccountRests, match=r"login refused \(535\); check .*PASSWORD") as told:
            await send(Process(database, clock).sender(server), clock, number)

        assert told.value.retry_after is not None
        assert timedelta(0) < told.value.retry_after <= minutes(1)
        assert "canary" not in str(told.value)

    assert server.logins == ["ann"]
    clock.advance(hours(1) + seconds(1))
    with pytest.raises(AccountRests):
        await send(Process(database, clock).sender(server), clock)
    assert server.logins == ["ann"] * 2


async def test_many_that_come_at_once_try_one_login(
    process: Process, clock: ManualClock, server: Capture
) -> None:
    sender, told = process.sender(server), list[AccountRests]()

    async def try_it(number: int) -> None:
        try:
            await send(sender, clock, number)
        except AccountRests as error:
            told.append(error)

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(try_it, number)

    assert (server.logins, len(told)) == (["ann"], 20)


async def test_another_password_is_tried_at_once(
    process: Process, database: Database, clock: ManualClock, server: Capture
) -> None:
    with pytest.raises(AccountRests):
        await send(process.sender(server), clock)

    await send(Process(database, clock).sender(server, RIGHT), clock)

    assert (len(server.logins), len(server.mails)) == (2, 1)


async def test_a_check_tries_in_any_case_and_its_success_ends_the_rest_for_all(
    database: Database, clock: ManualClock
) -> None:
    async with smtp_server(capture := Capture()) as nobody_enters:
        with pytest.raises(AccountRests, match="offers no login"):
            await send(Process(database, clock).sender(nobody_enters, RIGHT), clock)
        with pytest.raises(LoginRefused, match="offers no login"):
            await Process(database, clock).sender(nobody_enters, RIGHT).check()
    async with smtp_server(capture, login=True) as mended:
        sender = Process(database, clock).sender(mended, RIGHT)
        with pytest.raises(AccountRests):
            await send(sender, clock)

        assert (
            "accepts the login of ann"
            in await Process(database, clock).sender(mended, RIGHT).check()
        )
        await send(sender, clock)

    assert len(capture.mails) == 1


async def test_it_is_said_once_and_without_a_secret(
    database: Database, clock: ManualClock, server: Capture, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app")
    for _ in range(3):
        with pytest.raises(AccountRests):
            await send(Process(database, clock).sender(server), clock)
        clock.advance(minutes(61))

    warned = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert [each.getMessage().split(" is left")[0] for each in warned] == ["outgoing mail"]
    assert "canary" not in caplog.text
    assert len(server.logins) == 3


async def test_a_refusal_is_to_be_told_once_until_it_has_let_us_in(
    process: Process, clock: ManualClock, server: Capture
) -> None:
    sender = process.sender(server)
    for _ in range(2):
        with pytest.raises(AccountRests):
            await send(sender, clock)

    (refusal,) = process.rests.untold()
    process.rests.told(refusal)
    clock.advance(hours(2))
    with pytest.raises(AccountRests):
        await send(sender, clock)

    assert process.rests.untold() == []
    assert (refusal.label, "login refused" in refusal.why) == ("outgoing mail", True)


@pytest.mark.parametrize("code", ["421 busy", "450 too many mails"])
async def test_a_server_that_asks_for_patience_is_left_alone_for_five_minutes(
    database: Database, clock: ManualClock, server: Capture, code: str
) -> None:
    server.refused = {"steward@example.org": code}
    with pytest.raises(MailTrouble, match="asks for patience") as first:
        await send(Process(database, clock).sender(server, RIGHT), clock)

    with pytest.raises(AccountRests, match="it has asked to be left alone") as rests:
        await send(Process(database, clock).sender(server, RIGHT), clock)

    assert first.value.retry_after == minutes(5)
    assert rests.value.retry_after is not None
    assert minutes(4) < rests.value.retry_after <= minutes(5)
    assert len(server.logins) == 1
    server.refused = {}
    clock.advance(minutes(5))
    await send(Process(database, clock).sender(server, RIGHT), clock)
    assert len(server.mails) == 1


async def test_a_recipient_who_is_put_off_holds_up_no_other_mail(
    process: Process, clock: ManualClock, server: Capture
) -> None:
    server.refused = {"ann@example.org": "450 mailbox is full"}
    sender = process.sender(server, RIGHT)
    with pytest.raises(MailTrouble, match="asks for patience") as full:
        await send(sender, clock)

    server.refused = {"ann@example.org": "550 no such user"}
    with pytest.raises(MailRefused):
        await send(sender, clock)

    assert full.value.retry_after is None
    assert len(server.logins) == 2


async def test_health_asks_nobody_while_an_account_rests(
    process: Process, database: Database, clock: ManualClock, server: Capture
) -> None:
    sender = process.sender(server)
    rest = process.rests.of(name="smtp", account=f"of {WRONG[:5]}", label="outgoing mail")
    mail = Mail(
        outbox=Outbox(database, sender, now=clock.now),
        mailboxes=(),
        sync=MailSync(database, ()),
        rests=(rest,),
    )
    with pytest.raises(LoginRefused):
        await mail.reach()

    with pytest.raises(PlainTrouble, match=r"^it refuses us since .*or with other settings$"):
        await mail.reach()

    assert server.logins == ["ann"]


@asynccontextmanager
async def refused(mailbox: RestingMailbox) -> AsyncGenerator[None]:
    with pytest.raises(AccountRests, match="refuses us since"):
        async with mailbox.open(writes=False):
            pass
    yield


async def test_a_mailbox_that_refuses_us_is_left_alone_until_somebody_checks(
    database: Database, clock: ManualClock, ann: User
) -> None:
    with dovecot() as server:
        account = replace(server.account(), folder="Later")
        for _ in range(2):
            async with refused(Process(database, clock).mailbox(account)):
                pass
        with server.mailbox(replace(account, folder="INBOX")) as client:
            client.create_folder("Later")
        mailbox = Process(database, clock).mailbox(account)

        synced = await MailSync(database, (mailbox,), now=clock.now).sync(ann)
        said = await Process(database, clock).mailbox(account).check()
        again = await MailSync(database, (mailbox,), now=clock.now).sync(ann)

    assert (synced.mailboxes_failed, synced.mailboxes_resting) == (1, 1)
    assert (synced.status, again.status) == (SyncOutcome.FAILED, SyncOutcome.SUCCESS)
    assert "Later holds 0 mails" in said


async def test_a_wrong_password_of_a_mailbox_is_tried_once(
    database: Database, clock: ManualClock
) -> None:
    with dovecot() as server:
        account = replace(server.account(), password=WRONG)
        async with refused(Process(database, clock).mailbox(account)):
            pass
        async with refused(Process(database, clock).mailbox(account)):
            pass
        right = replace(account, password=server.account().password)
        async with Process(database, clock).mailbox(right).open(writes=False) as opened:
            assert await opened.slips() == []


async def test_who_waits_at_the_door_goes_on_once_somebody_was_let_in(
    database: Database, clock: ManualClock
) -> None:
    with dovecot() as server:
        mailbox = Process(database, clock).mailbox(server.account())
        begun = anyio.Event()

        async def enter() -> None:
            begun.set()
            async with mailbox.open(writes=False):
                entered.set()

        entered = anyio.Event()
        async with anyio.create_task_group() as group:
            async with mailbox.open(writes=False):
                group.start_soon(enter)
                with anyio.fail_after(20):
                    await begun.wait()
                    await entered.wait()
