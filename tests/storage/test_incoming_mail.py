from dataclasses import replace

from app.storage.database import Database
from app.storage.incoming_mail import IncomingMails, NewIncomingMail
from app.storage.users import Users


async def test_a_mail_is_recorded_once_by_its_key(database: Database) -> None:
    ann = await Users(database).add(name="Ann", address="ann@example.org")
    mails = IncomingMails(database)
    lunch = NewIncomingMail(
        key="k1",
        user_id=ann.id,
        message_id="<1@x>",
        sender="bob@example.org",
        subject="Lunch",
        category="personal",
        reason="no rule fits it",
    )

    recorded = [await mails.record(each) for each in (lunch, lunch, replace(lunch, key="k2"))]

    assert recorded == [True, False, True]
    assert [mail.key for mail in await mails.of(ann.id)] == ["k2", "k1"]
