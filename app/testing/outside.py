"""Fixtures of what lies outside: mail, SMS, posts and calendars, in memory."""

import pytest

from app.context.notifications import POST_ONCE, SMS_ONCE
from app.engine import ManualClock
from app.services.calendar.memory import MemoryCalendar
from app.services.mail.memory import MemoryMailbox, MemorySender
from app.services.notifications import Parcels
from app.services.notifications.memory import MemoryCarrier
from app.services.notifications.posts import PostOutbox
from app.services.sms import SmsOutbox
from app.services.sms.memory import MemorySms
from app.storage.database import Database


@pytest.fixture
def sender() -> MemorySender:
    """Where outgoing mail is kept."""
    return MemorySender()


@pytest.fixture
def mailbox() -> MemoryMailbox:
    """Where incoming mail is put."""
    return MemoryMailbox()


@pytest.fixture
def phones() -> MemorySms:
    """Where outgoing SMS are kept."""
    return MemorySms()


@pytest.fixture
def carrier() -> MemoryCarrier:
    """Where posts to Slack and to webhooks are kept."""
    return MemoryCarrier()


@pytest.fixture
def parcels(
    database: Database, phones: MemorySms, carrier: MemoryCarrier, clock: ManualClock
) -> Parcels:
    """SMS, Slack and webhooks."""
    return Parcels(
        database,
        sms=SmsOutbox(database, phones, now=clock.now, once=SMS_ONCE),
        posts=PostOutbox(database, carrier, now=clock.now, once=POST_ONCE),
        now=clock.now,
    )


@pytest.fixture
def calendar() -> MemoryCalendar:
    """The owner's calendar."""
    return MemoryCalendar()
