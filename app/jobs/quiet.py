"""What is not urgent waits until its user's quiet hours are over."""

from app.context import Context
from app.engine import Arguments, RetryLater
from app.services.quiet import quiet_until
from app.storage.ways import Channel, Ways


async def wait_for_the_end_of_quiet(ctx: Context, user_id: int, channel: Channel) -> None:
    """Put the run off, in quiet hours; who is told nothing on this channel need not wait."""
    user, now = await ctx.users.get(user_id), ctx.client.store.clock.now()
    until = quiet_until(user, now)
    if until is None or not user.active:
        return
    if channel is Channel.EMAIL and not user.wants_mail:
        return
    if await Ways(ctx.database).wants(user.id, channel):
        raise RetryLater(until - now, f"user {user.id} has quiet hours until {until:%H:%M} UTC")


def at_once(_version: int, old: Arguments) -> Arguments:
    """What an older release wrote down to be brought was for that moment."""
    return Arguments(*old.args, **old.kwargs, urgent=True)
