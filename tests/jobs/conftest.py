"""Tasks that the AI jobs have made."""

import pytest

from app.context import Context
from app.engine import ManualClock, hours
from app.jobs.ai import create_periodic_task, create_reminder
from app.jobs.ai_results import TaskCreated
from app.services.notifications import Channel
from app.storage.users import User


@pytest.fixture
async def reminder(context: Context, owner: User, clock: ManualClock) -> TaskCreated:
    return await create_reminder(context, owner.id, "Call Bob", clock.now() + hours(1))


@pytest.fixture
async def mailed(context: Context, owner: User, clock: ManualClock) -> TaskCreated:
    return await create_reminder(
        context,
        owner.id,
        "Call Bob",
        clock.now() + hours(1),
        channels=(Channel.IN_APP, Channel.EMAIL),
    )


@pytest.fixture
async def hourly(context: Context, owner: User) -> TaskCreated:
    return await create_periodic_task(
        context, owner.id, "Stretch", "custom", {"interval_minutes": 60}
    )
