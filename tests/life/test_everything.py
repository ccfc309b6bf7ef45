"""Every schedule of the timetable fires in a real worker; then it is quiet, and nothing is left."""

from datetime import timedelta
from signal import SIGTERM

import pytest

from app.context import Services
from app.engine import Ending, UnknownRun, days, hours, seconds
from app.engine.redis import keys
from app.jobs import JOBS, ai, email
from app.queues import NAMES
from app.storage.run import Run
from app.storage.runs import Runs
from app.timetable import TIMETABLE
from tests.eventually import eventually
from tests.life import jobs
from tests.life.home import STEWARD, Home, history, worked_until
from tests.rights import asked


async def test_all_the_timetable_runs_and_leaves_only_lasting_keys(
    home: Home, steward: Services
) -> None:
    await worked_until(steward, TIMETABLE, ago=days(40))
    owner = await steward.users.owner()
    worker = await home.worker(STEWARD).ready(steward.client)
    (seen,) = await steward.client.workers()
    mail = await steward.client.enqueue(email.send_notification, owner.id, "Hi", "...")
    soon = steward.client.store.clock.now() + seconds(1)
    reminder = await (
        await steward.client.enqueue(ai.create_reminder, owner.id, "call Ann", soon)
    ).result()
    assert reminder.run_id
    await history(steward, reminder.run_id)
    await history(steward, mail.id)
    runs = await eventually(lambda: _runs_of(steward, {each.call.job.name for each in TIMETABLE}))
    queues = await _keys(steward, "arq:queue*")
    worker.send(SIGTERM)

    assert await worker.exit_code() == 0
    assert {run.status for run in runs} == {Ending.SUCCEEDED}
    assert seen.queues == NAMES
    assert {job.queue for job in JOBS.values()} <= set(seen.queues)
    assert queues <= {keys.queue(name) for name in NAMES}
    left = {key for key in await _keys(steward, "*") if not key.startswith(keys.LASTING)}
    assert left == set()
    ticks = [run.id for run in runs if "@" in run.id]
    assert {id.partition("@")[0] for id in ticks} == {each.name for each in TIMETABLE}
    for id in (mail.id, *ticks):
        kept = timedelta(milliseconds=await steward.client.store.redis.pttl(keys.result(id)))
        assert hours(1) - seconds(60) < kept <= hours(1)


async def test_a_result_is_gone_when_its_time_is_over_and_the_history_keeps_the_run(
    home: Home, steward: Services
) -> None:
    await home.worker(STEWARD_WORKER__KEEP_RESULT="1").ready(steward.client)

    handle = await steward.client.enqueue(jobs.stumble, times=1)
    result = await handle.result()

    async def is_gone() -> bool:
        return not await steward.client.store.redis.exists(keys.result(handle.id))

    await eventually(is_gone)
    with pytest.raises(UnknownRun):
        await handle.result()
    assert result == 2
    assert (await history(steward, handle.id)).attempts == 2


async def _runs_of(steward: Services, wanted: set[str]) -> list[Run]:
    runs = await Runs(steward.database).list(limit=1_000)
    return list(runs) if wanted <= {run.job for run in runs if run.is_over} else []


async def _keys(steward: Services, pattern: str) -> set[str]:
    return {key.decode() for key in await asked(steward.client.store.redis, "KEYS", pattern)}
