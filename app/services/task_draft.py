"""A task as its user asked for it, on its way to be stored."""

from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from typing import Any

from app.services.bad_field import BadTask
from app.services.notifications import Channel
from app.services.recurrence import Interval, Once, Schedule
from app.services.schedule_config import written
from app.services.task_fields import channel_names, plain_text, plain_title
from app.storage.task import NewTask, TaskType
from app.storage.users import User


@dataclass(frozen=True, slots=True)
class Draft:
    """A task as its user asked for it."""

    user: User
    title: str
    schedule: Schedule
    _: KW_ONLY
    channels: tuple[Channel, ...]
    description: str = ""
    ai_context: str = ""

    def checked(self, task_type: TaskType, due: datetime) -> NewTask:
        """The same, fit to be stored; raises `BadTask`."""
        if not self.user.active:
            raise BadTask("user_id", f"user {self.user.id} is not active")
        return NewTask(
            user_id=self.user.id,
            title=plain_title(self.title),
            description=plain_text("description", self.description),
            ai_context=plain_text("ai_context", self.ai_context),
            channels=channel_names(self.channels),
            task_type=task_type,
            next_run_at=due,
            **on(self.schedule, self.user),
        )


def on(schedule: Schedule, user: User) -> dict[str, Any]:
    """The columns that hold the schedule."""
    kind, config = written(schedule)
    zone = user.timezone if isinstance(schedule, Once | Interval) else schedule.zone.key
    own = zone != user.timezone
    return {"schedule_type": kind, "schedule_config": config, "timezone": zone, "own_zone": own}


def unclaimed(due: datetime) -> dict[str, Any]:
    """The columns of a task that is due then, and has no run yet."""
    return {"next_run_at": due, "run_id": None, "claimed_until": None}
