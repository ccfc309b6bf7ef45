"""What is still missing until a user can be reached on a channel, and in which setting it belongs.

Nothing is sent. Neither an address nor a secret is in what it says.
"""

from typing import Final

from app.services.notifications.posts import PostOutbox
from app.services.sms.outbox import SmsOutbox
from app.storage.ways import Channel, Way

_STEPS: Final = {
    Channel.SMS: "sms: no provider is named: open an account at Twilio, or where they do as Twilio "
    "does, and set STEWARD_SMS__ACCOUNT_SID, STEWARD_SMS__AUTH_TOKEN and STEWARD_SMS__SENDER",
    Channel.SLACK: "slack: no address is known: make an app with an incoming webhook at "
    "https://api.slack.com/apps and set STEWARD_NOTIFY__SLACK_URL to the webhook's address",
    Channel.WEBHOOK: "webhook: no address is known: set STEWARD_NOTIFY__WEBHOOK_URL, and "
    "STEWARD_NOTIFY__WEBHOOK_SECRET to what `echo whsec_$(openssl rand -base64 32)` prints",
}
_NO_PHONE: Final = "sms: no number is known: set STEWARD_NOTIFY__PHONE, like +4915112345678"
_SETTINGS: Final = {
    Channel.SLACK: "STEWARD_NOTIFY__SLACK_URL",
    Channel.WEBHOOK: "STEWARD_NOTIFY__WEBHOOK_URL",
}


class NotReady(LookupError):
    """Something is missing; the message says what, and where it belongs."""


async def check_channel(
    channel: Channel, way: Way | None, *, sms: SmsOutbox | None, posts: PostOutbox | None
) -> tuple[str, ...]:
    """Say what works; raises `NotReady`, or what the provider's own check raises."""
    lines = list[str]()
    if channel is Channel.SMS and sms is not None:
        lines.append(await sms.provider.check())
    if way is None or not way.address:
        is_phone = channel is Channel.SMS and sms is not None
        raise NotReady(_NO_PHONE if is_phone else _STEPS[channel])
    if channel is Channel.SMS and sms is None:
        raise NotReady(_STEPS[channel])
    if channel is not Channel.SMS and posts is not None:
        lines.append(await _reached(channel, way, posts))
    if not way.is_wanted:
        raise NotReady(f"{channel}: it is in STEWARD_NOTIFY__EXCLUDE: nothing is sent there")
    return (*lines, "the owner's address is known; `--send` sends something there")


async def _reached(channel: Channel, way: Way, posts: PostOutbox) -> str:
    try:
        return await posts.check(way)
    except (OSError, ValueError) as error:
        raise NotReady(f"{channel}: {error}: see {_SETTINGS[channel]}") from error
