import logging
import os
from datetime import timedelta
from pathlib import Path

import pytest

from app.engine import ManualClock
from app.services.mail.errors import MailTrouble
from app.services.mail.local import MaildirMailbox
from app.services.mail.mail_sorted import MailSorted, SortStatus
from app.services.mail.memory import MemoryMailbox
from app.services.mail.rules import Category
from app.services.mail.sorter import Sorter
from app.storage.database import Database
from app.storage.incoming_mail import IncomingMails
from app.storage.notifications import Notices
from app.storage.users import User, Users
from tests.services.notifications.heralds import herald_at

LUNCH = b"From: Bob <bob@example.org>\nSubject: Lunch\nMessage-ID: <1@x>\n\ncanary body"
NEWS = b"From: n@example.org\nSubject: News\nList-Id: <n.example.org>\n\nHi"
ROOF = b"From: Eve <eve@example.org>\nSubject: URGENT: the roof\nMessage-ID: <1@x>\n\nHi"
BAD = b"\0 this is no mail"
NOTHING = MailSorted(mailboxes=1)


def sorter(database: Database, mailbox: MemoryMailbox | MaildirMailbox) -> Sorter:
    return Sorter(database, mailbox, herald_at(database))


async def test_waiting_mail_is_categorized_recorded_and_filed(
    database: Database, ann: User
) -> None:
    mailbox = MemoryMailbox({"a": LUNCH, "b": NEWS, "c": ROOF})

    result = await sorter(database, mailbox).sort(ann)

    assert result == MailSorted(
        status=SortStatus.SUCCESS,
        mailboxes=1,
        processed=3,
        categorized=3,
        filed=3,
        failed=0,
        notified=1,
        told={"in_app delivered": 1},
        categories={"personal": 1, "newsletters": 1, "important": 1},
        priorities={"normal": 1, "low": 1, "high": 1},
    )
    assert mailbox.filed == {
        "a": Category.PERSONAL,
        "b": Category.NEWSLETTERS,
        "c": Category.IMPORTANT,
    }


async def test_the_rule_that_chose_the_folder_is_kept(database: Database, ann: User) -> None:
    await sorter(database, MemoryMailbox({"b": NEWS})).sort(ann)

    (mail,) = await IncomingMails(database).of(ann.id)
    assert (mail.sender, mail.subject, mail.category) == ("n@example.org", "News", "newsletters")
    assert mail.reason == "it says how to unsubscribe"


async def test_a_second_run_does_nothing(database: Database, ann: User) -> None:
    mailbox = MemoryMailbox({"a": LUNCH, "c": ROOF, "x": BAD})
    await sorter(database, mailbox).sort(ann)

    assert await sorter(database, mailbox).sort(ann) == NOTHING
    assert len(await IncomingMails(database).of(ann.id)) == 2


async def test_a_bad_mail_is_set_aside_and_the_rest_are_done(database: Database, ann: User) -> None:
    mailbox = MemoryMailbox({"a": LUNCH, "x": BAD, "b": NEWS})

    result = await sorter(database, mailbox).sort(ann)

    assert result.status is SortStatus.PARTIAL_SUCCESS
    assert (result.processed, result.categorized, result.filed, result.failed) == (3, 2, 2, 1)
    assert (mailbox.aside, set(mailbox.filed)) == (["x"], {"a", "b"})


async def test_the_owner_is_told_of_important_mail_only(database: Database, ann: User) -> None:
    await sorter(database, MemoryMailbox({"a": LUNCH, "b": NEWS, "c": ROOF})).sort(ann)

    (notice,) = await Notices(database).of(ann.id)
    assert notice.title == "Important mail from eve@example.org"
    assert notice.body == "URGENT: the roof"


async def test_mail_that_can_not_be_filed_is_an_error_and_stays(
    database: Database, ann: User
) -> None:
    mailbox = MemoryMailbox({"c": ROOF}, failing=MailTrouble("imap: away"))

    with pytest.raises(MailTrouble):
        await sorter(database, mailbox).sort(ann)

    assert set(mailbox.inbox) == {"c"}


async def test_mail_that_can_not_be_moved_stays_and_the_rest_are_done(
    database: Database, ann: User, tmp_path: Path
) -> None:
    new = tmp_path / "inbox/new"
    new.mkdir(parents=True)
    (tmp_path / "important").touch()  # a file where a folder should be
    for name in "123456":
        (new / name).write_bytes(ROOF)
    (new / "7").write_bytes(LUNCH)

    result = await sorter(database, MaildirMailbox(tmp_path)).sort(ann)

    assert (result.status, result.filed, result.failed) == (SortStatus.PARTIAL_SUCCESS, 1, 6)
    assert result.categorized == 7
    assert sorted(os.listdir(new)) == [*"123456"]


async def test_a_folder_that_takes_no_mail_holds_up_no_other_and_is_tried_again_later(
    database: Database, ann: User, clock: ManualClock
) -> None:
    mailbox = MemoryMailbox({f"n{n}": NEWS for n in range(7)} | {"a": LUNCH})
    mailbox.full.add(Category.NEWSLETTERS)
    sorter = Sorter(database, mailbox, herald_at(database), now=clock.now)

    first = await sorter.sort(ann, limit=7)
    second = await sorter.sort(ann, limit=7)
    third = await sorter.sort(ann, limit=7)

    assert (first.status, first.refused, first.filed) == (SortStatus.PARTIAL_SUCCESS, 7, 0)
    assert (second.status, second.refused, second.filed) == (SortStatus.PARTIAL_SUCCESS, 7, 1)
    assert (third.status, third.refused, third.processed) == (SortStatus.PARTIAL_SUCCESS, 7, 0)
    assert third.errors == (
        "newsletters is full; left where they are, and tried again in an hour: "
        "mail n0, n1, n2, n3, n4 and 2 more",
    )
    mailbox.full.clear()
    clock.advance(timedelta(minutes=61))
    last = await sorter.sort(ann)
    assert (last.status, last.refused, last.filed, mailbox.inbox) == (SortStatus.SUCCESS, 0, 7, {})


async def test_a_crash_before_the_move_tells_and_records_once(
    database: Database, ann: User
) -> None:
    mailbox = MemoryMailbox({"c": ROOF}, failing=MailTrouble("killed here"))
    with pytest.raises(MailTrouble):
        await sorter(database, mailbox).sort(ann)

    mailbox.failing = None
    result = await sorter(database, mailbox).sort(ann)

    assert (result.filed, set(mailbox.filed)) == (1, {"c"})
    assert result.notified == 0
    assert len(await Notices(database).of(ann.id)) == 1
    assert len(await IncomingMails(database).of(ann.id)) == 1


@pytest.mark.case(59)
async def test_two_mails_that_claim_one_message_id_are_both_filed(
    database: Database, ann: User
) -> None:
    mailbox = MemoryMailbox({"a": LUNCH, "c": ROOF})

    await sorter(database, mailbox).sort(ann)

    mails = await IncomingMails(database).of(ann.id)
    assert [mail.message_id for mail in mails] == ["<1@x>", "<1@x>"]
    assert len(await Notices(database).of(ann.id)) == 1


async def test_no_more_than_the_limit_is_done_in_one_go(database: Database, ann: User) -> None:
    mailbox = MemoryMailbox({"a": LUNCH, "b": NEWS})

    result = await sorter(database, mailbox).sort(ann, limit=1)

    assert (result.processed, set(mailbox.inbox)) == (1, {"b"})


async def test_no_subject_sender_or_body_is_logged(
    database: Database, ann: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "app")

    await sorter(database, MemoryMailbox({"a": LUNCH, "c": ROOF, "x": BAD})).sort(ann)

    assert "A mail was set aside" in caplog.text
    assert not [word for word in ("canary", "roof", "eve@", "no mail") if word in caplog.text]


async def test_another_user_sees_none_of_it(database: Database, ann: User) -> None:
    bob = await Users(database).add(name="Bob", address="bob@example.org")

    await sorter(database, MemoryMailbox({"a": LUNCH})).sort(ann)

    assert await IncomingMails(database).of(bob.id) == ()


@pytest.mark.case(59)
async def test_hostile_files_in_a_real_maildir_are_all_dealt_with(
    database: Database, ann: User, tmp_path: Path
) -> None:
    new = tmp_path / "inbox/new"
    new.mkdir(parents=True)
    multipart = b'From: b@x.org\nContent-Type: multipart/mixed; boundary="b"\n\n'
    part = b'--b\nContent-Type: multipart/mixed; boundary="b"\n\n'
    (new / "1.deep").write_bytes(multipart + part * 1000)
    (new / "2.charset").write_bytes(b"From: b@x.org\nSubject: =?nope?q?Hi?=\n\n\xff\xfe")
    (new / "3.name").write_bytes(
        multipart + b'--b\nContent-Disposition: attachment; filename="../../../x"\n\nHi\n--b--'
    )
    (new / "4.empty").write_bytes(b"")
    (new / "5.link").symlink_to("/etc/passwd")
    (new / "6.folder").mkdir()
    (new / "7.last").write_bytes(LUNCH)

    result = await sorter(database, MaildirMailbox(tmp_path)).sort(ann)

    assert (result.processed, result.filed, result.failed) == (7, 4, 3)
    assert os.listdir(new) == []
    folders = {name for name in os.listdir(tmp_path) if not name.startswith("steward.db")}
    assert folders == {"inbox", "personal", "aside"}
