"""Mailboxes and the database in step, on a real IMAP server and in a folder."""

import os
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.services.mail.errors import LoginRefused, MailTrouble
from app.services.mail.imap import Account, ImapMailbox
from app.services.mail.local import MaildirMailbox
from app.services.mail.mailbox import Mailbox
from app.services.mail.memory import MemoryMailbox
from app.services.mail.sorter import Sorter
from app.services.mail.sync import MailSync
from app.services.mail.synced import MailSynced
from app.storage.database import Database
from app.storage.mailbox_entry import MailboxEntry
from app.storage.mailboxes import Mailboxes
from app.storage.sync_history import SyncHistory, SyncOutcome
from app.storage.users import User
from tests.dovecot import Dovecot, dovecot
from tests.services.notifications.heralds import herald_at

LUNCH = b"From: Bob <bob@example.org>\r\nSubject: Lunch\r\nMessage-ID: <1@x>\r\n\r\nHi"
NEWS = b"From: n@example.org\r\nSubject: News\r\nList-Id: <n.example.org>\r\n\r\nHi"
ROOF = b"From: Eve <eve@example.org>\r\nSubject: URGENT: the roof\r\nMessage-ID: <1@x>\r\n\r\nHi"


@pytest.fixture(scope="module")
def server() -> Generator[Dovecot]:
    with dovecot() as running:
        yield running


@pytest.fixture
def account(server: Dovecot) -> Account:
    return server.account()


def told(synced: MailSynced) -> dict[str, Any]:
    """What is not zero, but the time it took and the number of mailboxes."""
    fields = ("new", "updated", "deleted", "moved", "unchanged", "failed", "mailboxes_failed")
    counts = {name: getattr(synced, name) for name in fields}
    return {name: count for name, count in counts.items() if count}


async def stored(database: Database, user: User, mailbox: Mailbox) -> Sequence[MailboxEntry]:
    return await Mailboxes(database).entries(user.id, mailbox.name)


async def test_what_is_new_changed_and_deleted_is_counted_once(
    database: Database, ann: User, server: Dovecot, account: Account
) -> None:
    mailbox = ImapMailbox(account)
    sync = MailSync(database, [mailbox])
    server.put(account, LUNCH, NEWS, ROOF)

    assert told(await sync.sync(ann)) == {"new": 3}
    assert told(await sync.sync(ann)) == {"unchanged": 3}

    server.put(account, LUNCH)
    with server.mailbox(account) as client:
        client.add_flags([2], ["\\Seen"])
        client.delete_messages([1])
        client.expunge()

    assert told(await sync.sync(ann)) == {"new": 1, "updated": 1, "deleted": 1, "unchanged": 1}
    assert told(await sync.sync(ann)) == {"unchanged": 3}
    kept = await stored(database, ann, mailbox)
    assert [(each.number, each.subject, each.flags) for each in kept] == [
        (2, "News", "\\Seen"),
        (3, "URGENT: the roof", ""),
        (4, "Lunch", ""),
    ]
    assert [each.category for each in kept] == ["newsletters", "important", "personal"]
    assert kept[0].reason == "it says how to unsubscribe"


async def test_new_numbers_for_the_same_mails_are_no_new_mails(
    database: Database, ann: User, server: Dovecot, account: Account
) -> None:
    mailbox = ImapMailbox(account)
    sync = MailSync(database, [mailbox])
    server.put(account, LUNCH, NEWS, NEWS, ROOF)
    await sync.sync(ann)
    with server.mailbox(account) as client:
        client.delete_messages([1])
        client.expunge()
    server.number_anew(account)
    server.put(account, LUNCH.replace(b"Lunch", b"Supper"))

    assert told(await sync.sync(ann)) == {"new": 1, "deleted": 1, "unchanged": 3}
    assert told(await sync.sync(ann)) == {"unchanged": 4}
    kept = await stored(database, ann, mailbox)
    assert sorted(each.subject for each in kept) == ["News", "News", "Supper", "URGENT: the roof"]


async def test_a_mail_that_steward_has_filed_was_not_deleted(
    database: Database, ann: User, server: Dovecot, account: Account
) -> None:
    mailbox = ImapMailbox(account)
    sync = MailSync(database, [mailbox])
    server.put(account, LUNCH, NEWS)
    await sync.sync(ann)

    filed = await Sorter(database, mailbox, herald_at(database)).sort(ann)

    assert (filed.filed, filed.categories) == (2, {"personal": 1, "newsletters": 1})
    assert told(await sync.sync(ann)) == {"moved": 2}
    assert server.holds(account, "Steward.newsletters") == 1
    again = await Sorter(database, mailbox, herald_at(database)).sort(ann)
    assert again.processed == 0


async def test_a_mail_that_can_not_be_read_is_stored_with_the_reason_and_the_rest_are_synced(
    database: Database, ann: User, server: Dovecot, account: Account
) -> None:
    mailbox = ImapMailbox(account)
    server.put(account, LUNCH, b"no header at all", NEWS)

    synced = await MailSync(database, [mailbox]).sync(ann)

    assert (synced.status, told(synced)) == (
        SyncOutcome.PARTIAL_SUCCESS,
        {"new": 3, "failed": 1},
    )
    assert synced.errors == (f"{mailbox.name}: mail 2: it does not say who sent it",)
    bad = (await stored(database, ann, mailbox))[1]
    assert (bad.problem, bad.category) == ("it does not say who sent it", "")


@pytest.mark.case(59)
async def test_a_sync_that_died_goes_on_where_it_was(
    database: Database, ann: User, server: Dovecot, account: Account
) -> None:
    mails = [LUNCH.replace(b"Lunch", b"Lunch %d" % n) for n in range(20)]
    server.put(account, *mails)
    dying = DyingMailbox(account, after=2)

    with pytest.raises(KeyboardInterrupt):
        await MailSync(database, [dying]).sync(ann)

    found = await stored(database, ann, dying)
    box, state = await Mailboxes(database).ensure(ann.id, dying.name)
    assert (len(found), state.last) == (16, 16)
    assert told(await MailSync(database, [ImapMailbox(account)]).sync(ann)) == {
        "new": 4,
        "unchanged": 16,
    }
    assert await Mailboxes(database).count(box) == 20
    first, second = await SyncHistory(database, "mail").latest()
    assert (first.outcome, second.outcome) == (SyncOutcome.SUCCESS, SyncOutcome.INTERRUPTED)


async def test_a_folder_of_the_home_is_synced_as_well(
    database: Database, ann: User, tmp_path: Path
) -> None:
    new = tmp_path / "inbox/new"
    new.mkdir(parents=True)
    for name, mail in (("1.a", LUNCH), ("2.b", NEWS), ("3.c", b"\0")):
        (new / name).write_bytes(mail)
    sync = MailSync(database, [MaildirMailbox(tmp_path)])

    assert told(await sync.sync(ann)) == {"new": 3, "failed": 1}

    (tmp_path / "inbox/cur").mkdir()
    (new / "1.a").rename(tmp_path / "inbox/cur/1.a:2,S")
    (new / "2.b").unlink()
    assert told(await sync.sync(ann)) == {"updated": 1, "deleted": 1, "unchanged": 1}
    assert told(await sync.sync(ann)) == {"unchanged": 2}


async def test_files_whose_names_are_no_text_are_mails_of_their_own(
    database: Database, ann: User, tmp_path: Path
) -> None:
    new = tmp_path / "inbox/new"
    new.mkdir(parents=True)
    for name in (b"1.\xff", b"1.\xfe", b"1.\n", b"1.?"):
        (new / os.fsdecode(name)).write_bytes(LUNCH)
    sync = MailSync(database, [MaildirMailbox(tmp_path)])

    assert told(await sync.sync(ann)) == {"new": 4}
    assert told(await sync.sync(ann)) == {"unchanged": 4}


async def test_a_mailbox_that_is_away_keeps_no_other_from_it(database: Database, ann: User) -> None:
    away = MemoryMailbox(name="away", closed=MailTrouble("imap: no answer"))
    sync = MailSync(database, [away, MemoryMailbox({"a": LUNCH})])

    synced = await sync.sync(ann)

    assert (synced.status, told(synced)) == (
        SyncOutcome.PARTIAL_SUCCESS,
        {"new": 1, "mailboxes_failed": 1},
    )
    assert synced.errors == ("away: imap: no answer",)
    synced.raise_if_all_failed()
    fine, failed = await SyncHistory(database, "mail").latest()
    assert (fine.source, fine.outcome, fine.counts.new) == ("memory", SyncOutcome.SUCCESS, 1)
    assert (failed.source, failed.outcome) == ("away", SyncOutcome.FAILED)
    assert failed.errors == ("away: imap: no answer",)


@pytest.mark.parametrize("error", [MailTrouble("imap: away"), LoginRefused("imap: refused")])
async def test_mailboxes_that_all_fail_are_an_error_of_the_kind_it_was(
    database: Database, ann: User, error: MailTrouble | LoginRefused
) -> None:
    synced = await MailSync(database, [MemoryMailbox(closed=error)]).sync(ann)

    with pytest.raises(type(error), match=str(error)):
        synced.raise_if_all_failed()


async def test_without_any_mailbox_it_is_not_configured(database: Database, ann: User) -> None:
    synced = await MailSync(database, []).sync(ann)

    assert synced == MailSynced(status=SyncOutcome.NOT_CONFIGURED)
    (past,) = await SyncHistory(database, "mail").latest()
    assert past.outcome is SyncOutcome.NOT_CONFIGURED
    synced.raise_if_all_failed()


async def test_a_sync_takes_as_long_as_it_took(database: Database, ann: User) -> None:
    synced = await MailSync(database, [MemoryMailbox({"a": LUNCH})]).sync(ann)

    assert 0 < synced.duration < 30
    assert replace(synced, duration=0.0).status is SyncOutcome.SUCCESS


class DyingMailbox(ImapMailbox):
    """Dies in the middle, as a process does that is killed: after so many answers."""

    def __init__(self, account: Account, *, after: int) -> None:
        super().__init__(account)
        self._left = after

    def open(self, *, writes: bool) -> Any:
        """The same, with heads that are had so many times."""
        opening = super().open(writes=writes)
        return _Dying(opening, self._left)


class _Dying:
    def __init__(self, opening: Any, left: int) -> None:
        self._opening, self._left = opening, left

    async def __aenter__(self) -> Any:
        opened = await self._opening.__aenter__()
        heads = opened.heads

        async def few(names: Sequence[str]) -> Any:
            self._left -= 1
            if self._left < 0:
                raise KeyboardInterrupt
            return await heads(names)

        opened.heads = few
        return opened

    async def __aexit__(self, *error: Any) -> Any:
        return await self._opening.__aexit__(*error)
