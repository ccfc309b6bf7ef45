"""Leads to a first real account: what was tried, what came of it, and what to do next."""

from collections.abc import Awaitable, Callable

from app.services.mail.errors import LoginRefused, MailError, MailTrouble
from app.services.mail.mail import Mail
from app.services.step import Step

_READY = (
    "next: `steward enqueue email.send_notification 1 Hello 'It works'` mails the first user, "
    "`steward enqueue sync.sync_email_services` reads the mailboxes; `steward runs` tells of both"
)


async def guide(mail: Mail) -> tuple[Step, ...]:
    """Try the way out and each way in, one after the other; a failing one stops none."""
    steps = [await _try(mail.outbox.plan, mail.outbox.check)]
    steps += [await _try(each.plan, each.check) for each in mail.mailboxes]
    if all(each.is_well for each in steps):
        steps.append(Step(tried="all of it", said="works", advice=_READY))
    return tuple(steps)


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
