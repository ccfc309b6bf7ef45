"""An arq project on our worker: its functions are called, and its clients answered, as by arq's."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from arq import Retry, func
from arq.jobs import Job as PlainRun
from arq.jobs import JobStatus
from arq.worker import JobExecutionFailed, RetryJob, async_check_health

from app.engine import Client, DeadLetters, DeclarationError, Ending, ending_of
from app.engine.dropin import StartupFailed
from app.engine.redis import keys
from tests.engine.dropin.conftest import QUEUE, Ctx, Open
from tests.eventually import eventually
from tests.rights import asked

SOON = {"timeout": 5, "poll_delay": 0.01}


async def add(_ctx: Ctx, one: int, other: int = 1) -> int:
    """Return a sum."""
    return one + other


ADD: Any = add

# calls


async def test_a_run_is_executed_and_its_result_read(project: Open) -> None:
    async with project(add) as theirs:
        first = await theirs.enqueue("add", 1)
        second = await theirs.enqueue("add", 1, other=5)

        await theirs.drain()

        assert await first.result(**SOON) == 2
        assert await second.result(**SOON) == 6
        info = await second.result_info()
        assert info is not None
        assert (info.function, list(info.args), info.kwargs) == ("add", [1], {"other": 5})
        assert (info.job_try, info.success, info.queue_name) == (1, True, QUEUE)
        assert info.enqueue_time <= info.start_time <= info.finish_time
        assert await second.status() == JobStatus.complete


@pytest.mark.parametrize(
    "queue",
    ["arq:queue:high", pytest.param("whatever", marks=pytest.mark.more_rights("to that key"))],
)
async def test_the_projects_queue_may_have_any_name(project: Open, queue: str) -> None:
    async with project(add, queue_name=queue) as theirs:
        run = await theirs.enqueue("add", 1)

        await theirs.drain()

        assert await run.result(**SOON) == 2


async def test_pickle_works_for_who_trusts_the_redis(project: Open) -> None:
    async with project(add, job_serializer=None, job_deserializer=None) as theirs:
        run = await theirs.enqueue("add", 1)
        failing = await theirs.enqueue("add", "one")

        await theirs.drain(is_trusted=True)

        assert await run.result(**SOON) == 2
        with pytest.raises(TypeError, match="can only concatenate str"):
            await failing.result(**SOON)


async def test_pickle_is_refused_to_all_others(project: Open) -> None:
    async with project(add, job_deserializer=None) as theirs:
        with pytest.raises(DeclarationError, match="job_deserializer is pickle"):
            await theirs.drain()


async def test_a_function_is_given_what_arq_gives(project: Open) -> None:
    seen: list[Ctx] = []

    async def look(ctx: Ctx) -> None:
        seen.append(ctx)

    async def startup(ctx: Ctx) -> None:
        ctx["session"] = "open"

    async with project(look, on_startup=startup, ctx={"own": 1}) as theirs:
        before = datetime.now(UTC) - timedelta(seconds=1)
        run = await theirs.enqueue("look", _defer_by=0.3)
        await theirs.drain()

    (ctx,) = seen
    assert (ctx["own"], ctx["session"], ctx["job_id"], ctx["job_try"]) == (1, "open", run.job_id, 1)
    assert before < ctx["enqueue_time"] <= datetime.now(UTC)
    deferred = ctx["score"] - ctx["enqueue_time"].timestamp() * 1000
    assert 299 <= deferred <= 301


async def test_a_function_enqueues_by_its_ctx(project: Open) -> None:
    async def split(ctx: Ctx, number: int) -> str:
        run = await ctx["redis"].enqueue_job("add", number)
        return str(run.job_id)

    async with project(add, split) as theirs:
        run = await theirs.enqueue("split", 20)

        await theirs.drain()

        child = await run.result(**SOON)
        assert await theirs.plain.get(keys.result(child)) is not None
        assert len(theirs.heard) == 2


async def test_what_a_function_enqueues_expires_as_the_project_says(project: Open) -> None:
    async def later(ctx: Ctx) -> str:
        run = await ctx["redis"].enqueue_job("add", 1, _defer_by=3600)
        return str(run.job_id)

    async with project(later, expires_extra_ms=60_000) as theirs, theirs.working():
        run = await theirs.enqueue("later")
        child = await run.result(**SOON)

        for _ in range(2):  # the keeper goes a whole round
            await theirs.plain.delete(keys.ALIVE)
            await eventually(lambda: theirs.plain.exists(keys.ALIVE))
        lasts = await theirs.plain.ttl(keys.payload(child))
        await asked(theirs.plain, "FLUSHDB")

    assert 3600 < lasts <= 3660


async def test_a_ctx_is_each_runs_own(project: Open) -> None:
    async def mark(ctx: Ctx) -> bool:
        return bool(ctx.setdefault("marked", ctx["job_id"]) == ctx["job_id"])

    async with project(mark) as theirs:
        runs = [await theirs.enqueue("mark") for _ in range(3)]

        await theirs.drain()

        assert [await run.result(**SOON) for run in runs] == [True] * 3


# how runs end


async def test_an_exception_ends_a_run_for_good_and_keeps_it(project: Open) -> None:
    tries: list[int] = []

    async def fail(ctx: Ctx) -> None:
        tries.append(ctx["job_try"])
        raise ValueError("no bed")

    async with project(fail, job_serializer=None, job_deserializer=None) as theirs:
        run = await theirs.enqueue("fail")

        await theirs.drain(is_trusted=True)

        assert tries == [1]
        with pytest.raises(ValueError, match="no bed"):
            await run.result(**SOON)
        assert await theirs.plain.zrange(keys.DEAD, 0, -1) == [run.job_id.encode()]


async def test_a_retry_waits_as_long_as_it_asks_and_counts(project: Open) -> None:
    began: list[tuple[int, float]] = []

    async def stumble(ctx: Ctx) -> int:
        began.append((ctx["job_try"], time.monotonic()))
        if ctx["job_try"] < 3:
            raise Retry(defer=ctx["job_try"] * 0.2)
        return int(ctx["job_try"])

    async with project(stumble) as theirs:
        run = await theirs.enqueue("stumble")

        await theirs.drain()

        assert await run.result(**SOON) == 3
    (one, first), (two, second), (three, third) = began
    assert (one, two, three) == (1, 2, 3)
    assert second - first >= 0.19
    assert third - second >= 0.39


async def test_a_run_that_retries_too_often_says_so(project: Open) -> None:
    tries: list[int] = []

    async def never(ctx: Ctx) -> None:
        tries.append(ctx["job_try"])
        raise Retry

    own = func(never, name="own", max_tries=2)
    async with project(
        never, own, max_tries=3, job_serializer=None, job_deserializer=None
    ) as theirs:
        usual = await theirs.enqueue("never")
        await theirs.drain(is_trusted=True)
        with pytest.raises(JobExecutionFailed, match="max 3 retries exceeded"):
            await usual.result(**SOON)

        other = await theirs.enqueue("own")
        await theirs.drain(is_trusted=True)
        with pytest.raises(JobExecutionFailed, match="max 2 retries exceeded"):
            await other.result(**SOON)

    assert tries == [1, 2, 3, 1, 2]


@pytest.mark.parametrize("error", [RetryJob("again"), asyncio.CancelledError()])
async def test_what_arq_runs_again_at_once_is(project: Open, error: BaseException) -> None:
    async def stumble(ctx: Ctx) -> int:
        if ctx["job_try"] < 2:
            raise error
        return int(ctx["job_try"])

    async with project(stumble) as theirs:
        run = await theirs.enqueue("stumble")

        await theirs.drain()

        assert await run.result(**SOON) == 2


async def test_a_project_may_want_no_retries(project: Open) -> None:
    async def again(_ctx: Ctx) -> None:
        raise Retry(defer=5)

    async with project(
        again, retry_jobs=False, job_serializer=None, job_deserializer=None
    ) as theirs:
        run = await theirs.enqueue("again")

        await theirs.drain(is_trusted=True)

        with pytest.raises(Retry):
            await run.result(**SOON)


async def test_a_run_that_takes_too_long_fails_for_good(project: Open) -> None:
    tries: list[int] = []

    async def hang(ctx: Ctx) -> None:
        tries.append(ctx["job_try"])
        await anyio.sleep_forever()

    async with project(hang, job_timeout=0.1, job_serializer=None, job_deserializer=None) as theirs:
        run = await theirs.enqueue("hang")

        await theirs.drain(is_trusted=True)

        with pytest.raises(TimeoutError, match="took longer than"):
            await run.result(**SOON)
        assert tries == [1]


async def test_a_run_may_start_from_a_later_try(project: Open) -> None:
    tries: list[int] = []

    async def never(ctx: Ctx) -> None:
        tries.append(ctx["job_try"])
        raise Retry

    async with project(never, max_tries=5) as theirs:
        run = await theirs.enqueue("never", _job_try=4)
        beyond = await theirs.enqueue("never", _job_try=6)

        await theirs.drain()

        info = await run.result_info()
        assert tries == [4, 5]
        assert info is not None
        assert info.job_try == 5
        assert await theirs.plain.zscore(keys.DEAD, beyond.job_id) is not None


async def test_a_running_run_can_be_aborted(project: Open) -> None:
    begun = anyio.Event()

    async def hang(_ctx: Ctx) -> None:
        begun.set()
        await anyio.sleep_forever()

    async with project(hang, job_serializer=None, job_deserializer=None) as theirs:
        run = await theirs.enqueue("hang")
        async with theirs.working(is_trusted=True):
            await begun.wait()

            assert await run.abort(**SOON)

        assert await asked(theirs.plain, "KEYS", "*abort*") == []


async def test_a_waiting_run_can_be_aborted(project: Open) -> None:
    async with project(add, job_serializer=None, job_deserializer=None) as theirs:
        run = await theirs.enqueue("add", 1, _defer_by=3600)
        async with theirs.working(is_trusted=True):
            assert await run.abort(**SOON)

        assert await theirs.plain.exists(QUEUE) == 0


async def test_a_stopped_workers_run_starts_again_elsewhere(project: Open) -> None:
    begun: list[int] = []

    async def hang(ctx: Ctx) -> int:
        begun.append(ctx["job_try"])
        if len(begun) == 1:
            await anyio.sleep_forever()
        return int(ctx["job_try"])

    async with project(hang) as theirs:
        run = await theirs.enqueue("hang")
        async with theirs.working():
            await eventually(lambda: begun)

        await theirs.drain()

        assert await run.result(**SOON) == 1  # a stop costs no try


async def test_a_stopping_worker_lets_jobs_finish_if_it_is_told_to(project: Open) -> None:
    gate = anyio.Event()

    async def pass_gate(_ctx: Ctx) -> str:
        await gate.wait()
        return "through"

    async with project(pass_gate, job_completion_wait=20) as theirs:
        run = await theirs.enqueue("pass_gate")
        async with theirs.working() as worker:
            await eventually(lambda: theirs.plain.exists(keys.lease(run.job_id)))
            worker.stop()
            gate.set()

            assert await run.result(**SOON) == "through"


# what is kept


async def test_what_cannot_be_serialized_is_noted_as_arq_does(project: Open) -> None:
    async def opaque(_ctx: Ctx) -> object:
        return lambda: None

    async with project(opaque, job_serializer=None, job_deserializer=None) as theirs:
        run = await theirs.enqueue("opaque")

        await theirs.drain(is_trusted=True)

        info = await run.result_info()
        assert info is not None
        assert (info.success, info.result) == (False, "unable to serialize result")


async def test_results_are_kept_as_long_as_was_said(project: Open) -> None:
    brief = func(ADD, name="brief", keep_result=0)
    forever = func(ADD, name="forever", keep_result_forever=True)
    async with project(add, brief, forever, keep_result=100) as theirs:
        usual, none, always = [await theirs.enqueue(n, 1) for n in ("add", "brief", "forever")]

        await theirs.drain()

        lasts = [await theirs.plain.ttl(keys.result(run.job_id)) for run in (usual, none, always)]
        assert 90 < lasts[0] <= 100
        assert lasts[1] == -2
        assert lasts[2] > timedelta(days=36_000).total_seconds()


async def test_what_cannot_be_read_is_a_dead_letter(project: Open) -> None:
    async with project(add) as theirs:
        run = await theirs.enqueue("add", 1)
        await theirs.plain.set(keys.payload(run.job_id), b"no JSON")

        await theirs.drain()

        info = await run.result_info()
        assert info is not None
        assert (info.success, info.function) == (False, "?")
        assert "not readable" in info.result
        redis: Any = theirs.plain
        assert await redis.hget(keys.dead_letter(run.job_id), "payload") == b"no JSON"


async def test_a_function_that_is_unknown_here_waits_for_who_knows_it(project: Open) -> None:
    async with project(func(ADD, name="other")) as theirs:
        run = await theirs.enqueue("add", 1)

        await theirs.drain()

        assert [ending_of(over.outcome) for over in theirs.heard] == [Ending.PARKED]
        assert await theirs.plain.ttl(keys.payload(run.job_id)) == -1  # nor does it expire
        theirs.settings["functions"] = [add]
        async with theirs.working():
            assert await run.result(**SOON) == 2


async def test_a_dead_letter_runs_again(project: Open, clean_redis: Any, codec: Any) -> None:
    broken = [True]

    async def mend(_ctx: Ctx, what: str) -> str:
        if broken:
            raise RuntimeError("no tools")
        return what

    async with project(mend) as theirs, Client.open(clean_redis, codec) as client:
        dead = await theirs.enqueue("mend", "roof")
        await theirs.drain()
        broken.clear()

        again = await DeadLetters(client).retry(dead.job_id)

        await theirs.drain()
        run = PlainRun(again.id, theirs.plain, QUEUE, theirs.plain.job_deserializer)
        assert await run.result(**SOON) == "roof"
        assert await DeadLetters(client).count() == 0


# hooks


async def test_hooks_are_called_in_their_order_with_the_runs_ctx(project: Open) -> None:
    page: list[str] = []

    async def note(ctx: Ctx) -> None:
        page.append(f"{ctx['job_id']} runs")

    def hook(name: str) -> Any:
        async def write(ctx: Ctx) -> None:
            page.append(f"{ctx.get('job_id')} {name}")

        return write

    names = ("on_startup", "on_job_start", "on_job_end", "after_job_end", "on_shutdown")
    async with project(note, **{name: hook(name) for name in names}) as theirs:
        await theirs.enqueue("note", _job_id="one")

        await theirs.drain()

    assert page == [
        "None on_startup",
        "one on_job_start",
        "one runs",
        "one on_job_end",
        "one after_job_end",
        "None on_shutdown",
    ]


async def test_after_a_job_its_result_is_there(project: Open) -> None:
    found: list[bool] = []

    async def after(ctx: Ctx) -> None:
        found.append(bool(await ctx["redis"].exists(keys.result(ctx["job_id"]))))

    async with project(add, after_job_end=after) as theirs:
        await theirs.enqueue("add", 1)

        await theirs.drain()

    assert found == [True]


async def test_a_hook_that_fails_after_a_job_costs_nothing(project: Open) -> None:
    async def fail(_ctx: Ctx) -> None:
        raise RuntimeError("no pen")

    async with project(add, on_job_end=fail, after_job_end=fail) as theirs:
        runs = [await theirs.enqueue("add", n) for n in range(3)]

        await theirs.drain()

        assert [await run.result(**SOON) for run in runs] == [1, 2, 3]


async def test_a_hook_that_fails_before_a_job_fails_it_and_no_other(project: Open) -> None:
    async def refuse(ctx: Ctx) -> None:
        if ctx["job_id"] == "bad":
            raise RuntimeError("not today")

    async with project(add, on_job_start=refuse) as theirs:
        await theirs.enqueue("add", 1, _job_id="bad")
        good = await theirs.enqueue("add", 1)

        await theirs.drain()

        assert await good.result(**SOON) == 2
        assert await theirs.plain.zrange(keys.DEAD, 0, -1) == [b"bad"]


async def test_a_startup_that_fails_is_followed_by_the_shutdown(project: Open) -> None:
    page: list[str] = []

    async def startup(_ctx: Ctx) -> None:
        raise RuntimeError("no database")

    async def shutdown(_ctx: Ctx) -> None:
        page.append("closed")

    async with project(add, on_startup=startup, on_shutdown=shutdown) as theirs:
        said = "on_startup failed: RuntimeError: no database"
        with pytest.raises(StartupFailed, match=said):
            await theirs.drain()

    assert page == ["closed"]


# a worker's life


async def test_a_burst_runs_no_more_than_was_said(project: Open) -> None:
    async with project(add, max_burst_jobs=7, max_jobs=5) as theirs:
        for n in range(20):
            await theirs.enqueue("add", n)

        await theirs.drain()

        assert len(theirs.heard) == 7
        assert await theirs.plain.zcard(QUEUE) == 13
        theirs.settings["max_burst_jobs"] = -1
        await theirs.drain()
        assert len(theirs.heard) == 20


async def test_no_more_run_at_once_than_the_project_wants(project: Open) -> None:
    running, most = [0], [0]

    async def count(_ctx: Ctx) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        await anyio.sleep(0.01)
        running[0] -= 1

    async with project(count, max_jobs=3) as theirs:
        for _ in range(12):
            await theirs.enqueue("count")

        await theirs.drain()

    assert most == [3]


@pytest.mark.more_rights("to keys of the project's own names")
async def test_arqs_own_health_check_finds_the_worker(project: Open) -> None:
    async with project(add, queue_name="garden", health_check_interval=0.1) as theirs:
        await theirs.enqueue("add", 1)
        async with theirs.working():
            said = await eventually(lambda: _health(theirs.plain, "j_complete=1"))
            redis = theirs.settings["redis_settings"]
            with pytest.deprecated_call():  # arq's own, of redis-py
                during = await async_check_health(redis, queue_name="garden")
        with pytest.deprecated_call():
            after = await async_check_health(redis, queue_name="garden")

    assert (during, after) == (0, 1)
    assert said.endswith("j_failed=0 j_retried=0 j_ongoing=0 queued=0")


async def _health(plain: Any, what: str) -> str:
    said = (await plain.get("garden:health-check") or b"").decode()
    return said if what in said else ""


async def test_what_has_no_meaning_is_said_once(
    project: Open, caplog: pytest.LogCaptureFixture
) -> None:
    async with project(add, poll_delay=0.1) as theirs:
        await theirs.drain()

    told = [each.getMessage() for each in caplog.records if "poll_delay" in each.getMessage()]
    assert told == ["poll_delay: nothing is polled, the server tells of new work"]
