"""`arq app.worker.WorkerSettings`, with every option arq's command has."""

import sys
from signal import SIGINT

import anyio
import pytest

from app.context import Services
from app.engine import Ending, RunStatus, job, seconds
from app.local.home import USERS_LOCK
from app.local.lock import Lock
from app.queues import AI
from tests.eventually import eventually
from tests.life import jobs
from tests.life.home import OURS, ROOT, STEWARD, Home, history
from tests.local.conftest import server_pid

MINE = """
from app.context import Context, redis_at
from app.engine import by_name, install, job
from app.jobs import JOBS
from app.settings import read_settings
from app.worker import open_worker

settings = read_settings()

@job(name="mine.answer", queue="ai")
async def answer(ctx: Context) -> int:
    return ANSWER

class WorkerSettings:
    redis_settings = redis_at(settings)
    open_worker = staticmethod(
        lambda burst: open_worker(settings, burst=burst, jobs=by_name([*JOBS.values(), answer]))
    )

install()
"""


@job(name="mine.answer", queue=AI)
async def answer(_ctx: Services) -> int:
    """What MINE defines, as a client sees it."""
    raise NotImplementedError


async def test_burst_runs_all_there_is_on_any_queue_and_ends(home: Home, steward: Services) -> None:
    handles = [await steward.client.enqueue(jobs.stumble, times=1) for _ in range(3)]
    later = jobs.note.with_options(delay=seconds(1))
    handles.append(await steward.client.enqueue(later))
    others = [await steward.client.enqueue(toil) for toil in jobs.TOIL.values()]
    followed = await steward.client.enqueue(jobs.follow)

    worker = home.worker(OURS, "--burst")

    assert await worker.exit_code() == 0
    assert {await each.status() for each in handles} == {RunStatus.SUCCEEDED}
    assert {await each.status() for each in others} == {RunStatus.SUCCEEDED}
    follower = await history(steward, await followed.result())
    assert (follower.parent, follower.status) == (followed.id, Ending.SUCCEEDED)
    depths = await steward.client.queues()
    assert {each.ready + each.running + each.deferred for each in depths} == {0}


@pytest.mark.not_by(why="it ends the home's own Valkey")
async def test_check_tells_whether_a_worker_lives(home: Home) -> None:
    without_redis = home.worker(STEWARD, "--check")
    assert await without_redis.exit_code() == 1
    async with home.open() as steward:
        without_worker = home.worker(STEWARD, "--check")
        assert await without_worker.exit_code() == 1
        worker = await home.worker(STEWARD).ready(steward.client)
        with_worker = home.worker(STEWARD, "--check")
        assert await with_worker.exit_code() == 0

    assert without_redis.said().startswith("no worker can be asked: Redis: ")
    assert without_redis.said().count("\n") == 1
    assert without_worker.said() == "no worker is alive\n"
    assert str(worker.pid) in with_worker.said()
    assert with_worker.said().count("\n") == 1


async def test_watch_starts_again_with_changed_code(home: Home, steward: Services) -> None:
    module = home.folder / "watched" / "mine.py"
    module.parent.mkdir()
    module.write_text(MINE.replace("ANSWER", "1"))
    worker = await home.worker("watched.mine.WorkerSettings", "--watch", "watched").ready(
        steward.client
    )
    client = type(steward.client)(steward.client.store, steward.client.codec)
    before = await (await client.enqueue(answer)).result()

    module.write_text(MINE.replace("ANSWER", "20 + 2"))

    async def has_changed() -> bool:
        return await (await client.enqueue(answer)).result() == 22

    await eventually(has_changed, within=seconds(30))
    worker.send(SIGINT)
    assert await worker.exit_code() == 0
    assert before == 1
    assert "Traceback" not in worker.said()


async def test_custom_log_dict_takes_the_place_of_our_logging(home: Home) -> None:
    log = home.folder / "mine.log"
    handler = {"class": "logging.FileHandler", "filename": str(log)}
    chosen = {"version": 1, "handlers": {"mine": handler}, "loggers": {"app": {"level": "INFO"}}}
    chosen |= {"root": {"handlers": ["mine"], "level": "INFO"}, "disable_existing_loggers": False}
    (home.folder / "mine.py").write_text(f"LOGGING = {chosen!r}")

    worker = home.worker(
        STEWARD, "--custom-log-dict", "mine.LOGGING", STEWARD_REDIS__URL="redis://localhost:1"
    )

    assert await worker.exit_code() == 1
    assert worker.said() == ""
    assert "this worker ends" in log.read_text()


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"STEWARD_WORKER__LEASE": "soon"}, "STEWARD_WORKER__LEASE: must be a number of seconds"),
        ({"STEWARD_REDIS__URL": "redis://localhost:1"}, "this worker ends: Redis: ConnectionError"),
    ],
)
async def test_what_keeps_a_worker_from_starting_is_said_in_one_line(
    home: Home, variables: dict[str, str], line: str
) -> None:
    worker = home.worker(STEWARD, **variables)

    assert await worker.exit_code() == 1
    assert line in worker.said()
    assert worker.said().count("\n") == 1


async def test_a_start_that_fails_leaves_nothing_behind(home: Home) -> None:
    (home.path / "steward.db").mkdir(parents=True)

    worker = home.worker(STEWARD)

    assert await worker.exit_code() == 1
    assert "steward.db can't be used as a database" in worker.said()
    assert worker.said().count("\n") == 1
    with pytest.raises(FileNotFoundError):
        server_pid(home.path)
    with Lock(home.path / USERS_LOCK) as users:
        assert users.take()


async def test_another_arq_is_refused_in_one_line() -> None:
    pretend = "import arq.version; arq.version.VERSION = '0.99'; import app.worker"

    done = await anyio.run_process([sys.executable, "-c", pretend], cwd=ROOT, check=False)

    assert done.returncode == 1
    assert done.stderr == b"arq 0.99 is installed; Steward needs arq 0.28.0\n"
