"""SMS: one that was refused for now goes out, one that is too old does not, and both are judged."""

from contextlib import suppress

from app.engine import days
from app.services.notifications import Parcel
from app.services.sms import SmsHealth, SmsRejected
from app.storage.outgoing_sms import NewSms, OutgoingSms, OutgoingSmses, SmsStatus
from app.storage.ways import Channel
from tests.life.proofs.scene import Proof, Scene
from tests.life.town import PHONE
from tests.services.sms.twilio_like import Refusal

BUSY, UNSUBSCRIBED = Refusal(400, 30001), Refusal(400, 21610)
TEA, NEWS, OLD = "tea is ready", "news", "from last week"


async def leave_refused(scene: Scene) -> None:
    """The provider takes none of them at first, and says of the next that it has arrived."""
    scene.town.phones.answers.extend([BUSY, UNSUBSCRIBED])
    for text in (TEA, NEWS):
        parcel = Parcel(channel=Channel.SMS, user_id=scene.owner.id, content=text, key=text)
        with suppress(SmsRejected):
            await scene.day.services.notifications.deliver(parcel)
    scene.town.phones.standings[f"SM{1:032x}"] = {"status": "delivered", "error_code": None}


async def is_sent_again(scene: Scene) -> bool:
    taken = [(each["To"], each["Body"]) for each in scene.town.phones.taken]
    statuses = [(await the(scene, text)).status for text in (TEA, NEWS)]
    return taken == [(PHONE, TEA)] and statuses == [SmsStatus.DELIVERED, SmsStatus.FAILED]


async def leave_old(scene: Scene) -> None:
    """Its next try would come after the day."""
    smses = OutgoingSmses(scene.database, now=scene.ago(days(8)))
    new = NewSms(key=OLD, user_id=scene.owner.id, recipient=PHONE, text=OLD)
    later = scene.begins + days(2)
    busy = await smses.ensure(new)
    await smses.settle(busy, SmsStatus.RETRYING, detail="busy", next_at=later, is_attempt=True)


async def is_given_up(scene: Scene) -> bool:
    old = await the(scene, OLD)
    return (old.status, old.text, old.next_at) == (SmsStatus.EXPIRED, "", None)


async def leave_nothing(_scene: Scene) -> None:
    """The SMS above are what is judged: the one of last week is not among them."""


async def is_judged(scene: Scene) -> bool:
    judged = scene.day.last_result("sms.sms_health")
    return isinstance(judged, SmsHealth) and (judged.counts, judged.line) == (
        {"delivered": 1, "failed": 1},
        "1 of 2 went out",
    )


async def the(scene: Scene, key: str) -> OutgoingSms:
    """The owner's SMS of this key."""
    (sms,) = [s for s in await OutgoingSmses(scene.database).of(scene.owner.id) if s.key == key]
    return sms


PROOFS = {
    "sms.process_sms_retries": Proof(leave_refused, is_sent_again),
    "sms.cleanup_old_retries": Proof(leave_old, is_given_up),
    "sms.sms_health": Proof(leave_nothing, is_judged),
}
