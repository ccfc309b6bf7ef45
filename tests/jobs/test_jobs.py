"""What holds for every job there is: declared, bound to a queue, honest, and really tested."""

import inspect
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from pkgutil import iter_modules
from types import NoneType
from typing import Any, NoReturn, get_type_hints

import anyio
import pytest
from sqlalchemy.exc import SQLAlchemyError

import app.jobs
from app.context import Context, Services, context_of
from app.engine import Attempt, Job, collect
from app.jobs import JOBS
from app.queues import NAMES
from app.services.probed import ProbeFailed
from app.storage.database import Database
from app.storage.errors import StorageError

SOON = datetime.now(UTC) + timedelta(hours=1)
ROOT = Path(__file__).parents[2]

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "ai.create_reminder": (1, "call Ann", SOON),
    "ai.create_periodic_task": (1, "stretch", "daily", {"hour": 8}),
    "ai.run_task": (1, SOON),
    "email.send_letter": (1, "Hi", "...", "key"),
    "email.send_notification": (1, "Hi", "..."),
    "notifications.send_slack": (1, "Hi"),
    "notifications.send_webhook": (1, "{}"),
    "sms.send_sms": (1, "Hi"),
    "maintenance.tell_alert": (1, "log", 1),
}
WITHOUT_DATABASE = {
    "files.cleanup_old_logs",
    "files.cleanup_temp_files",
    "files.organize_files",
    "maintenance.cleanup_old_logs",
}

EVERY = pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
AnyJob = Job[Any, ..., Any]


class Down(OSError):
    """A service that does nothing but fail."""


class Failing:
    """Stands for any service: whatever is asked of it fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> "Failing":
        return self

    def __call__(self, *_args: object, **_options: object) -> NoReturn:
        raise self._error


def test_every_module_of_jobs_is_listed() -> None:
    modules = [
        __import__(f"app.jobs.{each.name}", fromlist=["JOBS"])
        for each in iter_modules(app.jobs.__path__)
    ]

    assert set(collect(*modules)) == set(JOBS.values())


@EVERY
def test_a_job_says_what_it_does_on_which_queue_and_what_it_returns(job: AnyJob) -> None:
    returns = get_type_hints(job.function)["return"]

    assert job.queue in NAMES
    assert job.description.endswith((".", ":"))
    assert returns not in (Any, NoneType, dict, bool)
    assert inspect.iscoroutinefunction(job.function)


@EVERY
@pytest.mark.parametrize("error", [Down(), MemoryError(), RuntimeError()], ids=type)
async def test_a_job_whose_services_fail_never_returns(
    job: AnyJob, error: Exception, attempt: Attempt
) -> None:
    all_failing: dict[str, Any] = dict.fromkeys(Services.__dataclass_fields__, Failing(error))
    context = context_of(Services(**all_failing), attempt)

    with pytest.raises(type(error)):
        await job(context, *ARGUMENTS.get(job.name, ()))


async def test_a_run_of_each_job_waits_on_its_own_queue_and_on_no_other(context: Context) -> None:
    wanted = dict[str, list[str]]()
    for job in JOBS.values():
        call = job.with_options(id=job.name).call(*ARGUMENTS.get(job.name, ()))
        await context.client.enqueue_many([call])
        wanted.setdefault(f"arq:queue:{job.queue}", []).append(job.name)

    redis: Any = context.client.store.redis
    found = {
        key.decode(): sorted(each.decode() for each in await redis.zrange(key, 0, -1))
        for key in await redis.keys("arq:*")
        if not key.startswith(b"arq:job:")
    }
    assert found == {queue: sorted(names) for queue, names in wanted.items()}


@pytest.mark.parametrize("name", sorted(JOBS.keys() - WITHOUT_DATABASE))
async def test_a_job_without_its_database_reports_no_success(
    name: str, context: Context, database: Database
) -> None:
    job = JOBS[name]
    database.path.write_bytes(b"")
    for journal in ("-wal", "-shm"):
        database.path.with_name(database.path.name + journal).unlink(missing_ok=True)

    try:
        result = await job(context, *ARGUMENTS.get(job.name, ()))
    except (SQLAlchemyError, StorageError, ProbeFailed):
        return
    assert result.status not in ("success", "healthy", "executed")


@pytest.mark.timeout(180)
async def test_each_jobs_tests_notice_when_it_is_emptied() -> None:
    done = await _mutate()

    table, last = done.stdout.decode().splitlines()[:-1], done.stdout.decode().splitlines()[-1]
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    assert last.endswith("not missed: none")
    assert [line.split()[:2] for line in table] == [
        [job, way] for job in JOBS for way in ("nothing", "pretending")
    ]


@pytest.mark.tier("T2")
async def test_a_job_that_works_is_not_taken_for_an_emptied_one() -> None:
    """As if nobody had noticed: its tests pass, and the command fails and names it."""
    done = await _mutate("--itself", "files.cleanup_temp_files")

    assert done.returncode == 1
    assert done.stdout.decode().splitlines()[-1].endswith("not missed: files.cleanup_temp_files")


async def _mutate(*words: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "mutation", *words]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'scripts'}{os.pathsep}{ROOT}"}
    with anyio.fail_after(170):
        return await anyio.run_process(command, cwd=ROOT, env=environment, check=False)
