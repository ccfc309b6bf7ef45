"""A watch server on this machine, and whoever asks it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx2

from app.engine import Client, WorkerSeen
from app.engine.redis import keys
from app.observability.health import Health
from app.observability.providers import Providers
from app.observability.readiness import Readiness
from app.observability.tally import Tally
from app.observability.watch import Watched, watch_app
from app.observability.watch_server import WatchServer
from app.services.health_report import Thresholds
from app.storage.database import Database
from tests.eventually import eventually
from tests.servers import free_port

ROOMY = Thresholds(disk=1, disk_full=0, memory=101, memory_full=102, cpu=101)


@dataclass
class Somebody:
    """Stands for a worker."""

    id: str = "w1"
    is_stopping: bool = False


@dataclass
class Site:
    """A server that is watched through."""

    port: int
    ask: httpx2.AsyncClient
    tally: Tally
    worker: Somebody = field(default_factory=Somebody)


async def alive(client: Client, *queues: str, blocked_ms: int = 0) -> None:
    """Let the worker w1 show its sign of life."""
    seen = WorkerSeen(
        id="w1",
        host="here",
        pid=1,
        queues=queues,
        slots=10,
        running=0,
        started_ms=0,
        blocked_ms=blocked_ms,
    )
    await client.store.redis.set(keys.worker("w1"), seen.pack(), px=60_000)


@asynccontextmanager
async def watched(
    client: Client,
    database: Database,
    home: Path,
    *,
    token: str = "",
    port: int = 0,
    providers: Providers | None = None,
    accepted: Sequence[str] = ("no-persistence",),
) -> AsyncGenerator[Site]:
    """Serve while the block lasts."""
    somebody, tally = Somebody(), Tally()
    app = watch_app(
        Watched(
            client=client,
            readiness=Readiness(
                lambda: somebody,
                client,
                database,
                accepted=accepted,
                providers=providers,
            ),
            health=Health(
                database,
                client,
                home,
                limits=ROOMY,
                accepted=accepted,
                providers=providers,
            ),
            tally=tally,
            slots=7,
        ),
        token=token,
    )
    port = port or free_port()
    server = WatchServer(app, host="127.0.0.1", port=port, ports=1)
    url = f"http://127.0.0.1:{port}"
    async with anyio.create_task_group() as group, httpx2.AsyncClient(base_url=url) as ask:
        group.start_soon(server.run)

        async def answers() -> bool:
            try:
                return (await ask.get("/live")).status_code == 200
            except httpx2.TransportError:
                return False

        await eventually(answers)
        yield Site(port=port, ask=ask, tally=tally, worker=somebody)
        group.cancel_scope.cancel()
