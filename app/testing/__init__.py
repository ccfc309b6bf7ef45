"""Fixtures for testing jobs, ours and yours: `pytest -p app.testing`.

stores
    clock            a clock that only you move: `clock.advance(hours(1))`
    redis_settings   a Valkey of the test session's own
    clean_redis      the same, emptied before the test
    codec, client    a client of it
    database         a scratch database, with `owner` in it
outside
    sender, mailbox  mail that goes out, and that came in
    phones, carrier  SMS, and posts to Slack and webhooks; `parcels` are both
    calendar         the owner's calendar
services
    services         every service, on all of these
    context          what a job is called with as a function, on its `attempt`

`next_try(context)` is the context of the same run, tried again: what it has done once or as a step,
it has not to do again.
"""

from dataclasses import replace

import msgspec

from app.context import Context
from app.testing.outside import calendar, carrier, mailbox, parcels, phones, sender
from app.testing.services import alert_channels, attempt, backups, context, mail, services
from app.testing.stores import (
    clean_redis,
    client,
    clock,
    codec,
    database,
    migrated,
    owner,
    redis_home,
    redis_settings,
)

__all__ = [
    "alert_channels",
    "attempt",
    "backups",
    "calendar",
    "carrier",
    "clean_redis",
    "client",
    "clock",
    "codec",
    "context",
    "database",
    "mail",
    "mailbox",
    "migrated",
    "next_try",
    "owner",
    "parcels",
    "phones",
    "redis_home",
    "redis_settings",
    "sender",
    "services",
]


def next_try(context: Context) -> Context:
    """The context of the next attempt of the same run."""
    number = context.attempt.number + 1
    return replace(context, attempt=msgspec.structs.replace(context.attempt, number=number))
