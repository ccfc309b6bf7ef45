"""Tasks as their users ask for them, for tests of what becomes of them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.storage.database import Database
from app.storage.task import NewTask, ScheduleType, TaskType
from app.storage.users import User, Users

DUE = datetime(2026, 11, 23, 8, tzinfo=UTC)


async def add_user(database: Database, name: str = "Ann") -> User:
    return await Users(database).add(name=name, address=f"{name.lower()}@example.org")


def new_task(user: User, **changes: Any) -> NewTask:
    """A daily task that is due at `DUE`."""
    plain = NewTask(
        user_id=user.id,
        title="Water the plants",
        description="",
        task_type=TaskType.PERIODIC,
        schedule_type=ScheduleType.DAILY,
        schedule_config={"hour": 8},
        timezone="UTC",
        ai_context="",
        channels=("in_app",),
        next_run_at=DUE,
    )
    return replace(plain, **changes)
