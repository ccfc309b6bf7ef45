"""A user's AI task or reminder, as a value, and the one vocabulary for where it stands.

                    ┌──────────── resumed ────────────┐
                    v                                 │
    created ──> ACTIVE ── paused by its user ─────> PAUSED
                 ^  ├── it ran, with no next run ──> COMPLETED
                 │  └── a one-off failed for good ─> FAILED
                 └── resumed, retried, given another schedule ──┘

A paused task completes or fails when the pause came in the middle of its last run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from secrets import token_hex
from typing import Any

LONGEST_TITLE = 255


class TaskType(StrEnum):
    """What kind of task it is."""

    REMINDER = "reminder"
    AUTOMATED = "automated_task"
    PERIODIC = "periodic_task"


class ScheduleType(StrEnum):
    """How its schedule is written."""

    ONCE = "once"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    CUSTOM = "custom"


class TaskStatus(StrEnum):
    """Where a task stands."""

    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"

    def may_become(self, target: "TaskStatus") -> bool:
        """Whether a task may go from here to `target`; staying is always allowed."""
        return target is self or target in _MAY_BECOME[self]


_MAY_BECOME = {
    TaskStatus.ACTIVE: {TaskStatus.PAUSED, TaskStatus.COMPLETED, TaskStatus.FAILED},
    TaskStatus.PAUSED: {TaskStatus.ACTIVE, TaskStatus.COMPLETED, TaskStatus.FAILED},
    TaskStatus.COMPLETED: {TaskStatus.ACTIVE},
    TaskStatus.FAILED: {TaskStatus.ACTIVE},
}


class UnknownTask(LookupError, ValueError):
    """There is no such task, or it is somebody else's. No retry brings it into being."""


class WrongStatus(ValueError):
    """A task can't go from the status it has to the one asked for."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One due time of one task, and the run that sees to it."""

    task_id: int
    due_at: datetime
    run_id: str

    @classmethod
    def of(cls, task_id: int, due_at: datetime) -> "Occurrence":
        """The occurrence under its usual run id: the same whoever asks, so it is queued once."""
        return cls(task_id, due_at, f"task-{task_id}-{due_at.astimezone(UTC):%Y%m%dT%H%M%SZ}")

    def again(self) -> "Occurrence":
        """The same under an id of its own: the usual run is over, and has not seen to it."""
        return replace(self, run_id=f"{self.run_id}.{token_hex(4)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """What is known of a task before it has run."""

    user_id: int
    title: str
    description: str
    task_type: TaskType
    schedule_type: ScheduleType
    schedule_config: Mapping[str, Any]
    timezone: str
    ai_context: str
    channels: tuple[str, ...]
    next_run_at: datetime
    own_zone: bool = False
    """Whether `timezone` was given with the schedule; else it follows its user's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task with what has become of it."""

    id: int
    user_id: int
    title: str
    description: str
    task_type: TaskType
    schedule_type: ScheduleType
    schedule_config: Mapping[str, Any]
    timezone: str
    ai_context: str
    channels: tuple[str, ...]
    status: TaskStatus
    next_run_at: datetime | None
    last_run_at: datetime | None
    answered_for: datetime | None
    """The due time that `last_result` belongs to."""
    last_result: str | None
    last_method: str | None
    """How the result was made: "rules", "extractive", a model's name."""
    last_tokens: int
    """What a model was paid for the result."""
    last_error: str | None
    failures: int
    """How many of its runs in a row have failed."""
    run_id: str | None
    """The run that is to execute it next; nobody's when None."""
    claimed_until: datetime | None
    """When that run's claim lapses."""
    created_at: datetime
    updated_at: datetime

    @property
    def occurrence(self) -> Occurrence | None:
        """Its next run; None when there is none to come."""
        due = self.next_run_at
        return None if due is None else Occurrence.of(self.id, due)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCounts:
    """How many tasks there are, by where they stand."""

    active: int = 0
    paused: int = 0
    completed: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.pending + self.completed + self.failed

    @property
    def pending(self) -> int:
        """Those that are not over: active and paused."""
        return self.active + self.paused

    @property
    def success_rate(self) -> float | None:
        """The percentage completed of those that are over; None before the first is."""
        over = self.completed + self.failed
        return 100 * self.completed / over if over else None
