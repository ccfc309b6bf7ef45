"""`steward check`: try the configured service, and say which setting to change if it fails."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from cyclopts import App

from app.cli.answer import show_json, shown
from app.cli.check_ai import assistant_lines
from app.cli.failures import FAILED, OK, NotDone, complain, explain
from app.cli.options import Json, Send

if TYPE_CHECKING:
    from app.context import Services
    from app.services.step import Step
    from app.storage.users import User

check = App(name="check", help="Try a service, and say which setting to change if it fails.")

_THIS_MACHINE = ("", "localhost", "127.0.0.1", "::1")

Try = Callable[["Services"], Awaitable[Iterable[str]]]
Guide = Callable[["Services"], Awaitable[Sequence["Step"]]]


class CheckFailed(Exception):
    """What was tried does not work."""


class NotConfigured(Exception):
    """There is nothing to try: the settings name no provider."""


@check.command(name="mail")
async def check_mail(*, json: Json = False) -> int:
    """Try the way out for mail and each way in, and say what to do next; sends nothing."""

    async def guide(services: "Services") -> Sequence["Step"]:
        from app.services.mail.guide import Configured, guide
        from app.settings import read_settings

        mail = read_settings().mail
        configured = Configured(
            sends=bool(mail.smtp.host),
            is_abroad=mail.smtp.host not in _THIS_MACHINE,
            reads=bool(mail.imap.host),
        )
        owner = await services.users.owner()
        return await guide(services.mail, configured, owner=owner.address)

    return await _lead("mail", guide, as_json=json)


@check.command(name="calendar")
async def check_calendar(*, json: Json = False) -> int:
    """Try each calendar, and say what to do next; stores nothing."""

    async def guide(services: "Services") -> Sequence["Step"]:
        return await services.calendar.guide(await services.users.owner())

    return await _lead("calendar", guide, as_json=json)


@check.command(name="notes")
async def check_notes(*, json: Json = False) -> int:
    """Try the folder of notes and the account for it, and say what to do next; changes nothing."""

    async def guide(services: "Services") -> Sequence["Step"]:
        return await services.notes.guide()

    return await _lead("notes", guide, as_json=json)


@check.command(name="ai")
async def check_ai(*, json: Json = False) -> int:
    """Try the assistant that carries out tasks."""

    async def attempt(services: "Services") -> Iterable[str]:
        from app.settings import read_settings

        return await assistant_lines(services, read_settings().ai)

    return await _try("ai", attempt, as_json=json)


@check.command(name="sms")
async def check_sms(*, send: Send = False, json: Json = False) -> int:
    """Try the provider of SMS, and say what is missing for a first one to the owner."""
    return await _channel("sms", send=send, as_json=json)


@check.command(name="slack")
async def check_slack(*, send: Send = False, json: Json = False) -> int:
    """Look for the owner's Slack, and say what is missing for a first post there."""
    return await _channel("slack", send=send, as_json=json)


@check.command(name="webhook")
async def check_webhook(*, send: Send = False, json: Json = False) -> int:
    """Look for the owner's webhook, and say what is missing for a first call of it."""
    return await _channel("webhook", send=send, as_json=json)


@check.command(name="redis")
async def check_redis(*, json: Json = False) -> int:
    """Ask Redis whether it can be trusted with runs: memory, persistence, password, version."""

    async def attempt(services: "Services") -> Iterable[str]:
        from app.engine import examine, refuse_unfit
        from app.settings import read_settings

        accepted = read_settings().redis.accept
        await refuse_unfit(services.client, accepted=accepted)
        fitness = await examine(services.client)
        lines = [f"accepted: {each.line}" for each in fitness.objections]
        if fitness.unasked:
            return [*lines, f"it can't be checked: {fitness.unasked}"]
        if lines:
            return [*lines, "it is used as it is, since STEWARD_REDIS__ACCEPT says so"]
        return ["Redis is fit to keep runs"]

    return await _try("redis", attempt, as_json=json)


async def _channel(name: str, *, send: bool, as_json: bool) -> int:
    async def attempt(services: "Services") -> Iterable[str]:
        from secrets import token_hex

        from app.services.notifications import Channel, DeliveryStatus

        owner, channels = await services.users.owner(), (Channel(name),)
        if channels[0] is Channel.SMS and services.sms.outbox is None:
            raise NotConfigured(await _what_is_missing(services, owner))
        lines = await services.notifications.check(owner, channels[0])
        if not send:
            return lines
        (told,) = await services.notifications.send(
            owner, "Hello from Steward", "", channels=channels, dedupe_key=f"check:{token_hex(8)}"
        )
        if told.status is not DeliveryStatus.DELIVERED:
            raise NotDone(f"{name}: {told.detail}")
        return [*lines[:-1], f"sent: {told.detail}"]

    return await _try(name, attempt, as_json=as_json)


async def _what_is_missing(services: "Services", owner: "User") -> str:
    from app.services.notifications import Channel

    try:
        await services.notifications.check(owner, Channel.SMS)
    except LookupError as error:
        return f"not configured: {error}"
    return "not configured"


async def _lead(service: str, guide: Guide, *, as_json: bool) -> int:
    """Tell each step; a failing one keeps no other from being told."""
    told = list[str]()

    async def attempt(services: "Services") -> Iterable[str]:
        steps = await guide(services)
        for number, step in enumerate(steps, 1):
            works = "ok:" if step.is_well else "failed:"
            told.append(f"{number}. {step.tried}")
            told.extend(f"   {each}" for each in (f"{works} {step.said}", step.advice) if each)
        if failed := [step.said for step in steps if not step.is_well]:
            raise CheckFailed("; ".join(failed))
        return ()

    return await _try(service, attempt, as_json=as_json, told=told)


async def _try(service: str, attempt: Try, *, as_json: bool, told: list[str] | None = None) -> int:
    """Run it with every service open; only what it raises itself is a failed check.

    `told` is what it has said by then: that is shown also when it fails.
    """
    from app.connection import open_client
    from app.context import open_services
    from app.settings import read_settings

    settings = read_settings()
    failure, outcome, lines = "", "ok", [] if told is None else told
    async with open_client(settings) as client, open_services(settings, client) as services:
        try:
            lines += await attempt(services)
        except NotConfigured as error:
            failure, outcome = str(error), "not_configured"
        except Exception as error:  # whatever it is, it is the answer
            failure, outcome = explain(error), "failed"
        await services.health.providers.forget(service)
    if as_json:
        answer = {"service": service, "ok": not failure, "outcome": outcome}
        show_json({**answer, "lines": lines, "failure": failure})
    for line in () if as_json else lines:
        print(shown(line))
    if failure:
        complain(f"{service}: {failure}".replace(f"{service}: {service}: ", f"{service}: "))
    return FAILED if failure else OK
