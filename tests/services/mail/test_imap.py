"""An IMAP account on a real server: what is read, what is moved, and what is said when it fails."""

import logging
import ssl
from collections.abc import Generator
from dataclasses import replace

import pytest

from app.services.mail.errors import BadLetter, LetterGone, LoginRefused, MailTrouble
from app.services.mail.filing import file_all
from app.services.mail.imap import Account, ImapMailbox
from app.services.mail.mailbox import Head
from app.services.mail.rules import Category
from app.services.mail.security import Security
from app.services.mail.sync import MailSync
from app.storage.database import Database
from app.storage.users import User
from tests.dovecot import CERTIFICATE, PASSWORD, Dovecot, dovecot
from tests.services.mail.capture import EXPIRED
from tests.services.notifications.heralds import herald_at

LUNCH = b"From: Bob <bob@example.org>\r\nSubject: Lunch\r\nMessage-ID: <1@x>\r\n\r\nHi"
NEWS = b"From: n@example.org\r\nSubject: News\r\nList-Id: <n.example.org>\r\n\r\nHi"
PLAIN = "IMAP4rev1 UIDPLUS NAMESPACE"
POOR = "IMAP4rev1"
KINDS = ("", PLAIN, POOR)


@pytest.fixture(scope="module", params=KINDS, ids=["MOVE", "UIDPLUS", "neither"])
def any_server(request: pytest.FixtureRequest) -> Generator[Dovecot]:
    """A server with all it can do, one that can't move, one that can't even expunge one mail."""
    with dovecot(offers=request.param) as server:
        yield server


@pytest.fixture(scope="module")
def server() -> Generator[Dovecot]:
    with dovecot(tls=True) as server:
        yield server


@pytest.fixture
def trust() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(CERTIFICATE))


async def test_what_lies_in_the_folder_is_listed_and_read(server: Dovecot) -> None:
    account = server.account()
    server.put(account, LUNCH, NEWS)

    async with ImapMailbox(account).open(writes=False) as opened:
        slips = await opened.slips()
        heads = await opened.heads([each.name for each in slips])

    assert [(each.place, each.number, each.size) for each in slips] == [
        ("1", 1, len(LUNCH)),
        ("2", 2, len(NEWS)),
    ]
    assert [each.letter().subject for each in heads.values() if isinstance(each, Head)] == [
        "Lunch",
        "News",
    ]


async def test_looking_changes_nothing(server: Dovecot) -> None:
    account = server.account()
    server.put(account, LUNCH)

    async with ImapMailbox(account).open(writes=False) as opened:
        await opened.heads(["1"])

    assert b"\\Seen" not in server.flags(account, 1)


async def test_a_mail_that_is_gone_is_missing(server: Dovecot) -> None:
    async with ImapMailbox(server.account()).open(writes=True) as opened:
        assert await opened.heads(["7"]) == {}
        with pytest.raises(LetterGone):
            await opened.read("7")
        await opened.file("7", Category.PERSONAL)


async def test_only_the_first_megabyte_of_a_mail_is_asked_for(server: Dovecot) -> None:
    account = server.account()
    server.put(account, LUNCH + b"x" * 3_000_000)

    async with ImapMailbox(account).open(writes=False) as opened:
        (slip,) = await opened.slips()
        head = (await opened.heads(["1"]))["1"]

    assert slip.size > 3_000_000
    assert isinstance(head, Head)
    assert len(head.content) == 1_048_576


async def test_a_mail_is_moved_into_the_folder_of_its_category(any_server: Dovecot) -> None:
    account = any_server.account()
    any_server.put(account, LUNCH, NEWS, b"x")

    async with ImapMailbox(account).open(writes=True) as opened:
        assert await opened.waiting(limit=2) == ("1", "2")
        await opened.file("1", Category.PERSONAL)
        await opened.file("2", Category.NEWSLETTERS)
        with pytest.raises(BadLetter):
            await opened.read("3")
        await opened.set_aside("3")

    assert any_server.where(account) == {"": 0, "personal": 1, "newsletters": 1, "aside": 1}


async def test_a_mail_is_moved_once_however_often_it_is_tried(any_server: Dovecot) -> None:
    account = any_server.account()
    any_server.put(account, LUNCH, LUNCH)

    for _ in range(2):
        async with ImapMailbox(account).open(writes=True) as opened:
            await opened.file("1", Category.PERSONAL)
            await opened.file("1", Category.PERSONAL)

    assert any_server.where(account) == {"": 1, "personal": 1}


async def test_a_copy_that_a_crash_has_left_is_the_move_half_done() -> None:
    with dovecot(offers=PLAIN) as server:
        account = server.account()
        server.put(account, LUNCH, NEWS)
        with server.mailbox(account) as client:
            client.create_folder("Steward.personal")
            client.copy([1], "Steward.personal")

        async with ImapMailbox(account).open(writes=True) as opened:
            await opened.file("1", Category.PERSONAL)
            await opened.file("2", Category.PERSONAL)

        assert server.where(account) == {"": 0, "personal": 2}


RIGHTS = """
mail_plugins = acl
plugin {
  acl = vfile
}
"""


@pytest.mark.parametrize("offers", KINDS[:2], ids=["MOVE", "UIDPLUS"])
async def test_a_folder_that_takes_no_mail_holds_up_no_other_and_no_other_account(
    database: Database, ann: User, offers: str
) -> None:
    with dovecot(offers=offers, more=RIGHTS) as server:
        account, other = server.account(), server.account()
        server.put(account, *[NEWS + b"%d" % number for number in range(7)], LUNCH)
        server.put(other, LUNCH)
        with server.mailbox(account) as client:
            client.create_folder("Steward.newsletters")
        home = server.folder / "mail" / account.username
        (home / ".Steward.newsletters/dovecot-acl").write_text("owner lr\n")
        boxes = [ImapMailbox(account), ImapMailbox(other)]

        done = await file_all(database, boxes, herald_at(database), ann)
        again = await file_all(database, boxes, herald_at(database), ann)

        assert server.where(account) == {"": 7, "newsletters": 0, "personal": 1}
        assert server.where(other) == {"": 0, "personal": 1}
    assert (done.filed, done.refused, done.mailboxes_failed) == (2, 7, 0)
    assert (again.processed, again.refused, again.errors) == (0, 7, done.errors)
    (line,) = done.errors
    assert line.startswith("imap: localhost: Steward/newsletters does not take it: ")
    assert "[NOPERM]" in line
    assert line.endswith("tried again in an hour: mail 1, 2, 3, 4, 5 and 2 more")


async def test_mail_that_somebody_else_has_marked_as_deleted_is_not_expunged() -> None:
    with dovecot(offers=POOR) as server:
        account = server.account()
        server.put(account, LUNCH, NEWS)
        with server.mailbox(account) as client:
            client.add_flags([2], ["\\Deleted"])

        async with ImapMailbox(account).open(writes=True) as opened:
            assert await opened.waiting(limit=9) == ("1",)
            await opened.file("1", Category.PERSONAL)
            await opened.file("1", Category.PERSONAL)
            assert await opened.waiting(limit=9) == ()

        assert server.where(account) == {"": 2, "personal": 1}


async def test_mail_behind_much_that_is_marked_as_deleted_waits_all_the_same(
    server: Dovecot,
) -> None:
    account = server.account()
    server.put(account, LUNCH, LUNCH, NEWS, LUNCH)
    with server.mailbox(account) as client:
        client.add_flags([1, 2], ["\\Deleted"])

    async with ImapMailbox(account).open(writes=False) as opened:
        assert await opened.waiting(limit=1) == ("3",)
        assert await opened.waiting(limit=9) == ("3", "4")


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_the_line_is_protected(
    server: Dovecot, trust: ssl.SSLContext, security: Security
) -> None:
    account = replace(server.account(security=security), trust=trust)

    assert "accepts the login of ann-" in await ImapMailbox(account).check()


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_a_certificate_that_nobody_vouches_for_is_refused(
    server: Dovecot, security: Security
) -> None:
    account = server.account(security=security)

    with pytest.raises(
        LoginRefused, match=r"can't be verified: self-signed .*; check .*IMAP__HOST"
    ):
        await ImapMailbox(account).check()


async def test_what_keeps_a_mailbox_from_being_read_is_one_line_of_the_result(
    database: Database, ann: User
) -> None:
    with dovecot(tls=True, shows=EXPIRED) as server:
        trust = ssl.create_default_context(cafile=str(EXPIRED))
        expired = replace(server.account(security=Security.TLS), trust=trust)
        refused = replace(server.account(), password="wrong")
        boxes = [ImapMailbox(expired), ImapMailbox(refused), ImapMailbox(server.account())]

        synced = await MailSync(database, boxes).sync(ann)

    one, two = synced.errors
    assert (synced.mailboxes_failed, synced.mailboxes_refused) == (2, 2)
    assert one.endswith(
        "can't be verified: certificate has expired; check STEWARD_MAIL__IMAP__HOST"
    )
    assert two.endswith(
        f"login of {refused.username} refused; "
        "check STEWARD_MAIL__IMAP__USERNAME and STEWARD_MAIL__IMAP__PASSWORD"
    )
    assert "\n" not in one + two


@pytest.mark.parametrize("password", ["wrong-canary", "canary\r\na LOGOUT", "wröng-canary"])
async def test_a_refused_login_names_the_settings_and_no_password(
    server: Dovecot, password: str
) -> None:
    account = replace(server.account("ann"), password=password)

    with pytest.raises(LoginRefused, match=r"check STEWARD_MAIL__IMAP__USERNAME and") as refused:
        await ImapMailbox(account).check()

    assert "canary" not in str(refused.value) + repr(account)


async def test_a_folder_that_is_not_there_names_its_setting(server: Dovecot) -> None:
    account = replace(server.account(), folder="Nowhere")

    with pytest.raises(LoginRefused, match=r"no folder 'Nowhere'.*check .*IMAP__FOLDER"):
        await ImapMailbox(account).check()


async def test_a_server_that_is_away_is_a_trouble_of_now() -> None:
    account = Account(host="127.0.0.1", port=1, username="ann", password=PASSWORD)

    with pytest.raises(MailTrouble, match=r"no answer from 127\.0\.0\.1:1; check .*IMAP__HOST"):
        await ImapMailbox(account).check()


async def test_a_server_without_starttls_is_not_trusted_with_a_password() -> None:
    with dovecot() as server:
        account = server.account(security=Security.STARTTLS)

        with pytest.raises(LoginRefused, match="the server offers no STARTTLS"):
            await ImapMailbox(account).check()


async def test_the_loudest_log_holds_no_password_and_no_mail(
    server: Dovecot, caplog: pytest.LogCaptureFixture
) -> None:
    account = server.account()
    server.put(account, LUNCH)
    caplog.clear()
    caplog.set_level(logging.DEBUG)

    async with ImapMailbox(account).open(writes=True) as opened:
        await opened.heads(["1"])
        await opened.file("1", Category.PERSONAL)

    assert server.where(account) == {"": 0, "personal": 1}
    ours = [each.getMessage() for each in caplog.records if each.name != "imapclient.imapclient"]
    assert PASSWORD not in caplog.text
    assert "Lunch" not in "".join(ours)
