"""Puts the runs of users' tasks on the queue: an occurrence has one id, so it is queued once."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import anyio

from app.context import Context
from app.engine import Client, EngineError, Job, RunStatus
from app.jobs.ai_results import TaskRun
from app.services.tasks import Tasks
from app.storage.task import Occurrence, Task, TaskStatus

log = logging.getLogger(__name__)

_LOST = (RunStatus.DEAD, RunStatus.CANCELLED)
_OVER = (*_LOST, RunStatus.SUCCEEDED, RunStatus.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one due task: on its way, its run lost, or not to be enqueued now."""

    occurrence: Occurrence
    is_lost: bool = False
    error: EngineError | None = None


@dataclass(frozen=True, slots=True)
class TaskQueue:
    """Enqueues `run`, the job that executes one occurrence of a task."""

    client: Client
    tasks: Tasks
    run: Job[Context, [int, datetime], TaskRun]

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

    async def give_up(self, task: Task, occurrence: Occurrence, error: str) -> None:
        """Count the occurrence as failed, and go on with the next, if there is one."""
        log.warning("Task %s failed for good on its run %s.", task.id, occurrence.run_id)
        failed = await self.tasks.runs.fail(task, occurrence, error)
        if failed is not None:
            await self.enqueue_next(failed)

    async def send(self, batch: Sequence[Task]) -> list[Sent]:
        """Enqueue claimed tasks, side by side: one that can't be keeps none of the others."""
        sent: list[Sent] = []

        async def send(task: Task, occurrence: Occurrence) -> None:
            try:
                sent.append(await self._send(task, occurrence))
            except EngineError as error:
                log.warning("Task %s could not be enqueued: %s.", task.id, error)
                sent.append(Sent(occurrence, error=error))

        async with anyio.create_task_group() as group:
            for task in batch:
                if task.occurrence is not None:
                    group.start_soon(send, task, task.occurrence)
        return sent

    async def _send(self, task: Task, occurrence: Occurrence) -> Sent:
        status = await self._enqueue(task, occurrence)
        if status in _LOST:
            await self.give_up(task, occurrence, f"its run {occurrence.run_id} is {status}")
        elif status in _OVER:
            await self.enqueue_next(task)
        return Sent(occurrence, is_lost=status in _LOST)

    async def _enqueue(self, task: Task, occurrence: Occurrence) -> RunStatus:
        """Put the occurrence's run on the queue, unless it is known; tells where it stands."""
        at_its_time = self.run.with_options(
            id=occurrence.run_id, at=occurrence.due_at, owner=str(task.user_id)
        )
        handle = await self.client.enqueue(at_its_time, task.id, occurrence.due_at)
        return RunStatus.QUEUED if handle.is_new else await handle.status()
