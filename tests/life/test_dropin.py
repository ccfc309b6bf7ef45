"""arq projects, unchanged, on our worker: each is drained, and its own client reads the results."""

import json
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import arq
import pytest
from arq.connections import ArqRedis, RedisSettings
from arq.jobs import Job, JobStatus
from arq.worker import JobExecutionFailed

from app.engine import seconds
from tests.eventually import eventually
from tests.life.home import Home
from tests.life.processes import ARQ, WorkerProcess
from tests.services.mail.capture import CERTIFICATE
from tests.ways import url_of

STEWARD = (sys.executable, "-m", "app", "worker")
TRUSTED = "--i-trust-this-redis"
SOON = {"timeout": 10, "poll_delay": 0.01}
Client = Callable[[str], AbstractAsyncContextManager[ArqRedis]]
Start = Callable[..., WorkerProcess]
TASK = "tests.life.arq_projects.tasks.the_task"


def settings_of(project: str) -> str:
    """The dotted name of a project's settings."""
    return f"tests.life.arq_projects.{project}.WorkerSettings"


@pytest.fixture
def address(clean_redis: RedisSettings, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the projects find their Redis."""
    address = url_of(clean_redis)
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))  # arq's own URLs name none
    monkeypatch.setenv("PROJECT_REDIS", address)
    return address


@pytest.fixture
def start(home: Home, address: str) -> Start:
    """Start our worker for a project."""

    def started(project: str, *options: str, **variables: str) -> WorkerProcess:
        words = (settings_of(project), *options)
        return home.worker(*words, program=STEWARD, PROJECT_REDIS=address, **variables)

    return started


@pytest.fixture
def client(address: str) -> Client:
    """A client as the project itself would open it."""

    @asynccontextmanager
    async def opened(project: str) -> AsyncGenerator[ArqRedis]:
        settings: Any = import_module(f"tests.life.arq_projects.{project}").WorkerSettings
        pool = await arq.create_pool(
            RedisSettings.from_dsn(address),
            job_serializer=getattr(settings, "job_serializer", None),
            job_deserializer=getattr(settings, "job_deserializer", None),
            default_queue_name=getattr(settings, "queue_name", "arq:queue"),
        )
        try:
            yield pool
        finally:
            await pool.aclose()

    return opened


async def enqueue(plain: ArqRedis, name: str, *args: Any, **options: Any) -> Job:
    """What the project does."""
    job = await plain.enqueue_job(name, *args, **options)
    assert job is not None
    return job


async def drained(worker: WorkerProcess) -> str:
    """What it said, once it has run everything and ended well."""
    assert await worker.exit_code() == 0, worker.said()
    return worker.said()


async def test_simple_usage(start: Start, client: Client) -> None:
    async with client("simple") as plain:
        jobs = [await enqueue(plain, "download", url) for url in ("one", "three")]

        said = await drained(start("simple", "--burst", TRUSTED))

        assert [await job.result(**SOON) for job in jobs] == [10, 12]
        assert said.count("the session is closed") == 1
        assert await plain.exists("arq:queue") == 0


async def test_a_pickle_is_not_opened_unless_the_redis_is_trusted(start: Start) -> None:
    worker = start("simple", "--burst")

    assert await worker.exit_code() == 2
    (line,) = worker.said().splitlines()
    assert "simple.WorkerSettings: job_deserializer is pickle" in line
    assert TRUSTED in line


async def test_retrying_jobs(start: Start, client: Client) -> None:
    async with client("retrying") as plain:
        jobs = [await enqueue(plain, "download", failures) for failures in (0, 2, 3)]

        await drained(start("retrying", "--burst", TRUSTED))

        assert await jobs[0].result(**SOON) == "done at try 1"
        assert await jobs[1].result(**SOON) == "done at try 3"
        with pytest.raises(JobExecutionFailed, match="max 3 retries exceeded"):
            await jobs[2].result(**SOON)


async def test_a_job_that_a_shutdown_cut_short_is_run_again(start: Start, client: Client) -> None:
    async with client("slow") as plain:
        job = await enqueue(plain, "work", 1)
        first = start("slow", TRUSTED)
        await eventually(lambda: "at work" in first.said(), within=seconds(30))

        first.send(signal.SIGTERM)
        said = await drained(first)
        await drained(start("slow", "--burst", TRUSTED))

        assert "cut short" in said
        assert await job.result(**SOON) == "done"


async def test_a_killed_workers_job_goes_on_elsewhere(start: Start, client: Client) -> None:
    async with client("slow") as plain:
        job = await enqueue(plain, "work", 3)
        first = start("slow", TRUSTED)
        await eventually(lambda: "at work" in first.said(), within=seconds(30))

        first.send(signal.SIGKILL)
        await drained(start("slow", "--burst", TRUSTED))

        info = await job.result_info()
        assert info is not None
        assert (info.result, info.job_try) == ("done", 2)
        took = info.start_time - info.enqueue_time
        print(f"killed: begun again {took.total_seconds():.1f} s after it was enqueued")
        assert took < timedelta(seconds=30)  # with arq it waits for 310 s


async def test_several_processes_share_a_project(start: Start, client: Client) -> None:
    async with client("slow") as plain:
        jobs = [await enqueue(plain, "work", 0.2) for _ in range(40)]

        said = await drained(start("slow", "--burst", TRUSTED, "--processes=2"))

        assert [await job.result(**SOON) for job in jobs] == ["done"] * 40
        assert said.count("at work") == 40
        assert said.count("works on arq:queue") == 2


async def test_a_process_that_has_done_its_part_is_replaced(start: Start, client: Client) -> None:
    async with client("slow") as plain:
        jobs = [await enqueue(plain, "work", 0.01) for _ in range(30)]

        worker = start("slow", "--burst", TRUSTED, STEWARD_WORKER__MAX_RUNS="5")
        said = await drained(worker)

        assert [await job.result(**SOON) for job in jobs] == ["done"] * 30
        assert said.count("works on arq:queue") >= 2


async def test_aborting_jobs(start: Start, client: Client) -> None:
    async with client("slow") as plain:
        running = await enqueue(plain, "work", 60)
        worker = start("slow", TRUSTED)
        await eventually(lambda: "at work" in worker.said(), within=seconds(30))
        waiting = await enqueue(plain, "work", 60, _defer_by=60)

        assert await waiting.abort(**SOON)
        assert await running.abort(**SOON)

        worker.send(signal.SIGTERM)
        assert (await drained(worker)).count("cut short") == 1
        assert await plain.exists("arq:queue", "arq:abort") == 0


async def test_cron_jobs(start: Start, client: Client) -> None:
    async with client("clockwork") as plain:
        workers = [start("clockwork", TRUSTED) for _ in range(2)]

        def regular() -> list[str]:
            said = "\n".join(worker.said() for worker in workers)
            return [line.split()[1] for line in said.splitlines() if line.startswith("regular ")]

        await eventually(lambda: len(regular()) >= 4, within=seconds(40))
        for worker in workers:
            worker.send(signal.SIGTERM)
        said = [await drained(worker) for worker in workers]

        assert len(set(regular())) == len(regular())  # no tick ran twice
        assert [each.count("rare startup:") for each in said] in ([1, 1], [2, 0], [0, 2])
        assert not any("rare leap:" in each for each in said)
        job = Job(regular()[0], plain)
        assert await job.result(**SOON) == job.job_id


@pytest.mark.more_rights("to keys of the project's own names")
async def test_custom_serializers(start: Start, client: Client) -> None:
    async with client("msgpack") as plain:
        job = await enqueue(plain, "count", ["a", "pear"])

        await drained(start("msgpack", "--burst"))

        assert await job.result(**SOON) == {"a": 1, "pear": 4}
        assert 0 < await plain.ttl(f"arq:result:{job.job_id}") <= 60


async def test_synchronous_jobs_in_a_pool_of_processes(start: Start, client: Client) -> None:
    async with client("processes") as plain:
        job = await enqueue(plain, "compute", 1_000)
        worker = start("processes", "--burst", TRUSTED)

        await drained(worker)

        total, pid = await job.result(**SOON)
        assert total == 499_500
        assert pid != worker.pid


async def test_deferring_jobs(start: Start, client: Client) -> None:
    async with client("tasks") as plain:
        until = datetime.now(UTC) + timedelta(seconds=2)
        jobs = [
            await enqueue(plain, TASK, _defer_by=1),
            await enqueue(plain, TASK, _defer_by=timedelta(seconds=1.5)),
            await enqueue(plain, TASK, _defer_until=until),
        ]

        await drained(start("tasks", "--burst", TRUSTED))

        waited = [(await job.result(**SOON))[1] for job in jobs]
        print(f"deferred by 1, 1.5 and 2 s; started after {waited}")
        assert all(took >= due - 0.02 for took, due in zip(waited, (1, 1.5, 2), strict=True))


async def test_job_uniqueness(start: Start, client: Client) -> None:
    async with client("tasks") as plain:
        first = await enqueue(plain, TASK, 1, _job_id="one")
        again = await plain.enqueue_job(TASK, 2, _job_id="one")

        await drained(start("tasks", "--burst", TRUSTED))

        after = await plain.enqueue_job(TASK, 3, _job_id="one")
        assert (again, after) == (None, None)
        assert (await first.result(**SOON))[0] == 1


async def test_job_results(start: Start, client: Client) -> None:
    async with client("tasks") as plain:
        job, bad = await enqueue(plain, TASK), await enqueue(plain, TASK, -1)
        waiting, before = await job.status(), await job.info()

        await drained(start("tasks", "--burst", TRUSTED))

        after = await job.result_info()
        assert (waiting, await job.status()) == (JobStatus.queued, JobStatus.complete)
        assert before is not None
        assert after is not None
        assert (after.function, after.enqueue_time) == (TASK, before.enqueue_time)
        assert (after.success, after.result[0], after.job_try) == (True, 42, 1)
        with pytest.raises(ValueError, match="no such number"):
            await bad.result(**SOON)


async def test_health_checks(start: Start, home: Home, address: str, client: Client) -> None:
    async with client("tasks") as plain:
        await enqueue(plain, TASK)
        worker = start("tasks", TRUSTED)
        await eventually(lambda: _said(plain, "j_complete=1"), within=seconds(30))

        check = home.worker(settings_of("tasks"), "--check", program=(ARQ,), PROJECT_REDIS=address)
        alive = await check.exit_code()
        worker.send(signal.SIGTERM)
        await drained(worker)
        check = home.worker(settings_of("tasks"), "--check", program=(ARQ,), PROJECT_REDIS=address)

        assert (alive, await check.exit_code()) == (0, 1)


async def _said(plain: ArqRedis, what: str) -> bool:
    return what in (await plain.get("arq:queue:health-check") or b"").decode()


async def test_what_fails_for_good_is_kept_and_run_again(
    start: Start, home: Home, address: str, client: Client
) -> None:
    async with client("tasks") as plain:
        job = await enqueue(plain, TASK, -1)
        await drained(start("tasks", "--burst", TRUSTED))

        words = ("dead", "retry", job.job_id)
        retry = home.worker(*words, program=STEWARD[:-1], STEWARD_REDIS__URL=address)
        await drained(retry)

        again = await plain.queued_jobs()
        assert [(each.function, each.args) for each in again] == [(TASK, (-1,))]


async def test_a_projects_queue_is_shown_by_its_own_name(
    start: Start, home: Home, address: str, client: Client
) -> None:
    async with client("tasks") as plain:
        await enqueue(plain, TASK, -1)
        worker = start("tasks", TRUSTED)
        await eventually(lambda: "dead" in worker.said(), within=seconds(30))

        looks = [
            home.worker(word, "--json", program=STEWARD[:-1], STEWARD_REDIS__URL=address)
            for word in ("queues", "dead")
        ]
        queues, dead = [json.loads(await drained(look)) for look in looks]

        assert [each["queues"] for each in queues["workers"]] == [["arq:queue"]]
        assert [each["queue"] for each in dead] == ["arq:queue"]


async def test_a_startup_that_fails_is_one_line(start: Start) -> None:
    worker = start("broken", TRUSTED)

    assert await worker.exit_code() == 1
    assert worker.said() == "steward: on_startup failed: RuntimeError: no database\n"
