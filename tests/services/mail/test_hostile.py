"""Mail and servers that mean harm: nothing crashes, is lost, or grows without limit."""

import importlib.util
import resource
from pathlib import Path
from time import perf_counter

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.mail.errors import BadLetter, MailTrouble
from app.services.mail.imap import ImapMailbox
from app.services.mail.letter import HEAD, Letter
from app.services.mail.local import MaildirMailbox
from app.services.mail.sorter import Sorter
from app.services.mail.sync import MailSync
from app.storage.database import Database
from app.storage.incoming_mail import IncomingMails
from app.storage.mailbox_entry import MailboxEntry
from app.storage.mailboxes import Mailboxes
from app.storage.sync_history import SyncOutcome
from app.storage.users import User
from tests.plugins.cases import Case
from tests.services.mail import scripted_imap
from tests.services.mail.scripted_imap import Answer, Script, scripted
from tests.services.notifications.heralds import herald_at

pytestmark = pytest.mark.case(59)


def numbered(count: int) -> dict[int, bytes]:
    """Ordinary mails."""
    return {
        n: b"From: Bob <bob@example.org>\r\nSubject: %d\r\n\r\nHi" % n for n in range(1, count + 1)
    }


def nested(depth: int) -> bytes:
    """A mail in a mail in a mail."""
    lines = ["From: bob@example.org", "Subject: deep"]
    for n in range(depth):
        lines += [f'Content-Type: multipart/mixed; boundary="{n}"', "", f"--{n}"]
    return "\r\n".join(lines).encode()


HOSTILE = {
    "nested": nested(1_000),
    "a long line": b"From: bob@example.org\r\nSubject: " + b"x" * 200_000 + b"\r\n\r\nHi",
    "many fields": b"From: bob@example.org\r\n" + b"X: y\r\n" * 20_000 + b"\r\nHi",
    "no such charset": b"From: bob@example.org\r\nSubject: =?no-such?q?=FF?=\r\n\r\nHi",
    "broken base64": b"From: bob@example.org\r\nSubject: =?utf-8?b?####?=\r\n\r\nHi",
    "raw bytes": b"From: bob@example.org\r\nSubject: \xff\xfe\x00\x1b[2J\r\n\r\nHi",
    "a forged header": b"From: bob@example.org\r\nSubject: =?utf-8?q?a=0D=0ABcc:_x?=\r\n\r\nHi",
    "a path": b"From: bob@example.org\r\nMessage-ID: <../../../x>\r\n\r\nHi",
    "many encoded words": b"From: bob@example.org\r\nSubject: " + b"=?x?q?" * 30_000 + b"\r\n\r\n",
    "no line ends": b"From: bob@example.org\rSubject: x\r\rHi",
    "two senders": b"From: bob@example.org\r\nFrom: eve@example.org\r\n\r\nHi",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_mail_is_a_letter_in_no_time(name: str) -> None:
    started = perf_counter()

    letter = Letter.parse(HOSTILE[name], key=name)

    assert perf_counter() - started < 2
    assert letter.sender.startswith("bob@example.org")
    assert letter.subject.isprintable()
    assert all(value.isprintable() for value in letter.headers.values())


@given(st.binary(max_size=400))
def test_any_bytes_are_a_letter_or_none(mail: bytes) -> None:
    try:
        letter = Letter.parse(b"From: bob@example.org\r\n" + mail, key="k")
    except BadLetter:
        return
    assert letter.subject.isprintable()


def messages_of_python() -> list[Path]:
    """The mails that Python's own tests are about; not every Python has its tests."""
    found = importlib.util.find_spec("test.test_email")
    if found is None or found.origin is None:
        pytest.skip("this Python has no test.test_email: install the one with its tests")
    return sorted((Path(found.origin).parent / "data").glob("*.txt"))


def contents(folder: Path) -> list[bytes]:
    """Every file below it."""
    return sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_pythons_own_test_mails_are_all_imported(
    database: Database, ann: User, tmp_path: Path, case: Case
) -> None:
    mails = messages_of_python()
    folder = tmp_path / "mail"
    new = folder / "inbox/new"
    new.mkdir(parents=True)
    for each in mails:
        (new / f"1.{each.stem}").write_bytes(each.read_bytes())
    mailbox = MaildirMailbox(folder)

    synced = await MailSync(database, [mailbox]).sync(ann)
    filed = await Sorter(database, mailbox, herald_at(database)).sort(ann)

    assert len(mails) > 40
    assert synced.new == len(mails) == filed.processed == filed.filed + filed.failed
    assert synced.failed == filed.failed
    assert len(await IncomingMails(database).of(ann.id, limit=500)) == filed.filed
    assert contents(folder) == sorted(each.read_bytes() for each in mails)
    case.says(
        f"Python's own {len(mails)} test mails are imported",
        steward=f"{filed.filed} filed, {filed.failed} set aside with a reason, 0 lost",
    )


async def stored(database: Database, user: User, script: Script) -> list[MailboxEntry]:
    return [*await Mailboxes(database).entries(user.id, script.account.name)]


@pytest.mark.parametrize(
    "fault",
    [scripted_imap.ten_gigabytes, scripted_imap.cut, scripted_imap.nonsense],
    ids=["10 GB", "cut", "nonsense"],
)
async def test_a_mail_that_the_server_does_not_give_is_stored_as_that_and_the_rest_are_had(
    database: Database, ann: User, fault: Answer, case: Case
) -> None:
    memory = psutil.Process().memory_info().rss
    async with scripted(Script(numbered(20), {5: fault})) as script:
        synced = await MailSync(database, [ImapMailbox(script.account)]).sync(ann)

        assert (synced.status, synced.new, synced.failed) == (SyncOutcome.PARTIAL_SUCCESS, 20, 1)
        script.faults.clear()
        again = await MailSync(database, [ImapMailbox(script.account)]).sync(ann)
        assert (again.new, again.unchanged) == (0, 20)

    found = await stored(database, ann, script)
    assert [each.number for each in found if each.problem] == [5]
    assert {each.subject for each in found} - {""} == {str(n) for n in range(1, 21) if n != 5}
    grown = (psutil.Process().memory_info().rss - memory) / 1_048_576
    assert grown < 64
    case.says(
        f"of 20 mails by IMAP one is {fault.__name__.replace('_', ' ')}",
        steward=f"19 had, 1 kept with the reason, {script.dials - 1} calls, {grown:.0f} MiB more",
    )


@pytest.mark.parametrize("fault", [scripted_imap.dripping, scripted_imap.endless])
async def test_a_server_that_never_ends_is_given_up(
    database: Database, ann: User, fault: Answer
) -> None:
    started = perf_counter()
    async with scripted(Script(numbered(8), dict.fromkeys(range(1, 9), fault))) as script:
        synced = await MailSync(database, [ImapMailbox(script.account)]).sync(ann)

    assert synced.status is SyncOutcome.FAILED
    assert perf_counter() - started < 20
    with pytest.raises(MailTrouble):
        synced.raise_if_all_failed()
    assert await stored(database, ann, script) == []


@pytest.mark.parametrize(
    "greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"* BYE go away\r\n", b"\xff" * 99]
)
async def test_what_is_no_imap_server_is_a_trouble(
    database: Database, ann: User, greeting: bytes
) -> None:
    async with scripted(Script(greeting=greeting)) as script:
        synced = await MailSync(database, [ImapMailbox(script.account)]).sync(ann)

    assert synced.status is SyncOutcome.FAILED
    assert "canary" not in str(synced)


async def test_two_mails_that_claim_one_message_id_are_two_mails(
    database: Database, ann: User
) -> None:
    twice = b"From: bob@example.org\r\nMessage-ID: <1@x>\r\nSubject: %d\r\n\r\nHi"
    mails = {1: twice % 1, 2: twice % 2, 3: twice % 2}
    async with scripted(Script(mails)) as script:
        synced = await MailSync(database, [ImapMailbox(script.account)]).sync(ann)

    assert synced.new == 3
    assert [each.message_id for each in await stored(database, ann, script)] == ["<1@x>"] * 3


async def test_a_mail_of_200_megabytes_costs_its_first(
    database: Database, ann: User, tmp_path: Path
) -> None:
    new = tmp_path / "inbox/new"
    new.mkdir(parents=True)
    with (new / "1.large").open("wb") as file:
        file.write(b"From: bob@example.org\r\nSubject: large\r\n\r\n")
        file.truncate(200 * HEAD)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    synced = await MailSync(database, [MaildirMailbox(tmp_path)]).sync(ann)

    assert (synced.new, synced.failed) == (1, 0)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 64
