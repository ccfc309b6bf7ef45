from dataclasses import replace
from datetime import timedelta
from time import monotonic
from typing import Any, NoReturn

import pytest
from anyio.lowlevel import checkpoint

from app.context import Context
from app.engine import Fixed, Job, ManualClock, RunStatus, hours, minutes, seconds
from app.engine.retry import JITTER, is_permanent
from app.jobs.ai import (
    create_periodic_task,
    create_reminder,
    enqueue_next,
    process_due_tasks,
    run_task,
)
from app.jobs.ai_results import TaskCreated, TaskRun, TaskRunStatus
from app.jobs.letters import send_letter
from app.queues import AI
from app.services.ai import (
    AiRequest,
    Answer,
    Keep,
    RefusedByAssistant,
    ScriptedAssistant,
    kept_nowhere,
)
from app.services.bad_field import BadField
from app.services.mail.memory import MemorySender
from app.services.notifications import Channel, Delivered, DeliveryStatus, Notifier
from app.services.recurrence import Daily
from app.services.schedule_config import Config
from app.services.task_runs import CLAIM, TaskRuns
from app.services.tasks import Changes, Tasks
from app.services.wall_clock import zone_named
from app.storage.outbox import Outbox
from app.storage.outgoing_mail import OutgoingMails
from app.storage.task import TaskStatus, TaskType
from app.storage.task_log import TaskEnding
from app.storage.users import UnknownUser, User
from tests.jobs.ai_bench import due, notices, task_of, waiting


async def test_a_reminder_is_stored_and_its_run_waits_for_its_moment(
    context: Context, owner: User, reminder: TaskCreated
) -> None:
    task = await context.tasks.get(owner.id, reminder.task_id)

    assert (task.title, task.task_type) == ("Call Bob", TaskType.REMINDER)
    assert task.next_run_at == reminder.next_run_at
    assert reminder.run_id == task.run_id == f"task-{task.id}-{task.next_run_at:%Y%m%dT%H%M%SZ}"
    assert await waiting(context) == {task.run_id: task.next_run_at}


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("once", {"run_at": "2099-01-01T09:00"}),
        ("daily", {"hour": 9}),
        ("weekly", {"weekdays": [0, 4]}),
        ("monthly", {"day": 31}),
        ("custom", {"cron": "*/5 * * * *"}),
        ("custom", {"interval_minutes": 90}),
    ],
)
async def test_a_task_on_any_schedule_is_stored_and_its_run_waits(
    context: Context, owner: User, kind: str, config: dict[str, Any]
) -> None:
    created = await create_periodic_task(
        context, owner.id, "Plan", kind, config, ai_context="The week."
    )

    task = await task_of(context, created)
    assert (task.schedule_type, task.ai_context) == (kind, "The week.")
    assert created.next_run_at is not None
    assert created.next_run_at > context.tasks.runs.now()
    assert await waiting(context) == {created.run_id: created.next_run_at}


async def test_a_repeat_of_the_run_makes_no_second_task(
    context: Context, owner: User, clock: ManualClock
) -> None:
    moment = clock.now() + hours(1)

    first = await create_reminder(context, owner.id, "Call Bob", moment)
    again = await create_reminder(context, owner.id, "Call Bob", moment)

    assert (first.is_new, again.is_new) == (True, False)
    assert again == replace(first, is_new=False)
    assert len(await context.tasks.of(owner.id)) == 1
    assert len(await waiting(context)) == 1


async def test_a_repeat_enqueues_what_a_crash_left_out(
    context: Context, owner: User, clock: ManualClock
) -> None:
    moment = clock.now() + hours(1)
    key = context.attempt.run_id
    await context.tasks.create_reminder(owner, "Call Bob", moment, key=key)

    again = await create_reminder(context, owner.id, "Call Bob", moment)

    assert again.run_id is not None
    assert await context.client.run(again.run_id).status() is RunStatus.DEFERRED


async def test_a_moment_that_passed_in_the_queue_is_due_at_once(
    context: Context, owner: User, clock: ManualClock
) -> None:
    moment = clock.now() + seconds(3)
    clock.advance(minutes(1))

    created = await create_reminder(context, owner.id, "Call Bob", moment)

    assert created.run_id is not None
    assert await context.client.run(created.run_id).status() is RunStatus.QUEUED


@pytest.mark.parametrize(
    ("field", "title", "away"),
    [
        ("title", "", hours(1)),
        ("remind_at", "Call", -hours(1)),
        ("remind_at", "Call", hours(0)),
    ],
)
async def test_bad_input_names_its_field_and_is_not_retried(
    context: Context, owner: User, field: str, title: str, away: timedelta
) -> None:
    with pytest.raises(BadField, match=f"^{field}: ") as refused:
        await create_reminder(context, owner.id, title, context.attempt.enqueued_at + away)

    assert is_permanent(refused.value)
    assert await context.tasks.of(owner.id) == ()
    assert await waiting(context) == {}


@pytest.mark.parametrize(
    ("field", "kind", "config"),
    [
        ("schedule_type", "hourly", Config()),
        ("cron", "custom", Config(cron="61 * * * *")),
        ("hour", "daily", Config(hour=24)),
    ],
)
async def test_a_bad_schedule_names_its_field_and_is_not_retried(
    context: Context, owner: User, field: str, kind: str, config: Config
) -> None:
    with pytest.raises(BadField, match=f"^{field}: ") as refused:
        await create_periodic_task(context, owner.id, "Plan", kind, config)

    assert is_permanent(refused.value)
    assert await context.tasks.of(owner.id) == ()
    assert await waiting(context) == {}


async def test_nobodys_task_is_refused(context: Context, clock: ManualClock) -> None:
    with pytest.raises(UnknownUser):
        await create_reminder(context, 999, "Call", clock.now() + hours(1))


async def test_a_reminder_is_told_once_and_completed(
    context: Context, owner: User, reminder: TaskCreated
) -> None:
    run = await due(context, reminder)

    task = await task_of(context, reminder)
    assert run == TaskRun(
        task_id=task.id,
        status=TaskRunStatus.EXECUTED,
        method="rules",
        delivered=(Delivered(Channel.IN_APP, DeliveryStatus.DELIVERED, "told now"),),
    )
    assert (task.status, task.next_run_at) == (TaskStatus.COMPLETED, None)
    assert (task.last_result, task.last_method) == ("Reminder: Call Bob", "rules")
    (notice,) = await notices(context, owner)
    assert (notice.title, notice.body) == ("Call Bob", "Reminder: Call Bob")


async def test_a_recurring_task_goes_on_at_its_next_time(
    context: Context, hourly: TaskCreated
) -> None:
    run = await due(context, hourly)

    task = await task_of(context, hourly)
    assert hourly.next_run_at is not None
    assert (task.status, task.failures) == (TaskStatus.ACTIVE, 0)
    assert run.next_run_at == task.next_run_at == hourly.next_run_at + hours(1)
    assert task.run_id is not None
    assert task.run_id != hourly.run_id
    assert await context.client.run(task.run_id).status() is RunStatus.DEFERRED


async def test_how_each_occurrence_went_and_how_long_it_took_is_logged(
    context: Context, owner: User, hourly: TaskCreated
) -> None:
    await due(context, hourly, ai=Slow("stretched"))
    task = await task_of(context, hourly)
    later = replace(hourly, next_run_at=task.next_run_at, run_id=task.run_id)
    with pytest.raises(RefusedByAssistant):
        await due(context, later, ai=Slow(errors=(RefusedByAssistant("not allowed"),)))

    (performance,) = await context.tasks.log.performance(owner.id)
    failed, executed = await context.tasks.log.of(owner.id, hourly.task_id)
    assert (performance.task_type, performance.runs, performance.failed) == ("periodic_task", 2, 1)
    assert 20 <= performance.longest_ms == executed.took_ms < 10_000
    assert (executed.ending, executed.method) == (TaskEnding.EXECUTED, "scripted")
    assert (failed.ending, failed.took_ms) == (TaskEnding.FAILED, 0)
    assert failed.error == "RefusedByAssistant: not allowed"


class Slow(ScriptedAssistant):
    """Takes twenty milliseconds."""

    async def answer(self, request: AiRequest, keep: Keep = kept_nowhere) -> Answer:
        """Answer when they are over."""
        until = monotonic() + 0.02
        while monotonic() < until:
            await checkpoint()
        return await super().answer(request, keep)


async def test_the_assistant_is_told_all_about_the_task(context: Context, owner: User) -> None:
    assistant = ScriptedAssistant("fine")
    created = await create_periodic_task(
        context, owner.id, "Plan", "daily", {"hour": 9}, "The week", "Be short.", (Channel.SMS,)
    )

    await due(context, created, ai=assistant)

    (request,) = assistant.asked
    assert (request.task_id, request.user_id) == (created.task_id, owner.id)
    assert (request.title, request.description) == ("Plan", "The week")
    assert (request.task_type, request.schedule_type) == ("periodic_task", "daily")
    assert (request.schedule_config, request.ai_context) == (
        {"hour": 9, "minute": 0},
        "Be short.",
    )
    assert (request.channels, request.last_run_at) == (("sms",), None)
    assert request.created_at <= request.now
    assert (await task_of(context, created)).last_result == "fine"


async def test_each_channel_says_what_became_of_it(
    context: Context, owner: User, clock: ManualClock
) -> None:
    created = await create_reminder(
        context,
        owner.id,
        "Call",
        clock.now() + hours(1),
        channels=(Channel.SMS, Channel.IN_APP),
    )

    run = await due(context, created)

    assert [(each.channel, each.status) for each in run.delivered] == [
        (Channel.SMS, DeliveryStatus.NOT_CONFIGURED),
        (Channel.IN_APP, DeliveryStatus.DELIVERED),
    ]


async def test_an_owner_who_cannot_be_told_does_not_fail_the_task(
    context: Context, reminder: TaskCreated
) -> None:
    unreachable = Unreachable(context.database)

    run = await due(context, reminder, notifications=unreachable)

    assert [each.status for each in run.delivered] == [DeliveryStatus.FAILED]
    assert (await task_of(context, reminder)).status is TaskStatus.COMPLETED


async def test_a_reminder_and_the_run_that_mails_it_are_written_together(
    context: Context, mailed: TaskCreated, owner: User, sender: MemorySender
) -> None:
    run = await due(context, mailed)

    (letter,) = await context.outbox.next(most=9)
    payload = context.client.codec.open_payload(letter.run().payload)
    assert [each.status for each in run.delivered] == [
        DeliveryStatus.DELIVERED,
        DeliveryStatus.QUEUED,
    ]
    assert letter.job == "email.send_letter"
    assert send_letter.signature.unpack(payload.a, payload.k)[0][:3] == (
        *(owner.id, "Call Bob", "Reminder: Call Bob"),
    )
    assert len(await notices(context, owner)) == 1
    assert sender.sent == {}


async def test_of_a_reminder_whose_mail_cannot_be_queued_nothing_is_told(
    context: Context, mailed: TaskCreated, owner: User
) -> None:
    broken = Broken(context.database, context.client)

    with pytest.raises(RuntimeError, match="no room"):
        await due(context, mailed, outbox=broken)
    assert await notices(context, owner) == []
    assert await OutgoingMails(context.database).of(owner.id) == ()

    await due(context, mailed)
    assert len(await notices(context, owner)) == 1
    assert len(await context.outbox.next(most=9)) == 1


async def test_a_reminder_that_is_repeated_is_mailed_once(
    context: Context, mailed: TaskCreated, owner: User, sender: MemorySender
) -> None:
    cut_off = Tasks(context.database, now=context.tasks.runs.now)
    cut_off.runs = Unfinished(context.database, now=context.tasks.runs.now)
    with pytest.raises(ConnectionError):
        await due(context, mailed, tasks=cut_off)

    run = await due(context, mailed)

    (letter,) = await context.outbox.next(most=9)
    payload = context.client.codec.open_payload(letter.run().payload)
    args, named = send_letter.signature.unpack(payload.a, payload.k)
    for _ in range(2):
        await send_letter(context, *args, **named)
    assert run.status is TaskRunStatus.EXECUTED
    assert [each.subject for each in sender.sent.values()] == ["Call Bob"]
    assert [each.status for each in await OutgoingMails(context.database).of(owner.id)] == ["sent"]


async def test_the_task_of_one_user_is_told_to_no_other(
    context: Context, owner: User, clock: ManualClock
) -> None:
    bob = await context.users.add(name="Bob", address="bob@example.org")
    created = await create_reminder(context, bob.id, "Call Ann", clock.now() + hours(1))

    await due(context, created)

    assert [len(await notices(context, user)) for user in (owner, bob)] == [0, 1]


async def test_a_repeat_of_a_finished_run_does_nothing_again(
    context: Context, owner: User, hourly: TaskCreated
) -> None:
    assistant = ScriptedAssistant()
    await due(context, hourly, ai=assistant)
    task = await task_of(context, hourly)

    again = await due(context, hourly, ai=assistant)

    assert (again.status, again.reason) == ("skipped", "this occurrence is over")
    assert len(assistant.asked) == len(await notices(context, owner)) == 1
    assert await task_of(context, hourly) == task


async def test_a_paused_tasks_run_does_nothing(
    context: Context, owner: User, reminder: TaskCreated
) -> None:
    await context.tasks.pause(owner.id, reminder.task_id)

    run = await due(context, reminder)

    assert (run.status, run.reason) == ("skipped", "the task is paused")
    assert await notices(context, owner) == []


async def test_a_deleted_tasks_run_does_nothing(
    context: Context, owner: User, reminder: TaskCreated
) -> None:
    await context.tasks.delete(owner.id, reminder.task_id)

    run = await due(context, reminder)

    assert (run.status, run.reason) == ("skipped", "the task was deleted")
    assert await notices(context, owner) == []


async def test_a_rescheduled_tasks_old_run_does_nothing_but_enqueue_the_new_one(
    context: Context, owner: User, reminder: TaskCreated
) -> None:
    schedule = Daily(9, 0, zone=zone_named("UTC"))
    changed = await context.tasks.change(owner, reminder.task_id, Changes(schedule=schedule))

    run = await due(context, reminder)

    assert (run.status, run.reason) == ("skipped", "the task is no longer due at this time")
    assert run.next_run_at == changed.next_run_at
    task = await task_of(context, reminder)
    assert task.run_id is not None
    assert await context.client.run(task.run_id).status() is RunStatus.DEFERRED


async def test_a_run_beside_the_one_at_work_does_nothing(
    context: Context, owner: User, reminder: TaskCreated
) -> None:
    by_hand = replace(reminder, run_id="by-hand")

    run = await due(context, by_hand)

    assert (run.status, run.reason) == (
        "skipped",
        f"run {reminder.run_id} sees to this occurrence",
    )
    assert await notices(context, owner) == []


async def test_a_resumed_task_is_enqueued_under_an_id_of_its_own_when_its_run_was_cancelled(
    context: Context, owner: User, reminder: TaskCreated
) -> None:
    assert reminder.run_id is not None
    assert await context.client.run(reminder.run_id).cancel()
    await context.tasks.pause(owner.id, reminder.task_id)
    task = await context.tasks.resume(owner.id, reminder.task_id)

    run_id = await enqueue_next(context.client, context.tasks, task)

    assert run_id is not None
    assert run_id != reminder.run_id
    assert await context.client.run(run_id).status() is RunStatus.DEFERRED
    run = await due(context, replace(reminder, run_id=run_id))
    assert run.status is TaskRunStatus.EXECUTED


class Broken(Outbox):
    """Fails as soon as it has written a run."""

    async def enqueue(self, *args: Any, **kwargs: Any) -> NoReturn:
        await super().enqueue(*args, **kwargs)
        raise RuntimeError("no room")


class Unfinished(TaskRuns):
    """Is cut off before an occurrence is closed."""

    async def finish(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise ConnectionError("gone")


class Unreachable(Notifier):
    """Loses its connection on every message."""

    async def tell(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise ConnectionError("gone")


@pytest.mark.parametrize(
    "job", [create_reminder, create_periodic_task, run_task, process_due_tasks]
)
def test_every_ai_job_is_tried_four_times_a_minute_apart(job: Job[Context, ..., Any]) -> None:
    assert (job.queue, job.retry) == (AI, Fixed(minutes(1), attempts=4))


def test_a_claim_outlasts_an_attempt_and_the_pause_before_the_next() -> None:
    assert run_task.timeout + run_task.retry.wait(1, TimeoutError()) * (1 + JITTER) < CLAIM
