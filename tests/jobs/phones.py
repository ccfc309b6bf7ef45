"""Somebody with a phone, and SMS to them, for the tests of jobs."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace

from msgspec import structs

from app.context import Context
from app.engine import current_attempt
from app.storage.outgoing_sms import OutgoingSms, OutgoingSmses
from app.storage.users import User
from app.storage.ways import Channel, Way, Ways

NUMBER = "+4915112345678"


async def give_phone(context: Context, user: User, number: str = NUMBER) -> None:
    """They want SMS from now on."""
    await Ways(context.database).put(user.id, Way(channel=Channel.SMS, address=number))


async def take_phone(context: Context, user: User) -> None:
    """They want none any more."""
    way = Way(channel=Channel.SMS, address=NUMBER, is_wanted=False)
    await Ways(context.database).put(user.id, way)


async def the_sms(context: Context, user: User) -> OutgoingSms:
    """The only one to this user, as it is recorded."""
    (sms,) = await OutgoingSmses(context.database).of(user.id)
    return sms


@contextmanager
def working(context: Context) -> Generator[Context]:
    """Code that runs in the block runs for this attempt, as in a worker."""
    token = current_attempt.set(context.attempt)
    try:
        yield context
    finally:
        current_attempt.reset(token)


def other_run(context: Context, run_id: str = "run-2") -> Context:
    """The context of another run, in the same worker's books."""
    return replace(context, attempt=structs.replace(context.attempt, run_id=run_id))
