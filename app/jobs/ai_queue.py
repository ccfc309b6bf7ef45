"""Puts the runs of users' tasks on the queue: an occurrence has one id, so it is queued once."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import anyio

from app.context import Context
from app.engine import Client, EngineError, Job, RunStatus
from app.jobs.ai_results import TaskRun
from app.services.tasks import Tasks
from app.storage.task import Occurrence, Task, TaskStatus, TaskType

log = logging.getLogger(__name__)

MODEL: Final = "model"
"""The account of what waits while the model's provider asks to."""
OWN_WORDS: Final = "own words"
"""... and of reminders, which wait for nobody: see `services.ai.model`."""

_LOST = (RunStatus.DEAD, RunStatus.CANCELLED)
_OVER = (*_LOST, RunStatus.SUCCEEDED, RunStatus.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one due task: on its way, its run lost, or not to be enqueued now."""

    task: Task
    occurrence: Occurrence
    lost: RunStatus | None = None
    """How its run ended without seeing to it; whoever sent it has to give the occurrence up."""
    error: EngineError | None = None


@dataclass(frozen=True, slots=True)
class TaskQueue:
    """Enqueues `run`, the job that executes one occurrence of a task."""

    client: Client
    tasks: Tasks
    run: Job[Context, [int, datetime, str], TaskRun]

    async def enqueue_next(self, task: Task) -> str | None:
        """Enqueue the task's next run at its due time; returns the run's id. Safe to repeat."""
        occurrence = task.occurrence
        if task.status is not TaskStatus.ACTIVE or occurrence is None:
            return None
        is_over = await self._enqueue(task, occurrence) in _OVER
        occurrence = occurrence.again() if is_over else occurrence
        await self.tasks.runs.promise(occurrence)
        if is_over:
            await self._enqueue(task, occurrence)
        return occurrence.run_id

    async def send(self, batch: Sequence[Task]) -> list[Sent]:
        """Enqueue claimed tasks, side by side: one that can't be keeps none of the others."""
        sent: list[Sent] = []

        async def send(task: Task, occurrence: Occurrence) -> None:
            try:
                sent.append(await self._send(task, occurrence))
            except EngineError as error:
                log.warning("Task %s could not be enqueued: %s.", task.id, error)
                sent.append(Sent(task, occurrence, error=error))

        async with anyio.create_task_group() as group:
            for task in batch:
                if task.occurrence is not None:
                    group.start_soon(send, task, task.occurrence)
        return sent

    async def _send(self, task: Task, occurrence: Occurrence) -> Sent:
        status = await self._enqueue(task, occurrence)
        if status in _OVER and status not in _LOST:
            await self.enqueue_next(task)
        return Sent(task, occurrence, lost=status if status in _LOST else None)

    async def _enqueue(self, task: Task, occurrence: Occurrence) -> RunStatus:
        """Put the occurrence's run on the queue, unless it is known; tells where it stands."""
        at_its_time = self.run.with_options(
            id=occurrence.run_id, at=occurrence.due_at, owner=str(task.user_id)
        )
        account = OWN_WORDS if task.task_type is TaskType.REMINDER else MODEL
        handle = await self.client.enqueue(at_its_time, task.id, occurrence.due_at, account)
        return RunStatus.QUEUED if handle.is_new else await handle.status()
