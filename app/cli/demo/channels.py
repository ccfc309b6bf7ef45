"""The stop about notifications: one reminder, on every channel there is."""

from datetime import timedelta

from anyio.to_thread import run_sync

from app.cli.demo.house import House, NotKept, until
from app.cli.demo.stops import Shown, Stop
from app.engine import seconds
from app.jobs import ai
from app.services.mail.maildir import Maildir
from app.services.notifications import Channel
from app.storage.notifications import Notices

_SOON = seconds(15)
_TITLE = "Water the roses"


async def every_channel(house: House) -> Shown:
    """A reminder reaches its user in the application and by four other ways, once each."""
    at = house.now + timedelta(seconds=1)
    handle = await house.services.client.enqueue(
        ai.create_reminder, house.owner.id, _TITLE, at, channels=tuple(Channel)
    )
    made = await handle.result(within=_SOON)

    async def look() -> list[str] | None:
        picture = await _picture(house)
        return picture if len(picture) >= len(Channel) else None

    picture = await until(look, "the reminder did not reach every channel")
    if len(picture) != len(Channel) or made.run_id is None:
        raise NotKept(f"the reminder was told {len(picture)} times on {len(Channel)} channels")
    for line in picture:
        house.say(line)
    return Shown(runs=(made.run_id,), effect=f"told in {len(picture)} places, once in each")


async def _picture(house: House) -> list[str]:
    """What is to be seen of it, wherever it may have arrived."""
    notices = await Notices(house.services.database).of(house.owner.id)
    told = [f"{'in app':<8}| {each.title}" for each in notices if each.title == _TITLE]
    mails = await run_sync(_count_mails, house)
    return [*told, *[f"{'mail':<8}| {_TITLE}"] * mails, *house.office.picture_of(_TITLE)]


def _count_mails(house: House) -> int:
    outbox = Maildir(house.home / "mail" / "outbox")
    heads = (outbox.head(name, 10_000) for name in outbox.names())
    return sum(f"Subject: {_TITLE}".encode() in head for head in heads)


CHANNELS = Stop("A reminder, told on every channel there is", every_channel)
