import logging

import pytest

from app.services.mail.errors import LoginRefused, MailTrouble
from app.services.mail.memory import MemorySender
from app.services.mail.outbox import Outbox
from app.services.notifications import (
    Channel,
    Delivered,
    DeliveryStatus,
    Letter,
    Notifier,
    Told,
)
from app.storage.database import Database
from app.storage.notifications import Notices
from app.storage.outgoing_mail import MailStatus, OutgoingMails
from app.storage.users import User, Users

ALL = (Channel.IN_APP, Channel.EMAIL, Channel.SMS)
IN_APP, EMAIL = (Channel.IN_APP,), (Channel.EMAIL,)


@pytest.fixture
def sender() -> MemorySender:
    return MemorySender()


@pytest.fixture
def notifications(database: Database, sender: MemorySender) -> Notifier:
    return Notifier(database, Outbox(database, sender))


@pytest.fixture
async def ann(database: Database) -> User:
    return await Users(database).add(name="Ann", address="ann@example.org")


def statuses(results: tuple[Delivered, ...]) -> dict[Channel, DeliveryStatus]:
    return {result.channel: result.status for result in results}


async def test_each_channel_has_its_own_result(
    notifications: Notifier, database: Database, sender: MemorySender, ann: User
) -> None:
    results = await notifications.send(ann, "Hi", "Call Bob.", channels=ALL, dedupe_key="k")

    assert statuses(results) == {
        Channel.IN_APP: DeliveryStatus.DELIVERED,
        Channel.EMAIL: DeliveryStatus.DELIVERED,
        Channel.SMS: DeliveryStatus.NOT_CONFIGURED,
    }
    (notice,) = await Notices(database).of(ann.id)
    (mail,) = sender.sent.values()
    assert (notice.title, notice.body) == (mail.subject, mail.body) == ("Hi", "Call Bob.")
    assert mail.to == (ann.address,)


async def test_only_the_chosen_channels_are_used(
    notifications: Notifier, sender: MemorySender, ann: User
) -> None:
    results = await notifications.send(ann, "Hi", "", channels=IN_APP * 2, dedupe_key="k")

    assert statuses(results) == {Channel.IN_APP: DeliveryStatus.DELIVERED}
    assert len(results) == 1
    assert sender.sent == {}


async def test_a_repeat_tells_nothing_new(
    notifications: Notifier, database: Database, sender: MemorySender, ann: User
) -> None:
    for _ in range(3):
        await notifications.send(ann, "Hi", "", channels=ALL, dedupe_key="k")

    assert len(await Notices(database).of(ann.id)) == 1
    assert len(sender.sent) == 1


async def test_one_key_tells_each_user_once(
    notifications: Notifier, database: Database, sender: MemorySender, ann: User
) -> None:
    bob = await Users(database).add(name="Bob", address="bob@example.org")

    for user in (ann, bob):
        await notifications.send(user, "Hi", "", channels=ALL, dedupe_key="k")

    assert sorted(mail.to[0] for mail in sender.sent.values()) == [ann.address, bob.address]
    assert len(await Notices(database).of(bob.id)) == 1


@pytest.mark.parametrize("error", [MailTrouble("busy"), LoginRefused("no"), TimeoutError("slow")])
async def test_a_dead_channel_keeps_no_other_from_working(
    notifications: Notifier, sender: MemorySender, ann: User, error: Exception
) -> None:
    sender.failing = error

    results = await notifications.send(
        ann, "Hi", "", channels=(Channel.EMAIL, Channel.IN_APP), dedupe_key="k"
    )

    assert statuses(results) == {
        Channel.EMAIL: DeliveryStatus.FAILED,
        Channel.IN_APP: DeliveryStatus.DELIVERED,
    }
    assert results[0].detail == str(error)


async def test_a_repeat_reaches_the_channel_that_failed(
    notifications: Notifier, sender: MemorySender, ann: User
) -> None:
    sender.failing = MailTrouble("busy")
    await notifications.send(ann, "Hi", "", channels=EMAIL, dedupe_key="k")

    sender.failing = None
    results = await notifications.send(ann, "Hi", "", channels=EMAIL, dedupe_key="k")

    assert statuses(results) == {Channel.EMAIL: DeliveryStatus.DELIVERED}
    assert len(sender.sent) == 1


async def test_who_wants_no_mail_gets_none(
    notifications: Notifier, database: Database, sender: MemorySender
) -> None:
    eve = await Users(database).add(name="Eve", address="eve@example.org", wants_mail=False)

    results = await notifications.send(eve, "Hi", "", channels=EMAIL, dedupe_key="k")

    assert statuses(results) == {Channel.EMAIL: DeliveryStatus.DECLINED}
    assert sender.sent == {}


async def test_without_an_outbox_mail_is_not_configured(database: Database, ann: User) -> None:
    results = await Notifier(database).send(ann, "Hi", "", channels=EMAIL, dedupe_key="k")

    assert statuses(results) == {Channel.EMAIL: DeliveryStatus.NOT_CONFIGURED}


@pytest.mark.case(60)
async def test_any_title_becomes_one_short_line(
    notifications: Notifier, database: Database, ann: User
) -> None:
    title = "Hi\r\nBcc: eve@example.org\0 " + "x" * 1000

    results = await notifications.send(ann, title, "a\0b\nc\ud800", channels=ALL, dedupe_key="k")

    (notice,) = await Notices(database).of(ann.id)
    assert statuses(results)[Channel.EMAIL] is DeliveryStatus.DELIVERED
    assert notice.title.startswith("Hi Bcc: eve@example.org x")
    assert (len(notice.title), notice.title[-1]) == (250, "…")
    assert notice.body == "ab\nc"


@pytest.mark.case(60)
async def test_a_title_with_an_encoded_line_end_is_not_mailed(
    notifications: Notifier, sender: MemorySender, ann: User
) -> None:
    title = "=?UTF-8?Q?=0A?=Bcc: eve@example.org"

    results = await notifications.send(ann, title, "", channels=ALL, dedupe_key="k")

    assert statuses(results)[Channel.EMAIL] is DeliveryStatus.FAILED
    assert sender.sent == {}


async def test_no_title_or_body_is_logged(
    notifications: Notifier, ann: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "app")

    await notifications.send(ann, "canary title", "canary body", channels=ALL, dedupe_key="k")

    assert "has a notice of 12 characters" in caplog.text
    assert "canary" not in caplog.text


async def tell(
    notifications: Notifier,
    database: Database,
    user: User,
    title: str = "Hi",
    *,
    fails: bool = False,
) -> Told:
    async with database.write() as session:
        told = await notifications.tell(session, user, title, "b", channels=ALL, dedupe_key="k")
        if fails:
            raise RuntimeError
    return told


async def test_what_is_told_in_a_transaction_leaves_its_mail_to_be_sent(
    notifications: Notifier, database: Database, sender: MemorySender, ann: User
) -> None:
    told = await tell(notifications, database, ann)

    (mail,) = await OutgoingMails(database).of(ann.id)
    assert statuses(told.delivered) == {
        Channel.IN_APP: DeliveryStatus.DELIVERED,
        Channel.EMAIL: DeliveryStatus.QUEUED,
        Channel.SMS: DeliveryStatus.NOT_CONFIGURED,
    }
    assert told.letter == Letter(user_id=ann.id, subject="Hi", body="b", key=mail.key)
    assert (mail.status, sender.sent) == (MailStatus.PENDING, {})


async def test_what_was_told_before_leaves_no_second_letter(
    notifications: Notifier, database: Database, sender: MemorySender, ann: User
) -> None:
    first = await tell(notifications, database, ann)
    again = await tell(notifications, database, ann)
    assert again.letter is None
    assert statuses(again.delivered)[Channel.EMAIL] is DeliveryStatus.QUEUED

    assert first.letter is not None
    await notifications.send(ann, "Hi", "b", channels=EMAIL, dedupe_key="k")
    sent = await tell(notifications, database, ann)

    assert statuses(sent.delivered)[Channel.EMAIL] is DeliveryStatus.DELIVERED
    assert len(sender.sent) == len(await Notices(database).of(ann.id)) == 1


async def test_of_what_is_told_in_a_transaction_that_fails_nothing_is_there(
    notifications: Notifier, database: Database, ann: User
) -> None:
    with pytest.raises(RuntimeError):
        await tell(notifications, database, ann, fails=True)

    assert await Notices(database).of(ann.id) == ()
    assert await OutgoingMails(database).of(ann.id) == ()


@pytest.mark.case(60)
async def test_a_title_that_forges_a_header_leaves_no_letter(
    notifications: Notifier, database: Database, ann: User
) -> None:
    told = await tell(notifications, database, ann, "=?UTF-8?Q?=0A?=Bcc: eve@example.org")

    assert told.letter is None
    assert statuses(told.delivered)[Channel.EMAIL] is DeliveryStatus.FAILED
    assert await OutgoingMails(database).of(ann.id) == ()


async def test_who_wants_no_mail_is_left_no_letter(
    notifications: Notifier, database: Database
) -> None:
    eve = await Users(database).add(name="Eve", address="eve@example.org", wants_mail=False)

    told = await tell(notifications, database, eve)
    unconfigured = await tell(Notifier(database), database, eve)

    assert (told.letter, unconfigured.letter) == (None, None)
    assert statuses(told.delivered)[Channel.EMAIL] is DeliveryStatus.DECLINED
    assert statuses(unconfigured.delivered)[Channel.EMAIL] is DeliveryStatus.NOT_CONFIGURED
