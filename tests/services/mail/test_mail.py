from pathlib import Path

import pytest

from app.services.mail import Mail, Mailbox, MailSender, MailTrouble, Outbox
from app.services.mail.local import MaildirMailbox, MaildirSender
from app.services.mail.memory import MemoryMailbox, MemorySender
from app.services.mail.sync import MailSync
from app.storage.database import Database


def mail_of(database: Database, sender: MailSender, mailbox: Mailbox) -> Mail:
    sync = MailSync(database, (mailbox,))
    return Mail(outbox=Outbox(database, sender), mailboxes=(mailbox,), sync=sync)


async def test_the_check_tries_both_directions(database: Database, tmp_path: Path) -> None:
    sender = MaildirSender(tmp_path, address="me@localhost")
    mail = mail_of(database, sender, MaildirMailbox(tmp_path))

    out, back = await mail.check()

    assert out.startswith(f"outgoing mail stays in {tmp_path / 'outbox'}")
    assert back.startswith(f"incoming mail is read from {tmp_path / 'inbox'}")


async def test_the_check_fails_when_one_direction_does(database: Database) -> None:
    sender = MemorySender(failing=MailTrouble("smtp: no answer"))
    mail = mail_of(database, sender, MemoryMailbox())

    with pytest.raises(MailTrouble, match="smtp: no answer"):
        await mail.check()


async def test_memory_says_what_it_is(database: Database) -> None:
    mail = mail_of(database, MemorySender(), MemoryMailbox())

    assert await mail.check() == (
        "outgoing mail is kept in memory",
        "incoming mail is kept in memory",
    )
