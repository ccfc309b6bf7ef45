import os
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path

import pytest

from app.services.mail.errors import BadLetter, LetterGone, MailTrouble
from app.services.mail.local import MaildirMailbox, MaildirSender
from app.services.mail.message import Message
from app.services.mail.rules import Category
from app.storage.address import Address

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HELLO = Message(to=(Address("ann@example.org"),), subject="Hi", body="Hello")


def mails(folder: Path) -> list[Path]:
    return [*folder.glob("new/*"), *folder.glob("cur/*")]


@pytest.fixture
def sender(tmp_path: Path) -> MaildirSender:
    return MaildirSender(tmp_path, address="steward@localhost")


async def test_a_mail_lies_in_the_outbox(sender: MaildirSender, tmp_path: Path) -> None:
    receipt = await sender.send(HELLO, message_id="<1@x>", date=NOON)

    (file,) = mails(tmp_path / "outbox")
    message = message_from_bytes(file.read_bytes())
    assert (message["Message-ID"], message["To"]) == ("<1@x>", "ann@example.org")
    assert receipt.detail == f"in the folder {tmp_path / 'outbox'}"


async def test_a_repeat_under_its_message_id_is_the_same_file(
    sender: MaildirSender, tmp_path: Path
) -> None:
    for _ in range(3):
        await sender.send(HELLO, message_id="<1@x>", date=NOON)
    await sender.send(HELLO, message_id="<2@x>", date=NOON)

    assert len(mails(tmp_path / "outbox")) == 2


@pytest.mark.case(59)
async def test_a_message_id_is_never_a_path(sender: MaildirSender, tmp_path: Path) -> None:
    await sender.send(HELLO, message_id="<../../../x@y>", date=NOON)

    assert os.listdir(tmp_path) == ["outbox"]
    assert len(mails(tmp_path / "outbox")) == 1


async def test_a_full_disk_is_an_error_and_leaves_nothing(
    sender: MaildirSender, tmp_path: Path
) -> None:
    (tmp_path / "outbox").write_text("a file where a folder should be")

    with pytest.raises(OSError, match="outbox"):
        await sender.send(HELLO, message_id="<1@x>", date=NOON)


async def test_what_comes_in_is_read_and_filed(tmp_path: Path) -> None:
    mailbox = MaildirMailbox(tmp_path)
    await mailbox.check()
    (tmp_path / "inbox/new/1").write_bytes(b"From: bob@example.org\nSubject: Lunch\n\nHi")

    (name,) = await mailbox.waiting(limit=10)
    letter = await mailbox.read(name)
    await mailbox.file(name, Category.PERSONAL)

    assert letter.subject == "Lunch"
    assert await mailbox.waiting(limit=10) == ()
    assert len(mails(tmp_path / "personal")) == 1


async def test_no_more_than_the_limit_is_waiting(tmp_path: Path) -> None:
    mailbox = MaildirMailbox(tmp_path)
    await mailbox.check()
    for n in range(5):
        (tmp_path / f"inbox/new/{n}").write_bytes(b"Hi")

    assert await mailbox.waiting(limit=2) == ("new/0", "new/1")


async def test_filing_what_is_gone_is_no_error(tmp_path: Path) -> None:
    mailbox = MaildirMailbox(tmp_path)

    await mailbox.file("new/1", Category.PERSONAL)
    await mailbox.set_aside("new/1")

    with pytest.raises(LetterGone):
        await mailbox.read("new/1")


@pytest.mark.case(59)
async def test_a_huge_part_is_not_read(tmp_path: Path) -> None:
    mailbox = MaildirMailbox(tmp_path)
    await mailbox.check()
    (tmp_path / "inbox/new/1").write_bytes(b"From: bob@example.org\nSubject: 10 GB\n\n")
    os.truncate(tmp_path / "inbox/new/1", 10 * 2**30)  # the rest is a hole

    letter = await mailbox.read("new/1")

    assert letter.subject == "10 GB"


async def test_what_can_not_be_read_is_set_aside(tmp_path: Path) -> None:
    mailbox = MaildirMailbox(tmp_path)
    await mailbox.check()
    (tmp_path / "inbox/new/1").write_bytes(b"\0")

    with pytest.raises(BadLetter):
        await mailbox.read("new/1")
    await mailbox.set_aside("new/1")

    assert len(mails(tmp_path / "aside")) == 1


async def test_the_check_says_where_mail_stays(sender: MaildirSender, tmp_path: Path) -> None:
    assert await sender.check() == (
        f"outgoing mail stays in {tmp_path / 'outbox'}; to send it, set STEWARD_MAIL__SMTP__HOST"
    )
    assert await MaildirMailbox(tmp_path).check() == (
        f"incoming mail is read from {tmp_path / 'inbox'} (0 waiting)"
    )


async def test_the_check_names_the_setting_when_there_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for part in (
        MaildirSender(tmp_path / "file", address="me@localhost"),
        MaildirMailbox(tmp_path / "file"),
    ):
        with pytest.raises(MailTrouble, match="Not a directory; check STEWARD_HOME"):
            await part.check()
