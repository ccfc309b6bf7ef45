"""All mailboxes that are sorted, one after the other."""

import pytest

from app.services.mail.errors import MailTrouble
from app.services.mail.filing import file_all
from app.services.mail.mail_sorted import SortStatus
from app.services.mail.memory import MemoryMailbox
from app.storage.database import Database
from app.storage.users import User
from tests.services.notifications.heralds import herald_at

LUNCH = b"From: Bob <bob@example.org>\nSubject: Lunch\n\nHi"
NEWS = b"From: n@example.org\nSubject: News\nList-Id: <n.example.org>\n\nHi"


async def test_each_mailbox_is_sorted_but_those_that_are_left_alone(
    database: Database, ann: User
) -> None:
    one, two = MemoryMailbox({"a": LUNCH}), MemoryMailbox({"b": LUNCH, "c": NEWS}, name="two")
    alone = MemoryMailbox({"d": NEWS}, is_sorted=False)

    done = await file_all(database, (one, two, alone), herald_at(database), ann)

    assert (done.status, done.mailboxes, done.filed) == (SortStatus.SUCCESS, 2, 3)
    assert done.categories == {"personal": 2, "newsletters": 1}
    assert set(alone.inbox) == {"d"}


async def test_one_that_is_away_keeps_no_other_from_it(database: Database, ann: User) -> None:
    away = MemoryMailbox(name="away", closed=MailTrouble("imap: no answer"))

    done = await file_all(database, (away, MemoryMailbox({"a": LUNCH})), herald_at(database), ann)

    assert (done.status, done.mailboxes_failed, done.filed) == (SortStatus.PARTIAL_SUCCESS, 1, 1)
    assert done.errors == ("away: imap: no answer",)


async def test_when_all_are_away_it_is_an_error(database: Database, ann: User) -> None:
    away = MemoryMailbox(closed=MailTrouble("imap: no answer"))

    with pytest.raises(MailTrouble, match="imap: no answer"):
        await file_all(database, (away,), herald_at(database), ann)


async def test_a_mailbox_that_goes_away_in_the_middle_is_not_asked_for_every_mail(
    database: Database, ann: User
) -> None:
    mailbox = MemoryMailbox({str(n): LUNCH for n in range(9)}, failing=MailTrouble("imap: cut"))

    with pytest.raises(MailTrouble, match="imap: cut"):
        await file_all(database, (mailbox,), herald_at(database), ann)

    assert len(mailbox.inbox) == 9
