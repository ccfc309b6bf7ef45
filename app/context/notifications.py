"""Which ways to users the settings ask for, and how a message is an effect of its run.

What a crash in the middle of a sending means is decided here: an SMS and a post to Slack must not
go out twice, so a person is asked; a webhook is told again under the same id.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from app.engine import ASK, REPEAT, Client, InDoubt, NeedsReview, current_attempt
from app.services.mail import Mail
from app.services.notifications import Channel, Notifier, Parcels
from app.services.notifications.hooks import Hooks, HookTrouble
from app.services.notifications.posts import REFUSALS, PostOutbox
from app.services.once import Doubtful, Once, Taken
from app.services.sms import (
    Sms,
    SmsMisconfigured,
    SmsOutbox,
    SmsRejected,
    SmsRetries,
    SmsTrouble,
)
from app.services.sms.twilio import TwilioSms
from app.services.web_guard import WebGuard
from app.services.web_post import Poster
from app.settings import Settings
from app.storage.database import Database
from app.storage.effects import Effects
from app.storage.outgoing_sms import OutgoingSmses
from app.storage.users import User
from app.storage.ways import Way, Ways

_SMS_NOT_SENT: Final = (SmsRejected, SmsMisconfigured, SmsTrouble)
_NOT_POSTED: Final = (*REFUSALS, HookTrouble)
_MANY: Final = 10_000


def effect_once(in_doubt: InDoubt, *, not_done: tuple[type[Exception], ...]) -> Once:
    """Brings something out as an effect of the run at work, whichever run it is."""

    async def once(key: str, act: Callable[[], Awaitable[Taken]], /) -> Taken | None:
        attempt = current_attempt.get()
        if attempt is None:  # nobody who would come again
            return await act()
        try:
            return await attempt.once(key, act, in_doubt=in_doubt, shared=True, not_done=not_done)
        except NeedsReview as error:
            raise Doubtful(str(error)) from error

    return once


SMS_ONCE: Final = effect_once(ASK, not_done=_SMS_NOT_SENT)
POST_ONCE: Final = {
    Channel.SLACK: effect_once(ASK, not_done=_NOT_POSTED),
    Channel.WEBHOOK: effect_once(REPEAT, not_done=_NOT_POSTED),
}


def open_sms(settings: Settings, database: Database, client: Client) -> SmsOutbox | None:
    """The way out for SMS; None when no provider is named."""
    sms = settings.sms
    if not sms.account_sid:
        return None
    provider = TwilioSms(
        Poster(WebGuard(trusted=[sms.base_url])),
        base_url=sms.base_url,
        account=sms.account_sid,
        token=sms.auth_token.get_secret_value(),
        sender=sms.sender,
    )
    return SmsOutbox(database, provider, now=client.store.clock.now, once=SMS_ONCE)


def open_notifications(
    settings: Settings, database: Database, client: Client, mail: Mail
) -> tuple[Notifier, Sms]:
    """Every channel there is, and SMS on their own."""
    now = client.store.clock.now
    texts = open_sms(settings, database, client)
    posts = PostOutbox(database, Hooks(Poster(_guard(settings)), now=now), once=POST_ONCE, now=now)
    parcels = Parcels(database, sms=texts, posts=posts, now=now)
    notifications = Notifier(database, mail.outbox, parcels, now=now)
    return notifications, make_sms(database, parcels, client)


def make_sms(database: Database, parcels: Parcels, client: Client) -> Sms:
    """SMS as these parcels bring them, and again as long as their users want them."""
    effects = Effects(database, now=client.store.clock.now)

    async def doubts() -> frozenset[str]:
        return frozenset(each.place.name for each in await effects.in_doubt(limit=_MANY))

    outbox = parcels.sms
    retries = SmsRetries(outbox, doubts=doubts, phones=parcels) if outbox else None
    smses = OutgoingSmses(database, now=client.store.clock.now)
    return Sms(smses, outbox=outbox, retries=retries)


async def ensure_ways(settings: Settings, database: Database, owner: User) -> None:
    """Reach the owner as the settings say, and in no other way.

    Where notices go stays as it is unless they say it.
    """
    notify = settings.notify
    addresses = {
        Channel.SMS: (notify.phone, ""),
        Channel.SLACK: (notify.slack_url.get_secret_value(), ""),
        Channel.WEBHOOK: (
            notify.webhook_url.get_secret_value(),
            notify.webhook_secret.get_secret_value(),
        ),
    }
    ways, wanted = Ways(database), dict[Channel, Way]()
    known = await ways.of(owner.id)
    for channel in Channel:
        address, secret = addresses.get(channel, ("", ""))
        is_wanted = channel.value not in notify.exclude
        before = known.get(channel, _none(channel))
        wanted[channel] = replace(before, address=address, secret=secret, is_wanted=is_wanted)
        if notify.notices:
            wanted[channel] = replace(wanted[channel], notices=channel.value in notify.notices)
    await ways.put(
        owner.id,
        *(each for each in wanted.values() if each != known.get(each.channel, _none(each.channel))),
    )


def _none(channel: Channel) -> Way:
    """What no row means."""
    return Way(channel=channel)


def _guard(settings: Settings) -> WebGuard:
    """The addresses in the settings may be at home; those that users gave otherwise may not."""
    notify = settings.notify
    owners = (notify.slack_url.get_secret_value(), notify.webhook_url.get_secret_value())
    return WebGuard(trusted=[*filter(None, owners), *notify.home_hosts])
