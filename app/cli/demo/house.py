"""The demo's house: a temporary home with its services, and two worker processes in it.

Nothing from outside gets in: not the user's settings, not their mail server, not their Redis (but
by `--by-url`, see servers.py). When the demo ends, however it ends, the workers are gone and so is
the home.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream
from pydantic_settings import PydanticBaseSettingsSource

from app.cli.demo.jobs import DEMO_JOBS
from app.cli.demo.post_office import PostOffice, open_post_office
from app.cli.demo.servers import SECOND_QUEUES, Servers, borrowed
from app.connection import open_client
from app.context import Services, open_services
from app.engine import Events, by_name
from app.jobs import JOBS
from app.observability.recorder import Recorder
from app.settings import PREFIX, Settings
from app.storage.run import Run
from app.storage.runs import Runs
from app.storage.users import User

T = TypeVar("T")

_PROGRAM = Path(__file__).parents[3]  # the folder that `app` is in
_SETTINGS: dict[str, Any] = {
    "worker": {"lease": 2, "poll": 0.1, "recorder": False},
    "owner": {"name": "Ann's friend", "address": "friend@localhost"},
    "files": {"temp_keep": 2},
}
_LOOK = 0.05  # s between two looks at whether something has happened
_PATIENCE = 15.0  # s for anything that should happen at once
_STARTING = 60.0  # s for two processes to begin, on a machine that has other work
_ENDING = 5.0  # s for a worker to stop in order


class NotKept(Exception):
    """Something that the demo promised did not happen."""


class DemoSettings(Settings):
    """Settings that are what the demo says, whatever the environment says."""

    @classmethod
    def settings_customise_sources(
        cls, *_: Any, **sources: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take nothing but the arguments."""
        return (sources["init_settings"],)


@dataclass(kw_only=True)
class House:
    """Where the demo happens."""

    home: Path
    given: dict[str, Any]
    """What the settings are, by section."""
    services: Services
    owner: User
    office: PostOffice
    """Where SMS, Slack posts and webhooks arrive."""
    heard: Callable[[dict[str, Any]], None]
    """Told of each attempt that has ended, as the workers print it."""
    say: Callable[[str], None]
    """Shows a line."""
    workers: dict[str, Process] = field(default_factory=dict[str, Process])
    """The worker processes by the id they work under."""
    attempts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def now(self) -> datetime:
        """The moment it is for the workers."""
        return self.services.client.store.clock.now()

    async def recorded(self, run_id: str) -> Run:
        """The run in the history, once it is over."""
        runs = Runs(self.services.database)

        async def look() -> Run | None:
            found = [each for each in await runs.list(limit=1_000) if each.id == run_id]
            return found[0] if found and found[0].is_over else None

        return await until(look, f"the history has no end of {run_id}")

    async def listen(self, process: Process) -> None:
        """Take in what a worker process prints, until it ends."""
        assert process.stdout is not None
        rest = ""
        with suppress(anyio.ClosedResourceError):  # it was ended, and its pipe with it
            async for text in TextReceiveStream(process.stdout, errors="replace"):
                *lines, rest = (rest + text).split("\n")
                for line in lines:
                    self._take(json.loads(line), process)

    def _take(self, event: dict[str, Any], process: Process) -> None:
        if event["event"] == "started":
            self.workers[event["worker"]] = process
        elif event["event"] == "run":
            self.attempts.append(event)
            self.heard(event)


@asynccontextmanager
async def open_house(
    *,
    heard: Callable[[dict[str, Any]], None],
    say: Callable[[str], None],
    servers: Servers | None = None,
) -> AsyncGenerator[House]:
    """Build it: home, Valkey, database, history, two workers; gone without a trace at the end."""
    with _temporary_folder() as folder:
        async with AsyncExitStack() as stack:
            office = await stack.enter_async_context(open_post_office())
            given = {**_SETTINGS, **office.settings, **(servers.settings if servers else {})}
            settings = DemoSettings(home=folder / "home", **given)
            if servers:
                await stack.enter_async_context(borrowed(settings))
            opening = _open_house(folder, office, settings, given, heard, say)
            yield await stack.enter_async_context(opening)


@asynccontextmanager
async def _open_house(
    folder: Path,
    office: PostOffice,
    settings: DemoSettings,
    given: dict[str, Any],
    heard: Callable[[dict[str, Any]], None],
    say: Callable[[str], None],
) -> AsyncGenerator[House]:
    async with (
        open_client(settings, jobs=by_name([*JOBS.values(), *DEMO_JOBS])) as client,
        open_services(settings, client) as services,
        anyio.create_task_group() as group,
    ):
        owner = await services.users.owner()
        house = House(
            home=settings.home,
            given=given,
            services=services,
            owner=owner,
            office=office,
            heard=heard,
            say=say,
        )
        group.start_soon(Recorder(Events(client.store), Runs(services.database)).run)
        async with _workers(house, folder):
            yield house
        group.cancel_scope.cancel()


@asynccontextmanager
async def _workers(house: House, folder: Path) -> AsyncGenerator[None]:
    async with anyio.create_task_group() as group:
        started: list[Process] = []
        try:
            for number in (1, 2):
                started.append(await _start_worker(house, folder, number))
                group.start_soon(house.listen, started[-1])
            await until(lambda: _all_work(house), "the workers did not start", within=_STARTING)
            yield
        finally:
            with anyio.CancelScope(shield=True):
                for process in started:
                    await _end(process)


async def _all_work(house: House) -> bool:
    alive = {each.id for each in await house.services.client.workers()}
    return len(house.workers) > 1 and alive >= house.workers.keys()


async def _start_worker(house: House, folder: Path, number: int) -> Process:
    home, words = house.home, list[str]()
    if number > 1 and "database" in house.given:
        home, words = folder / "second", ["--queues", SECOND_QUEUES]
        for each in (home, house.home / "mail"):
            each.mkdir(mode=0o700, exist_ok=True)
        (home / "mail").symlink_to(house.home / "mail")  # as on a disk that both reach
    with (folder / f"worker-{number}.log").open("wb") as log:
        return await anyio.open_process(
            [sys.executable, "-P", "-m", "app", "worker", "--demo-jobs", "--json", *words],
            cwd=folder,  # where no .env lies
            env=_environment(house.given, home),
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the demo, which then ends them in order
        )


def _environment(given: dict[str, Any], home: Path) -> dict[str, str]:
    """The variables of a worker process: everybody else's, and Steward's as the demo has them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    ours = {f"{PREFIX}HOME": str(home)}
    for section, values in given.items():
        for name, each in values.items():
            written = json.dumps(each) if isinstance(each, tuple | dict) else str(each)
            ours[f"{PREFIX}{section}__{name}".upper()] = written
    path = os.pathsep.join(filter(None, (str(_PROGRAM), os.environ.get("PYTHONPATH"))))
    return {**kept, **ours, "PYTHONPATH": path}


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    with anyio.move_on_after(_ENDING):
        await process.wait()
    with suppress(ProcessLookupError):
        process.kill()
    await process.aclose()


@contextmanager
def _temporary_folder() -> Generator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="steward-demo-")).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def until(
    look: Callable[[], Awaitable[T | None]], otherwise: str, *, within: float = _PATIENCE
) -> T:
    """Look again and again until there is something to see; `NotKept` with `otherwise` if not."""
    with anyio.move_on_after(within):
        while not (seen := await look()):
            await anyio.sleep(_LOOK)
        return seen
    raise NotKept(f"{otherwise} within {within:g} s")
