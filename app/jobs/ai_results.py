"""What the AI jobs return."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from app.services.notifications import Delivered


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCreated:
    """A task that exists now, and when it runs next."""

    task_id: int
    title: str
    next_run_at: datetime | None
    run_id: str | None
    is_new: bool
    """False when a repeat of this run found the task it had made before."""


class TaskRunStatus(StrEnum):
    """What a run did for its task."""

    EXECUTED = "executed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """What became of one occurrence of a task."""

    task_id: int
    status: TaskRunStatus
    reason: str = ""
    """Why it was skipped."""
    method: str = ""
    """How the result was made: "rules", "extractive", a model's name."""
    tokens: int = 0
    """What a model was paid for it."""
    delivered: tuple[Delivered, ...] = ()
    next_run_at: datetime | None = None


class BatchStatus(StrEnum):
    """Whether all of a batch went well."""

    SUCCESS = "success"
    PARTIAL_SUCCESS = "partial_success"


@dataclass(frozen=True, slots=True, kw_only=True)
class DueTasks:
    """What a look at the tasks that are due has found and done."""

    found: int
    enqueued: int
    failed_to_enqueue: int
    lost: int
    """Their runs had died or been cancelled; they were counted as failed, and go on."""

    status: BatchStatus = field(init=False)

    def __post_init__(self) -> None:
        """Whether every task found is on its way, and none was lost on it."""
        is_all = not self.failed_to_enqueue and not self.lost
        status = BatchStatus.SUCCESS if is_all else BatchStatus.PARTIAL_SUCCESS
        object.__setattr__(self, "status", status)
