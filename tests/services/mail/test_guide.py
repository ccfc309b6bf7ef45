"""What leads to a first account: each step says what was tried and what to do next."""

from collections.abc import Generator
from dataclasses import replace

import pytest

from app.services.mail import Mail, Mailbox, MailSender, Outbox
from app.services.mail.guide import Configured, guide
from app.services.mail.imap import ImapMailbox
from app.services.mail.local import MaildirMailbox
from app.services.mail.memory import MemorySender
from app.services.mail.security import Security
from app.services.mail.smtp import SmtpSender
from app.services.mail.sync import MailSync
from app.storage.address import Address
from app.storage.database import Database
from tests.dovecot import Dovecot, dovecot
from tests.services.mail.capture import Capture, smtp_server

CANARY = "hunter2-canary"
ANN, NOBODY = Address("ann@example.org"), Address("owner@localhost")
BOTH = Configured(sends=True, is_abroad=True, reads=True)


@pytest.fixture(scope="module")
def server() -> Generator[Dovecot]:
    with dovecot() as running:
        yield running


def mail_of(database: Database, sender: MailSender, *mailboxes: Mailbox) -> Mail:
    sync = MailSync(database, mailboxes)
    return Mail(outbox=Outbox(database, sender), mailboxes=mailboxes, sync=sync)


def smtp(port: int, *, password: str = CANARY) -> SmtpSender:
    return SmtpSender(
        address="me@example.org",
        host="127.0.0.1",
        port=port,
        username="ann",
        password=password,
        security=Security.NONE,
    )


async def test_each_step_says_what_was_tried_and_what_to_do_with_it(
    database: Database, server: Dovecot
) -> None:
    account = server.account("ann")
    async with smtp_server(Capture(), login=True) as capture:
        mail = mail_of(database, smtp(capture.port), ImapMailbox(account))

        out, back, done = await guide(mail, BOTH, owner=ANN)

    where = f"127.0.0.1:{capture.port}"
    assert out.tried == f"outgoing mail: connect to {where} with security none, log in as ann"
    assert out.said == f"smtp: {where} answers and accepts the login of ann"
    assert back.tried.endswith(
        f"{account.address} with security none, log in as ann, look into INBOX"
    )
    assert "accepts the login of ann; INBOX holds 0 mails" in back.said
    assert "moved into Steward/ by category" in back.said
    assert done.advice.startswith("next: `steward enqueue email.send_notification")
    assert CANARY not in str((out, back, done))


async def test_what_fails_stops_no_other_step_and_has_advice(
    database: Database, server: Dovecot
) -> None:
    account = replace(server.account("ann"), password="wrong-canary")
    async with smtp_server(Capture(), login=True) as capture:
        mail = mail_of(database, smtp(capture.port, password="wrong"), ImapMailbox(account))

        out, back = await guide(mail, BOTH, owner=ANN)

    for step, setting in ((out, "SMTP__PASSWORD"), (back, "IMAP__PASSWORD")):
        assert not step.is_well
        assert f"STEWARD_MAIL__{setting}" in step.said
        assert "app password" in step.advice
    assert "canary" not in str((out, back))


async def test_a_server_that_is_not_there_has_the_usual_ports_as_advice(database: Database) -> None:
    (out,) = await guide(mail_of(database, smtp(1)), BOTH, owner=ANN)

    assert (out.is_well, "check STEWARD_MAIL__SMTP__HOST" in out.said) == (False, True)
    assert "587 with starttls or 465 with tls" in out.advice


def test_a_login_without_a_name_is_told_of(server: Dovecot) -> None:
    box = ImapMailbox(replace(server.account("ann"), username=""))

    assert "log in as nobody (STEWARD_MAIL__IMAP__USERNAME is empty)" in box.plan


async def test_without_any_account_all_settings_for_one_are_named(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    box = MaildirMailbox(tmp_path_factory.mktemp("mail"))
    nothing = Configured(sends=False, is_abroad=False, reads=False)

    *tried, account = await guide(mail_of(database, MemorySender(), box), nothing, owner=NOBODY)

    assert all(each.is_well for each in tried)
    assert account.said == "none is configured"
    for setting in ("OWNER__ADDRESS", "MAIL__SENDER", "MAIL__SMTP__HOST", "MAIL__IMAP__HOST"):
        assert f"STEWARD_{setting}" in account.advice


async def test_who_only_sends_is_told_how_to_read(database: Database) -> None:
    async with smtp_server(Capture(), login=True) as capture:
        sends = Configured(sends=True, is_abroad=False, reads=False)

        _, done = await guide(mail_of(database, smtp(capture.port)), sends, owner=NOBODY)

    assert done.advice.endswith("set STEWARD_MAIL__IMAP__HOST, __USERNAME and __PASSWORD")


async def test_an_address_that_no_other_server_knows_is_told_before_mail_is_lost(
    database: Database,
) -> None:
    async with smtp_server(Capture(), login=True) as capture:
        _, to_us = await guide(mail_of(database, smtp(capture.port)), BOTH, owner=NOBODY)

    assert not to_us.is_well
    assert (
        to_us.said == "owner@localhost is known on this machine only; check STEWARD_OWNER__ADDRESS"
    )
    assert "set STEWARD_OWNER__ADDRESS to an address of your own" in to_us.advice
