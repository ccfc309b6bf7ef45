"""Leads to a first real account: what was tried, what came of it, and what to do next."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.services.mail.errors import LoginRefused, MailError, MailTrouble
from app.services.mail.mail import Mail
from app.services.step import Step
from app.storage.address import Address

_READY = (
    "next: `steward enqueue email.send_notification 1 Hello 'It works'` mails the first user, "
    "`steward enqueue sync.sync_email_services` reads the mailboxes; `steward runs` tells of both"
)


_SEND = "STEWARD_MAIL__SENDER and STEWARD_MAIL__SMTP__HOST, __USERNAME and __PASSWORD"
_READ = "STEWARD_MAIL__IMAP__HOST, __USERNAME and __PASSWORD"
_ACCOUNT = (
    f"next: put into .env STEWARD_OWNER__ADDRESS (where mail to you goes), {_SEND} to send, and "
    f"{_READ} to read; then check again"
)
_HERE = "@localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """What the settings name."""

    sends: bool
    """By an SMTP server."""
    is_abroad: bool
    """That server is not this machine: it knows nobody at localhost."""
    reads: bool
    """An IMAP account."""


async def guide(mail: Mail, configured: Configured, *, owner: Address) -> tuple[Step, ...]:
    """Try the way out and each way in, one after the other; a failing one stops none."""
    steps = [await _try(mail.outbox.plan, mail.outbox.check)]
    steps += [await _try(each.plan, each.check) for each in mail.mailboxes]
    if configured.is_abroad:
        steps += _addresses(mail.outbox.address, owner)
    if all(each.is_well for each in steps):
        steps.append(_what_next(configured))
    return tuple(steps)


def _addresses(sender: Address, owner: Address) -> list[Step]:
    """A step for those that nobody has set: another server takes no mail for them."""
    given = (("STEWARD_OWNER__ADDRESS", "mail to you", owner),
             ("STEWARD_MAIL__SENDER", "mail from Steward", sender))  # fmt: skip
    return [
        Step(
            tried=f"look at the address of {what}",
            said=f"{address} is known on this machine only; check {name}",
            advice=f"next: set {name} to an address of your own in .env, and check again",
            is_well=False,
        )
        for name, what, address in given
        if address.endswith(_HERE)
    ]


def _what_next(configured: Configured) -> Step:
    if configured.sends or configured.reads:
        more = "" if configured.reads else f"; to read an account, too, set {_READ}"
        return Step(tried="all of it", said="works", advice=f"{_READY}{more}")
    return Step(tried="find an account", said="none is configured", advice=_ACCOUNT)


async def _try(plan: str, check: Callable[[], Awaitable[str]]) -> Step:
    try:
        return Step(tried=plan, said=await check())
    except (MailError, OSError) as error:
        return Step(tried=plan, said=str(error), advice=_advice(error), is_well=False)


def _advice(error: Exception) -> str:
    match error:
        case LoginRefused() if "login of" in str(error) or "login refused" in str(error):
            return (
                "next: many providers want an app password in place of the usual one: make one in "
                "the account's security settings, and set it in .env"
            )
        case LoginRefused():
            return "next: change the setting named above in .env, and try again"
        case MailTrouble():
            return (
                "next: compare host and port with the provider's help page; SMTP is 587 with "
                "starttls or 465 with tls, IMAP is 993 with tls or 143 with starttls"
            )
        case _:
            return "next: mend what is named above, and try again"
