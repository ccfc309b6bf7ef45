"""Two jobs that only the demo's workers know."""

from typing import Final

import anyio

from app.context import Context
from app.engine import Fixed, job, seconds
from app.queues import EMAIL, MAINTENANCE
from app.services.mail import Message

_PAGES = 12
_PAGE = 0.1  # s to write one: the whole report takes long enough to be killed in its middle


@job(name="demo.ask_the_printer", queue=MAINTENANCE, retry=Fixed(seconds(1), attempts=3))
async def ask_the_printer(_ctx: Context) -> None:
    """Fail, each time."""
    raise ConnectionError("the printer is on fire")


@job(name="demo.write_report", queue=EMAIL, timeout=seconds(30))
async def write_report(ctx: Context, subject: str) -> str:
    """Mail the owner, then work on for a while. Safe to repeat: the mail is unique by the run."""
    owner = await ctx.users.owner()
    message = Message(to=(owner.address,), subject=subject, body="The report is being written.")
    mail = await ctx.mail.outbox.post(message, user_id=owner.id, key=f"run:{ctx.attempt.run_id}")
    for _ in range(_PAGES):
        await anyio.sleep(_PAGE)
    return mail.message_id


DEMO_JOBS: Final = (ask_the_printer, write_report)
