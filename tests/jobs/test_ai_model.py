"""Tasks whose answers come from a model on a server: waited for, paid once, never obeyed."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn

import pytest
from arq.connections import RedisSettings
from msgspec import structs

from app.context import Context, Services
from app.engine import ManualClock, RunStatus, minutes
from app.jobs import JOBS
from app.jobs.ai import create_periodic_task, create_reminder, run_task
from app.jobs.ai_results import TaskCreated, TaskRunStatus
from app.services.ai import (
    Account,
    AiRequest,
    Answer,
    Assistant,
    AssistantUnavailable,
    Keep,
    ModelAssistant,
    UnusableAnswer,
    kept_nowhere,
)
from app.services.mail.memory import MemorySender
from app.services.task_runs import TaskRuns
from app.services.tasks import Tasks
from app.storage.notifications import Notices
from app.storage.task import TaskStatus, TaskType
from app.storage.users import User
from tests.eventually import eventually
from tests.jobs.ai_bench import at_attempt, due, notices, task_of, waiting
from tests.jobs.working import working
from tests.life.injections import line, texts
from tests.life.obedient import obedient_model
from tests.plugins.cases import Case
from tests.services.ai.provider_server import (
    TOKENS,
    ProviderServer,
    Say,
    completion,
    provider_server,
    refusal,
    said,
)


@asynccontextmanager
async def model(
    services: Services, *answers: Say
) -> AsyncGenerator[tuple[Services, ProviderServer]]:
    """The services with a model in them that gives these answers."""
    async with provider_server(*answers) as server:
        account = Account(model="tiny", base_url=server.url)
        async with ModelAssistant.open(account, now=services.client.store.clock.now) as ai:
            yield replace(services, ai=ai), server


async def planned(
    context: Context, owner: User, title: str = "Plan", *, every: int = 60, text: str = "A week."
) -> TaskCreated:
    """A task that only a model can carry out, due each `every` minutes."""
    attempt = structs.replace(context.attempt, run_id=f"make-{title}")
    return await create_periodic_task(
        replace(context, attempt=attempt),
        owner.id,
        title,
        "custom",
        {"interval_minutes": every},
        ai_context=text,
    )


async def test_a_models_answer_is_told_and_says_what_made_it(
    context: Context, services: Services, owner: User
) -> None:
    created = await planned(context, owner, "Plan")
    async with model(services, said("Rest on Monday.")) as (with_model, server):
        run = await due(context, created, ai=with_model.ai)

    task = await task_of(context, created)
    (notice,) = await notices(context, owner)
    assert (run.status, run.method, run.tokens) == (TaskRunStatus.EXECUTED, "llm:tiny", TOKENS)
    assert (task.last_result, task.last_method) == ("Rest on Monday.", "llm:tiny")
    assert (notice.title, notice.body) == ("Plan", "Rest on Monday.")
    assert len(server.asked) == 1


async def test_a_run_that_is_tried_again_after_the_answer_does_not_pay_again(
    context: Context, services: Services, owner: User
) -> None:
    created = await planned(context, owner, "Plan")
    cut_off = Tasks(context.database, now=context.tasks.runs.now)
    cut_off.runs = Forgetful(context.database, now=context.tasks.runs.now)
    async with model(services, said("Rest."), said("Work.")) as (with_model, server):
        for _ in range(2):
            with pytest.raises(ConnectionError, match="gone"):
                await due(context, created, ai=with_model.ai, tasks=cut_off)

        await due(context, created, ai=with_model.ai)

    assert len(server.asked) == 1
    assert [each.body for each in await notices(context, owner)] == ["Rest."]


@pytest.mark.parametrize("status", [429, 529])
async def test_one_run_told_to_wait_parks_all_of_the_account_and_no_reminder(
    context: Context,
    services: Services,
    owner: User,
    clean_redis: RedisSettings,
    clock: ManualClock,
    status: int,
) -> None:
    bob = await context.users.add(name="Bob", address="bob@example.org")
    early = await planned(context, owner, "early", every=30)
    others = [await planned(context, owner, "b"), await planned(context, bob, "c")]
    told = await create_reminder(context, owner.id, "Call Ann", clock.now() + minutes(60))
    async with (
        model(services, refusal(status, retry_after="2700"), said("Rest.")) as (given, server),
        working(replace(given, ai=(asked := Counting(given.ai))), clean_redis, JOBS),
    ):
        clock.advance(minutes(30))
        await eventually(lambda: is_parked(context, early, server))
        clock.advance(minutes(30))
        await eventually(lambda: is_told(context, told))
        while_parked = len(asked.titles), len(server.asked)
        clock.advance(minutes(20))  # and up to a tenth of the wait, as retries spread
        for each in (early, *others):
            await eventually(partial(is_told, context, each))

    assert while_parked == (1, 1)
    assert sorted(asked.titles) == ["b", "c", "early", "early"]
    assert len(server.asked) == 4
    assert [(await task_of(context, each)).failures for each in (early, *others)] == [0, 0, 0]


async def is_parked(context: Context, created: TaskCreated, server: ProviderServer) -> bool:
    assert created.run_id is not None
    status = await context.client.run(created.run_id).status()
    return bool(server.asked) and status is RunStatus.DEFERRED


async def is_told(context: Context, created: TaskCreated) -> bool:
    return (await task_of(context, created)).last_result is not None


class Counting:
    """Notes which tasks, beside reminders, are asked about."""

    def __init__(self, assistant: Assistant) -> None:
        self.assistant = assistant
        self.titles: list[str] = []

    async def answer(self, request: AiRequest, keep: Keep = kept_nowhere) -> Answer:
        """Pass it on."""
        if request.task_type is not TaskType.REMINDER:
            self.titles.append(request.title)
        return await self.assistant.answer(request, keep)

    async def check(self) -> str:
        """Pass it on."""
        return await self.assistant.check()

    async def reach(self) -> None:
        """Pass it on."""
        await self.assistant.reach()


async def test_a_wait_before_a_repair_does_not_pay_again_for_what_the_model_has_said(
    context: Context,
    services: Services,
    owner: User,
    clean_redis: RedisSettings,
    clock: ManualClock,
) -> None:
    task = await planned(context, owner, "early", every=30)
    answers = completion("sure thing"), refusal(429, retry_after="60"), said("Rest.")
    async with model(services, *answers) as (given, server), working(given, clean_redis, JOBS):
        clock.advance(minutes(30))
        await eventually(lambda: is_parked(context, task, server))
        clock.advance(minutes(2))
        await eventually(partial(is_told, context, task))

    assert (await task_of(context, task)).last_result == "Rest."
    assert len(server.asked) == len(answers)
    assert [each["content"] for each in server.asked[-1]["messages"]].count("sure thing") == 1


async def test_a_last_try_that_is_told_to_wait_is_no_failure(
    context: Context, services: Services, owner: User
) -> None:
    created = await planned(context, owner)
    async with model(services, refusal(429, retry_after="60")) as (given, _):
        last = at_attempt(context, str(created.run_id), number=4, ai=given.ai)
        assert created.next_run_at is not None
        with pytest.raises(AssistantUnavailable):
            await run_task(last, created.task_id, created.next_run_at)

    task = await task_of(context, created)
    assert (task.failures, task.next_run_at) == (0, created.next_run_at)


async def test_an_answer_of_another_form_fails_the_occurrence_and_is_not_paid_again(
    context: Context, services: Services, owner: User
) -> None:
    created = await planned(context, owner)
    async with model(services, completion("sure thing")) as (given, server):
        with pytest.raises(UnusableAnswer):
            await due(context, created, ai=given.ai)
        again = await due(context, created, ai=given.ai)

    task = await task_of(context, created)
    assert again.status is TaskRunStatus.SKIPPED
    assert (task.failures, task.status) == (1, TaskStatus.ACTIVE)
    assert task.last_error == "UnusableAnswer: the model's answer is not of the form"
    assert len(server.asked) == 3


@pytest.mark.case(62)
async def test_a_model_that_obeys_everybody_can_only_write_a_notice(
    context: Context, services: Services, owner: User, sender: MemorySender, case: Case
) -> None:
    found = texts(port=1)
    made = [await planned(context, owner, line(each)[:150], text=each) for each in found]
    before = set(await waiting(context))
    async with obedient_model() as obedient:
        account = Account(model="tiny", base_url=obedient.server.url)
        async with ModelAssistant.open(account, now=services.client.store.clock.now) as ai:
            for each in made:
                await due(context, each, ai=ai)

    told = await Notices(context.database).of(owner.id, limit=100)
    begun = set(await waiting(context)) - before
    case.says(
        f"{len(found)} injections in tasks, a model that calls every tool and tells all it knows",
        steward=f"{len(told)} notices to the task's owner, {len(sender.sent)} mails",
    )
    assert len(told) == len(found)
    assert all("all that I was told" in each.body for each in told)
    assert sender.sent == {}
    assert [each.job for each in await context.outbox.next(most=9)] == []
    assert begun == {(await task_of(context, each)).run_id for each in made}
    assert all("tools" not in each for each in obedient.server.asked)


class Forgetful(TaskRuns):
    """Is cut off before it has written down an answer."""

    async def answer(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise ConnectionError("gone")
