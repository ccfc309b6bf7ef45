"""What is stored of a mailbox, and the cursor that moves with it."""

import pytest

from app.storage.database import Database
from app.storage.incoming_mail import IncomingMails, NewIncomingMail
from app.storage.mailbox_entry import MailboxEntry, MailboxState, Taken
from app.storage.mailboxes import Mailboxes
from app.storage.users import User, Users

BOX = "imap:ann@host/INBOX"


@pytest.fixture
async def ann(database: Database) -> User:
    return await Users(database).add(name="Ann", address="ann@example.org")


@pytest.fixture
def mailboxes(database: Database) -> Mailboxes:
    return Mailboxes(database)


def mail(number: int, *, key: str = "", flags: str = "") -> MailboxEntry:
    return MailboxEntry(
        place=str(number), number=number, key=key or f"key-{number}", size=1, flags=flags
    )


async def test_mails_and_the_cursor_behind_them_are_one(mailboxes: Mailboxes, ann: User) -> None:
    box, nothing = await mailboxes.ensure(ann.id, BOX)

    taken = await mailboxes.take(box, "1", [mail(4), mail(9)])

    assert nothing == MailboxState()
    assert taken == Taken(new=2)
    assert await mailboxes.ensure(ann.id, BOX) == (box, MailboxState(epoch="1", last=9))
    assert await mailboxes.known(box, "1") == {"4": "", "9": ""}


async def test_a_mail_is_taken_up_once(mailboxes: Mailboxes, ann: User) -> None:
    box, _ = await mailboxes.ensure(ann.id, BOX)
    await mailboxes.take(box, "1", [mail(4)])

    assert await mailboxes.take(box, "1", [mail(4), mail(5)]) == Taken(new=1)
    assert await mailboxes.count(box) == 2


async def test_another_epoch_finds_the_same_mails_again(mailboxes: Mailboxes, ann: User) -> None:
    box, _ = await mailboxes.ensure(ann.id, BOX)
    await mailboxes.take(box, "1", [mail(4, key="a"), mail(5, key="b"), mail(6, key="b")])

    same = [mail(1, key="a", flags="\\Seen"), mail(2, key="b"), mail(3, key="b"), mail(7)]
    taken = await mailboxes.take(box, "2", same)

    assert taken == Taken(new=1, found_again=3, updated=1)
    assert await mailboxes.known(box, "2") == {"1": "\\Seen", "2": "", "3": "", "7": ""}
    assert await mailboxes.known(box, "1") == {}


async def test_what_is_not_there_any_more_is_deleted_or_was_filed_by_us(
    mailboxes: Mailboxes, ann: User, database: Database
) -> None:
    box, _ = await mailboxes.ensure(ann.id, BOX)
    await mailboxes.take(box, "1", [mail(4), mail(5), mail(6)])
    filed = NewIncomingMail(
        key="key-5",
        user_id=ann.id,
        message_id="",
        sender="",
        subject="",
        category="personal",
        reason="no rule fits it",
    )
    await IncomingMails(database).record(filed)

    state = MailboxState(epoch="1", last=6, token="3:7:1", is_whole=True)
    gone, moved = await mailboxes.finish(box, state, {"6"})

    assert (gone, moved) == (1, 1)
    assert [each.place for each in await mailboxes.entries(ann.id, BOX)] == ["6"]
    assert await mailboxes.ensure(ann.id, BOX) == (box, state)


async def test_flags_are_kept(mailboxes: Mailboxes, ann: User) -> None:
    box, _ = await mailboxes.ensure(ann.id, BOX)
    await mailboxes.take(box, "1", [mail(4)])

    await mailboxes.set_flags(box, "1", {"4": "\\Seen"})

    assert await mailboxes.known(box, "1") == {"4": "\\Seen"}
