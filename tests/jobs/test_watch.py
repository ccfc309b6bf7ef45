"""The clock looks for what is wrong, tells it once, and forgets what is long over."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from arq.connections import RedisSettings
from msgspec import structs

from app.context import Context
from app.engine import (
    Client,
    Codec,
    Ending,
    ManualClock,
    RetryLater,
    RunStatus,
    days,
    hours,
    minutes,
    seconds,
)
from app.engine.doors.events import Batch, RunEvent
from app.jobs.email import process_email_queue
from app.jobs.sync import sync_notion_pages
from app.jobs.watch import check_alerts, prune_watch, tell_alert
from app.observability.alert_channels import Addresses, AlertChannels
from app.queues import NAMES
from app.services.alert_report import Channel, TellStatus
from app.services.mail import AccountRests
from app.services.mail.memory import MemorySender
from app.services.web_guard import WebGuard
from app.services.web_post import Poster, PostFailed
from app.storage.alerts import Breach, Severity
from app.storage.failures import NewFailure
from app.storage.health import HealthChecks
from app.storage.runs import Runs
from app.storage.samples import QueueSample, Samples, minute_of
from app.storage.sightings import Sighting, Sightings
from app.testing import next_try
from tests.observability.hooks import hooks
from tests.servers import free_port

HOT = Breach(rule="cpu", subject="here", severity=Severity.WARNING, value=95, line="it is hot")


@pytest.fixture
async def client(
    clean_redis: RedisSettings, codec: Codec, clock: ManualClock
) -> AsyncGenerator[Client]:
    """A client that looks at every queue."""
    async with Client.open(clean_redis, codec, clock=clock, queues=NAMES) as opened:
        yield opened


def event(
    number: int, at: datetime, ending: Ending, *, job: str = "tests.work", run_id: str = ""
) -> RunEvent:
    return RunEvent(
        run_id=run_id or f"run-{number}",
        job=job,
        queue="email",
        ending=ending,
        attempt=1,
        enqueued_at=at,
        started_at=at,
        ended_at=at,
        worker="w1",
    )


async def ran(context: Context, *, failed: int, total: int) -> None:
    """Let the history say that so many runs ended just now."""
    at = context.client.store.clock.now() - seconds(5)
    endings = [Ending.DEAD] * failed + [Ending.SUCCEEDED] * (total - failed)
    events = tuple(event(number, at, each) for number, each in enumerate(endings))
    batch = Batch(entry_id="1-0", first=1, last=len(events), events=events)
    await Runs(context.database).record([batch])


async def enqueued(context: Context) -> list[str]:
    """What the outbox holds, to be brought to the queues."""
    return [each.job for each in await context.outbox.next(most=100)]


async def raised(context: Context) -> int:
    """An alert that was raised and is to be told."""
    async with context.database.write() as session:
        settled = await context.alerting.settle(session, [HOT])
    return settled.telling[0].alert.id


def told_at(context: Context, addresses: Addresses) -> Context:
    """The same, with these to be told."""
    urls = [url for url in (addresses.slack, addresses.webhook) if url]
    channels = AlertChannels(
        addresses,
        outbox=context.mail.outbox,
        users=context.users,
        poster=Poster(WebGuard(trusted=urls)),
        now=context.client.store.clock.now,
    )
    return replace(context, alert_channels=channels)


async def test_all_is_well_and_nobody_is_told(context: Context) -> None:
    await ran(context, failed=0, total=20)

    checked = await check_alerts(context)

    assert (checked.breaches, checked.telling, checked.resolved) == (0, 0, 0)
    assert await enqueued(context) == []
    assert await Samples(context.database).queues(context.client.store.clock.now() - days(1))


async def test_failures_are_told_by_one_run_for_each_channel(context: Context) -> None:
    await ran(context, failed=5, total=20)

    checked = await check_alerts(context)

    assert (checked.breaches, checked.telling) == (2, 7)  # a warning, and the critical one by mail
    assert await enqueued(context) == ["maintenance.tell_alert"] * 7
    active = await context.alerting.alerts.list(active=True)
    assert {each.rule for each in active} == {"failure-rate", "failure-rate-high"}
    assert active[0].line == "tests: 5 of 20 runs failed in 15 minutes: 25.0 %"


async def test_a_second_look_tells_nobody_again(context: Context) -> None:
    await ran(context, failed=5, total=20)
    await check_alerts(context)

    again = await check_alerts(next_try(context))

    assert (again.breaches, again.telling) == (2, 0)
    assert len(await enqueued(context)) == 7


async def ended(context: Context, ending: Ending, tick: str) -> None:
    """Let the history say that this run of a schedule ended just now."""
    name = sync_notion_pages.name
    run_id = f"{name}@{tick}" if tick else "by-hand"
    at = context.client.store.clock.now()
    one = event(1, at, ending, job=name, run_id=run_id)
    await Runs(context.database).record([Batch(entry_id="9-0", first=1, last=1, events=(one,))])


async def test_a_schedule_that_ends_in_dead_letters_is_told_until_it_goes_well(
    context: Context, clock: ManualClock
) -> None:
    await ended(context, Ending.DEAD, "")
    assert (await check_alerts(context)).breaches == 0
    await ended(context, Ending.DEAD, "20261130T100000Z")

    first, again = await check_alerts(context), await check_alerts(next_try(context))
    (alert,) = await context.alerting.alerts.list(active=True)
    await context.alerting.alerts.acknowledge(alert.id, by="Ann")
    clock.advance(hours(2))
    await ended(context, Ending.DEAD, "20261130T120000Z")
    seen_to = await check_alerts(context)
    clock.advance(minutes(1))
    await ended(context, Ending.SUCCEEDED, "20261130T140000Z")
    over = await check_alerts(context)

    assert (alert.rule, alert.subject) == ("schedule-dead", "sync.sync_notion_pages")
    assert (first.breaches, first.telling, again.telling, seen_to.telling) == (1, 4, 0, 0)
    assert (seen_to.breaches, over.breaches, over.resolved) == (1, 0, 1)


async def test_what_a_health_check_finds_unhealthy_is_told_until_another_finds_it_well(
    context: Context, clock: ManualClock
) -> None:
    checks = HealthChecks(context.database, now=clock.now)
    part = {"name": "disk", "level": "unhealthy", "line": "400 MB are free"}
    await checks.finish(await checks.begin(clock.now()), "unhealthy", {"parts": [part]})

    found = await check_alerts(context)
    (alert,) = await context.alerting.alerts.list(active=True)
    clock.advance(minutes(1))
    await checks.finish(await checks.begin(clock.now()), "healthy", {"parts": []})
    over = await check_alerts(context)

    assert (alert.rule, alert.line) == ("unhealthy", "disk: 400 MB are free")
    assert (found.telling, over.resolved) == (4, 1)


async def test_a_mail_that_no_server_takes_is_not_called_told(
    context: Context, sender: MemorySender
) -> None:
    sender.kept_in = "mail/outbox"

    told = await tell_alert(context, await raised(context), Channel.MAIL, 1)

    assert told.status is TellStatus.NOT_CONFIGURED
    assert told.detail == "no mail server is set, so it is kept in mail/outbox"


async def test_a_mail_whose_account_rests_waits_and_is_told_later(
    context: Context, sender: MemorySender
) -> None:
    alert = await raised(context)
    sender.failing = AccountRests("it refuses us", retry_after=minutes(1))

    with pytest.raises(RetryLater, match="refuses us"):
        await tell_alert(context, alert, Channel.MAIL, 1)
    sender.failing = None
    told = await tell_alert(next_try(context), alert, Channel.MAIL, 1)

    assert told.status is TellStatus.TOLD
    assert len(sender.sent) == 1


async def test_old_failures_are_no_alert_and_what_was_one_is_over(
    context: Context, clock: ManualClock
) -> None:
    await ran(context, failed=5, total=20)
    await check_alerts(context)
    clock.advance(minutes(16))

    checked = await check_alerts(context)

    assert (checked.breaches, checked.resolved) == (0, 2)
    assert await context.alerting.alerts.list(active=True) == ()


async def test_a_backlog_without_a_failure_is_told(context: Context, clock: ManualClock) -> None:
    call = process_email_queue.call()
    await context.client.enqueue_many(call for _ in range(100))
    for _ in range(5):
        assert (await check_alerts(context)).breaches == 0
        clock.advance(minutes(1))

    checked = await check_alerts(context)

    assert checked.breaches == 1
    (alert,) = await context.alerting.alerts.list(active=True)
    assert (alert.rule, alert.subject, alert.value) == ("queue", "email", 100)


def seen_worker(context: Context, name: str, *, left: bool = False) -> Sighting:
    now = context.client.store.clock.now()
    return Sighting(
        worker=name,
        host="here",
        pid=7,
        started_at=now - timedelta(hours=1),
        seen_at=now,
        left_at=now if left else None,
        cpu_percent=1,
        memory_bytes=1,
        slots=10,
    )


async def test_a_worker_that_died_is_told_and_one_that_left_is_not(context: Context) -> None:
    sightings = Sightings(context.database)
    await sightings.see(seen_worker(context, "killed"))
    await sightings.see(seen_worker(context, "stopped", left=True))

    await check_alerts(context)

    (alert,) = await context.alerting.alerts.list(active=True)
    assert (alert.rule, alert.subject) == ("worker-died", "killed")


async def test_one_alert_is_told_on_the_channel_it_is_for(context: Context) -> None:
    alert_id = await raised(context)
    async with hooks() as site:
        ours = told_at(context, Addresses(webhook=site.url("hook")))

        told = await tell_alert(ours, alert_id, Channel.WEBHOOK, 1)
        again = await tell_alert(next_try(ours), alert_id, Channel.WEBHOOK, 1)

    assert told.status is TellStatus.TOLD
    assert (len(site.posts), again) == (1, told)


async def test_a_channel_that_is_not_configured_is_no_failure(context: Context) -> None:
    told = await tell_alert(context, await raised(context), Channel.SLACK, 1)

    assert told.status is TellStatus.NOT_CONFIGURED


async def test_a_dead_channel_does_not_block_the_others(
    context: Context, sender: MemorySender
) -> None:
    alert_id = await raised(context)
    async with hooks() as site:
        dead = f"http://127.0.0.1:{free_port()}/slack"
        ours = told_at(context, Addresses(slack=dead, webhook=site.url("hook")))

        with pytest.raises(PostFailed):
            await tell_alert(ours, alert_id, Channel.SLACK, 1)
        for channel in (Channel.WEBHOOK, Channel.MAIL, Channel.LOG):
            attempt = replace_run(ours, channel)
            assert (await tell_alert(attempt, alert_id, channel, 1)).status is TellStatus.TOLD

    assert (len(site.posts), len(sender.sent)) == (1, 1)


def replace_run(context: Context, channel: Channel) -> Context:
    """The context of another run."""
    return replace(context, attempt=structs.replace(context.attempt, run_id=f"run-{channel}"))


async def test_a_channel_that_comes_back_is_told_by_a_later_attempt(context: Context) -> None:
    alert_id = await raised(context)
    async with hooks() as site:
        site.answers += [503]
        ours = told_at(context, Addresses(slack=site.url("slack")))
        with pytest.raises(ConnectionError):
            await tell_alert(ours, alert_id, Channel.SLACK, 1)

        told = await tell_alert(next_try(ours), alert_id, Channel.SLACK, 1)

    assert (told.status, len(site.posts)) == (TellStatus.TOLD, 2)


async def test_what_is_long_over_is_forgotten(context: Context, clock: ManualClock) -> None:
    old = clock.now()
    await Samples(context.database).add_queues(
        [QueueSample(queue="email", minute=minute_of(old), ready=1, deferred=1, running=1)]
    )
    await Sightings(context.database).see(seen_worker(context, "old"))
    await raised(context)
    async with context.database.write() as session:
        await context.alerting.settle(session, [])
    await context.failures.add([failure(old)])
    assert (await prune_watch(context)).samples == 0
    clock.advance(days(31))

    pruned = await prune_watch(context)

    assert (pruned.samples, pruned.workers, pruned.alerts, pruned.failures) == (1, 1, 1, 1)
    assert await context.failures.find() == ()
    assert await context.client.run("nobody").status() is RunStatus.UNKNOWN


def failure(at: datetime) -> NewFailure:
    return NewFailure(
        run_id="run-1",
        job="tests.work",
        queue="email",
        ending=Ending.DEAD,
        attempt=1,
        failed_at=at,
        worker="w1",
        kind="OSError",
        message="",
        arguments="",
        traceback="",
    )
