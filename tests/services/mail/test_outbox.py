import logging
import os
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from sqlalchemy import update

from app.services.mail.errors import LoginRefused, MailRefused, MailTrouble
from app.services.mail.local import MaildirSender
from app.services.mail.memory import MemorySender
from app.services.mail.message import Message
from app.services.mail.outbox import Outbox
from app.services.mail.security import Security
from app.services.mail.smtp import SmtpSender
from app.storage.address import Address
from app.storage.database import Database
from app.storage.outgoing_mail import MailStatus, OutgoingMailRow, OutgoingMails
from app.storage.users import User, Users
from tests.services.mail.capture import Capture

HELLO = Message(to=(Address("ann@example.org"),), subject="canary subject", body="canary body")


@pytest.fixture
def sender() -> MemorySender:
    return MemorySender()


@pytest.fixture
def outbox(database: Database, sender: MemorySender) -> Outbox:
    return Outbox(database, sender)


async def test_an_accepted_mail_is_recorded_as_sent(
    outbox: Outbox, sender: MemorySender, database: Database, ann: User
) -> None:
    mail = await outbox.post(HELLO, user_id=ann.id, key="run:1")

    assert sender.sent == {mail.message_id: HELLO}
    assert (mail.status, mail.recipients) == (MailStatus.SENT, "ann@example.org")
    assert mail.accepted_at is not None
    assert await OutgoingMails(database).of(ann.id) == (mail,)


async def test_a_repeat_sends_nothing_and_tells_the_same(
    outbox: Outbox, sender: MemorySender, ann: User
) -> None:
    first = await outbox.post(HELLO, user_id=ann.id, key="run:1")
    sender.failing = AssertionError("nothing may be sent")

    assert await outbox.post(HELLO, user_id=ann.id, key="run:1") == first


async def test_all_recipients_are_recorded(outbox: Outbox, sender: MemorySender, ann: User) -> None:
    everybody = (*HELLO.to, Address("bob@example.org"), Address("cy@example.org"))
    message = replace(HELLO, to=everybody)

    mail = await outbox.post(message, user_id=ann.id, key="run:1")

    assert mail.recipients == "ann@example.org, bob@example.org, cy@example.org"
    assert sender.sent[mail.message_id].to == everybody


async def test_each_key_is_a_mail_of_its_own(
    outbox: Outbox, sender: MemorySender, ann: User
) -> None:
    for key in ("run:1", "run:2"):
        await outbox.post(HELLO, user_id=ann.id, key=key)

    assert len(sender.sent) == 2


async def test_a_mail_that_was_not_accepted_is_not_sent(
    outbox: Outbox, sender: MemorySender, database: Database, ann: User
) -> None:
    sender.failing = MailTrouble("smtp: busy")

    with pytest.raises(MailTrouble):
        await outbox.post(HELLO, user_id=ann.id, key="run:1")

    (mail,) = await OutgoingMails(database).of(ann.id)
    assert (mail.status, mail.accepted_at) == (MailStatus.PENDING, None)


async def test_the_next_try_sends_the_same_mail(
    outbox: Outbox, sender: MemorySender, database: Database, ann: User
) -> None:
    sender.failing = MailTrouble("smtp: busy")
    with pytest.raises(MailTrouble):
        await outbox.post(HELLO, user_id=ann.id, key="run:1")
    (pending,) = await OutgoingMails(database).of(ann.id)

    sender.failing = None
    sent = await outbox.post(HELLO, user_id=ann.id, key="run:1")

    assert (sent.id, sent.message_id) == (pending.id, pending.message_id)
    assert sent.status is MailStatus.SENT


async def test_a_refused_mail_keeps_the_reason(
    outbox: Outbox, sender: MemorySender, database: Database, ann: User
) -> None:
    sender.failing = MailRefused("smtp: refused: 550 no such user")

    with pytest.raises(MailRefused):
        await outbox.post(HELLO, user_id=ann.id, key="run:1")

    (mail,) = await OutgoingMails(database).of(ann.id)
    assert (mail.status, mail.detail) == (MailStatus.REFUSED, "smtp: refused: 550 no such user")


async def test_a_refused_login_leaves_the_mail_to_be_sent(
    outbox: Outbox, sender: MemorySender, database: Database, ann: User
) -> None:
    sender.failing = LoginRefused("smtp: login refused (535)")

    with pytest.raises(LoginRefused):
        await outbox.post(HELLO, user_id=ann.id, key="run:1")

    (mail,) = await OutgoingMails(database).of(ann.id)
    assert mail.status is MailStatus.PENDING


@pytest.mark.case(60)
async def test_a_crash_after_acceptance_repeats_the_same_message_id(
    database: Database, capture: Capture, ann: User
) -> None:
    """The server has the mail, and the row was never settled."""
    smtp = SmtpSender(
        address="me@example.org", host="127.0.0.1", port=capture.port, security=Security.NONE
    )
    outbox, mails = Outbox(database, smtp), OutgoingMails(database)
    first = await outbox.post(HELLO, user_id=ann.id, key="run:1")
    async with database.write() as session:
        await session.execute(
            update(OutgoingMailRow).values(status=MailStatus.PENDING, accepted_at=None)
        )

    second = await outbox.post(HELLO, user_id=ann.id, key="run:1")

    assert len(capture.mails) == 2
    assert {mail.message["Message-ID"] for mail in capture.mails} == {first.message_id}
    assert len({mail.content for mail in capture.mails}) == 1
    assert await mails.of(ann.id) == (second,)


async def test_into_a_maildir_even_that_is_one_mail(
    database: Database, tmp_path: Path, ann: User
) -> None:
    outbox = Outbox(database, MaildirSender(tmp_path, address="me@localhost"))

    async def post() -> None:
        await outbox.post(HELLO, user_id=ann.id, key="run:1")

    async with anyio.create_task_group() as group:
        for _ in range(4):  # as attempts that overlap
            group.start_soon(post)

    assert len(os.listdir(tmp_path / "outbox/cur")) == 1


async def test_the_message_id_has_the_senders_domain_and_no_part_of_the_key(
    outbox: Outbox, ann: User
) -> None:
    mail = await outbox.post(HELLO, user_id=ann.id, key="run:secret-id")

    assert mail.message_id.endswith("@localhost>")
    assert "secret" not in mail.message_id


async def test_no_subject_or_body_is_logged_or_body_kept(
    outbox: Outbox, database: Database, ann: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "app")

    await outbox.post(HELLO, user_id=ann.id, key="run:1")

    assert "canary" not in caplog.text
    assert b"canary body" not in database.path.read_bytes()


async def test_a_user_sees_only_their_own_mail(
    outbox: Outbox, database: Database, ann: User
) -> None:
    bob = await Users(database).add(name="Bob", address="bob@example.org")
    await outbox.post(HELLO, user_id=ann.id, key="run:1")

    assert await OutgoingMails(database).of(bob.id) == ()
