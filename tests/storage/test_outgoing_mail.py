import pytest

from app.storage.database import Database
from app.storage.outgoing_mail import MailStatus, NewMail, OutgoingMail, OutgoingMails
from app.storage.users import Users


@pytest.fixture
def mails(database: Database) -> OutgoingMails:
    return OutgoingMails(database)


@pytest.fixture
async def pending(mails: OutgoingMails, database: Database) -> OutgoingMail:
    ann = await Users(database).add(name="Ann", address="ann@example.org")
    return await mails.ensure(
        NewMail(key="k", user_id=ann.id, message_id="<1@x>", recipients=ann.address, subject="Hi")
    )


async def test_a_key_has_one_mail_as_it_was_first_written(
    mails: OutgoingMails, pending: OutgoingMail
) -> None:
    other = NewMail(
        key="k", user_id=pending.user_id, message_id="<2@x>", recipients="b@x.org", subject="Ho"
    )

    again = await mails.ensure(other)

    assert again == pending
    assert (pending.status, pending.accepted_at) == (MailStatus.PENDING, None)


async def test_an_accepted_mail_keeps_its_first_acceptance(
    mails: OutgoingMails, pending: OutgoingMail
) -> None:
    first = await mails.accepted(pending.id, detail="250 queued")

    assert await mails.accepted(pending.id, detail="250 again") == first
    assert (first.status, first.detail) == (MailStatus.SENT, "250 queued")


async def test_a_sent_mail_is_never_refused_afterwards(
    mails: OutgoingMails, pending: OutgoingMail
) -> None:
    sent = await mails.accepted(pending.id, detail="250 queued")

    assert await mails.refused(pending.id, detail="550") == sent


async def test_a_refused_mail_may_still_be_accepted(
    mails: OutgoingMails, pending: OutgoingMail
) -> None:
    refused = await mails.refused(pending.id, detail="550")

    sent = await mails.accepted(pending.id, detail="250 queued")

    assert (refused.status, sent.status) == (MailStatus.REFUSED, MailStatus.SENT)
