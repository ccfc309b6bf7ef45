"""A worker killed when the model has just answered: whoever goes on does not pay again."""

import sqlite3
from signal import SIGKILL

import pytest
from anyio.abc import SocketStream
from anyio.to_thread import run_sync

from app.context import Services
from app.engine import Ending, seconds
from app.engine.redis import keys
from app.jobs import ai
from app.storage.notifications import Notices
from tests.eventually import eventually
from tests.life.home import LEASE, STEWARD, Home, history
from tests.life.processes import WorkerProcess
from tests.plugins.cases import Case
from tests.services.ai.provider_server import TOKENS, ProviderServer, provider_server, said

LONG = 2 * LEASE + seconds(30)


def worker(home: Home, server: ProviderServer) -> WorkerProcess:
    """Steward's own, with that model."""
    return home.worker(STEWARD, STEWARD_AI__MODEL="tiny", STEWARD_AI__BASE_URL=server.url)


@pytest.mark.tier("T2")
@pytest.mark.timeout(240)
@pytest.mark.case(61)
async def test_an_answer_is_paid_once_though_its_worker_is_killed(
    home: Home, steward: Services, case: Case
) -> None:
    held: list[sqlite3.Connection] = []

    async def answer(stream: SocketStream) -> None:
        """Answer while nobody can write to the database: the run stands between both."""
        held.append(await run_sync(_hold, home))
        await said("Rest on Monday.")(stream)

    async with provider_server(answer, said("Twice.")) as server:
        victim = await worker(home, server).ready(steward.client)
        soon = (steward.client.store.clock.now() + seconds(2)).isoformat()
        made = await steward.client.enqueue(
            ai.create_periodic_task, 1, "Plan", "once", {"run_at": soon}, ai_context="A week."
        )
        task = await made.result(within=LONG)
        assert task.run_id
        await eventually(lambda: _is_kept(steward, str(task.run_id)), within=LONG)
        victim.send(SIGKILL)
        await victim.exit_code()
        held[0].close()
        unwritten = (await steward.tasks.get(1, task.task_id)).last_result

        await worker(home, server).ready(steward.client)
        ran = await history(steward, task.run_id)

    (notice,) = await Notices(steward.database).of(1)
    (log,) = await steward.tasks.log.of(1, task.task_id)
    case.says(
        "kill -9 between a model's answer and our commit",
        steward=f"{len(server.asked)} request to the model, told once, in attempt {ran.attempts}",
    )
    assert unwritten is None
    assert (ran.status, ran.attempts, len(server.asked)) == (Ending.SUCCEEDED, 2, 1)
    assert (notice.title, notice.body) == ("Plan", "Rest on Monday.")
    assert (log.method, log.tokens) == ("llm:tiny", TOKENS)


def _hold(home: Home) -> sqlite3.Connection:
    connection = sqlite3.connect(
        home.path / "steward.db", isolation_level=None, check_same_thread=False
    )
    connection.execute("BEGIN IMMEDIATE")
    return connection


async def _is_kept(steward: Services, run_id: str) -> bool:
    """Whether the answer lies in the run's book."""
    return bool(await steward.client.store.redis.exists(keys.book(run_id)))
