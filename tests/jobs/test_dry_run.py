"""Every job that tidies up can be asked first: it then tells the truth, and changes nothing."""

import re
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.context import Context
from app.engine import Effect, EffectState, Ending, Job, ManualClock, Place, days, hours
from app.jobs import JOBS
from app.jobs.ai_results import TaskCreated
from app.jobs.sms import send_sms
from app.services.sms import SmsRejected
from app.services.sms.memory import MemorySms
from app.storage.alerts import Breach, Severity
from app.storage.failures import NewFailure
from app.storage.health import HealthCheckRow
from app.storage.samples import QueueSample, Samples, minute_of
from app.storage.sightings import Sighting, Sightings
from app.storage.users import User
from tests.jobs.ai_bench import due
from tests.jobs.phones import give_phone

TIDYING = re.compile(r".*\.(cleanup_|prune_|keep_|organize_|optimize_).*|files\.(sync|backup)_.*")
ONLY_LOOKED_AT = {"files.backup_user_data", "maintenance.optimize_database"}
"""These say what there is, and what they would make of it only when they have."""
HOT = Breach(rule="cpu", subject="here", severity=Severity.WARNING, value=95, line="it is hot")
FOLDERS = {"tmp": "old", "logs": "a.log", "other_logs": "b.log", "incoming": "c.jpg", "files": "d"}

AnyJob = Job[Any, ..., Any]
ASKED_FIRST = [job for job in JOBS.values() if "dry_run" in job.signature.parameters.parameters]


def test_every_job_that_tidies_up_takes_dry_run() -> None:
    assert {job.name for job in ASKED_FIRST} == {name for name in JOBS if TIDYING.fullmatch(name)}


@pytest.fixture
async def cluttered(
    context: Context,
    owner: User,
    reminder: TaskCreated,
    phones: MemorySms,
    clock: ManualClock,
    tmp_path: Path,
) -> Context:
    """A home in which there is something for each of them, and all of it is old."""
    await due(context, reminder)
    await context.sessions.begin(owner.id)
    await context.cache.put("page", b"a" * 1_000, keep=hours(1))
    await watched(context, clock)
    phones.failing = [SmsRejected(30001)]
    await give_phone(context, owner)
    with suppress(SmsRejected):
        await send_sms(context, owner.id, "Hi", urgent=True)
    for name, state in (("mail", EffectState.DONE), ("call", EffectState.BEGUN)):
        each = Effect(
            place=Place(run_id="gone", origin="gone@0", name=name),
            state=state,
            by="a",
            job="t.t",
            attempt=1,
            worker="w1",
            since=0,
            asks=state is EffectState.BEGUN,
        )
        await context.effects.swap(each.place, None, each, lease="")
    (tmp_path / "disk").mkdir()
    for folder, name in FOLDERS.items():
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_text("a line\n" * 1_000)
    clock.advance(days(100))
    return context


async def watched(context: Context, clock: ManualClock) -> None:
    """Let there be a past: a look at the health, samples, a worker, an alert, a failure."""
    now = clock.now()
    async with context.database.write() as session:
        session.add(HealthCheckRow(checked_at=now, overall="healthy", report={}))
        await context.alerting.settle(session, [HOT])
    async with context.database.write() as session:
        await context.alerting.settle(session, [])
    sample = QueueSample(queue="email", minute=minute_of(now), ready=1, deferred=1, running=1)
    await Samples(context.database).add_queues([sample])
    await Sightings(context.database).see(
        Sighting(
            worker="w1",
            host="here",
            pid=1,
            started_at=now,
            seen_at=now,
            cpu_percent=1,
            memory_bytes=1,
            slots=1,
        )
    )
    await context.failures.add(
        [
            NewFailure(
                run_id="run-1",
                job="tests.work",
                queue="email",
                ending=Ending.DEAD,
                attempt=1,
                failed_at=now,
                worker="w1",
                kind="OSError",
                message="",
                arguments="",
                traceback="",
            )
        ]
    )


async def everything(context: Context, folder: Path) -> dict[str, object]:
    """Every row of every table, and every file with its bytes."""
    found: dict[str, object] = {}
    async with context.database.read() as session:
        tables = await session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'table'"))
        for table in tables.all():
            rows = await session.execute(text(f'SELECT * FROM "{table}"'))
            found[table] = sorted(map(repr, rows.all()))
    return found | files_in(folder)


def files_in(folder: Path) -> dict[str, object]:
    """What each file in it holds, but for the database's own."""
    paths = [each for each in folder.rglob("*") if not each.name.startswith("steward.db")]
    return {str(each): each.read_bytes() if each.is_file() else None for each in paths}


@pytest.mark.parametrize("job", ASKED_FIRST, ids=lambda job: job.name)
async def test_a_dry_run_tells_what_would_be_done_and_does_nothing(
    job: AnyJob, cluttered: Context, tmp_path: Path
) -> None:
    before = await everything(cluttered, tmp_path)

    dry = await job(cluttered, dry_run=True)

    assert await everything(cluttered, tmp_path) == before
    real = await job(cluttered)
    assert await everything(cluttered, tmp_path) != before
    assert (dry.dry_run, real.dry_run) == (True, False)
    if job.name not in ONLY_LOOKED_AT:
        assert counts(dry) == counts(real)
        assert any(counts(real).values())


def counts(result: Any) -> dict[str, object]:
    """The numbers of a result; how many bytes that freed is known only afterwards."""
    found = asdict(result).items()
    return {name: each for name, each in found if type(each) is int and name != "freed_bytes"}
