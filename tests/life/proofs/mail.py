"""Mail: what comes in is filed, and what matters told; at eight each user has their day."""

from collections import Counter
from pathlib import Path

from app.engine import hours
from app.storage.users import Users
from tests.life.proofs.ai import notices
from tests.life.proofs.scene import Proof, Scene

RECEIPT = "From: shop@example.com\nMessage-ID: <tea@shop>\nSubject: Your receipt\n\n2 kg of tea.\n"
ROOF = "From: Eve <eve@example.org>\nMessage-ID: <roof@eve>\nSubject: URGENT: the roof\n\nHi\n"
BOB, CALL = "bob@example.org", "call Ann"


async def leave_mail(scene: Scene) -> None:
    inbox = scene.home / "mail/inbox"
    for part in ("new", "cur", "tmp"):
        (inbox / part).mkdir(parents=True, exist_ok=True)
    (inbox / "new/1700000000.shop.localhost").write_text(RECEIPT)
    (inbox / "new/1700000001.roof.localhost").write_text(ROOF)


async def is_filed(scene: Scene) -> bool:
    lying = {each: mails(scene.home, each) for each in ("inbox", "receipts", "important")}
    urgent = [each for each in await notices(scene) if each.body == "URGENT: the roof"]
    return lying == {"inbox": 0, "receipts": 1, "important": 1} and len(urgent) == 1


async def leave_users(scene: Scene) -> None:
    """The owner has eight o'clock at 3:00 UTC, and Bob at 2:00."""
    users = Users(scene.database)
    bob = await users.add(name="Bob", address=BOB, timezone="Asia/Dhaka")
    await users.add(name="Cy", address="cy@example.org", timezone="Asia/Dhaka", active=False)
    await scene.day.services.tasks.create_reminder(bob, CALL, scene.begins + hours(6))


async def has_days(scene: Scene) -> bool:
    days = [m for m in scene.town.outgoing.mails if "Your day: Sunday" in m.message["Subject"]]
    to = Counter(each for mail in days for each in mail.recipients)
    text = "".join(mail.content.decode() for mail in days if BOB in mail.recipients)
    return to == {scene.owner.address: 1, BOB: 1} and CALL in text


def mails(home: Path, folder: str) -> int:
    """How many lie in a folder of the home's mail."""
    return sum(1 for part in ("new", "cur") for _ in (home / "mail" / folder / part).glob("*"))


PROOFS = {
    "email.process_email_queue": Proof(leave_mail, is_filed),
    "email.send_daily_summary": Proof(leave_users, has_days),
}
