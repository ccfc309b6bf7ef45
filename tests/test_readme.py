"""The README's examples do what it says, and its map shows every room."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import anyio
import pytest
from arq.connections import RedisSettings

from app.context import Context
from app.engine import Client, Codec, Job, RunStatus, by_name, job
from app.queues import NAMES
from app.relay import Relay
from app.storage.users import User

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "app/README.md", ROOT / "app/engine/README.md"]
ALL = "".join(page.read_text() for page in PAGES)
BLOCKS = dict(re.findall(r"```python\n# (.+?)\n(.*?)```", ALL, re.DOTALL))
KEY = "a key that only the README's garden signs with"


async def run(*command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command with nothing but these variables in its environment."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), **variables}
    with anyio.fail_after(50):
        return await anyio.run_process(
            command, cwd=cwd, env=environment, check=False, stderr=subprocess.STDOUT
        )


async def test_the_jobs_that_it_shows_pass_their_tests(tmp_path: Path) -> None:
    for name in (
        "app",
        "pyproject.toml",
        "tests/__init__.py",
        "tests/conftest.py",
        "tests/plugins",
        "tests/postgres.py",
        "tests/rights.py",
    ):
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    for name in (
        *("app/jobs/greetings.py", "tests/jobs/test_greetings.py"),
        *("app/jobs/flowers.py", "tests/jobs/test_flowers.py"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(BLOCKS[name])
    listed = tmp_path / "app/jobs/__init__.py"
    listed.write_text(re.sub(r"\bfiles\b", "files, greetings", listed.read_text()))
    timetable = tmp_path / "app/timetable.py"
    with_greetings = re.sub(r"\bfiles,", "files, greetings,", timetable.read_text())
    line = BLOCKS["app/timetable.py"].strip()
    timetable.write_text(with_greetings.replace("= (\n", f"= (\n    {line},\n", 1))
    check = "from app.worker import TIMETABLE; assert any('greet' in s.name for s in TIMETABLE)"

    tested = await run(sys.executable, "-m", "pytest", "-q", "tests/jobs", cwd=tmp_path)
    scheduled = await run(sys.executable, "-c", check, cwd=tmp_path)

    assert b"2 passed" in tested.stdout, tested.stdout.decode()
    assert scheduled.returncode == 0, scheduled.stdout.decode()


def test_enqueuing_from_your_own_code_is_python() -> None:
    ast.parse("async def example():\n    " + BLOCKS["your code"].replace("\n", "\n    "))


async def test_what_a_job_writes_and_the_run_that_follows_are_both_there(
    context: Context, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("greetings", "farewells"):
        module = ModuleType(f"app.jobs.{name}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(BLOCKS[f"app/jobs/{name}.py"], module.__dict__)
    part: Job[Context, [int], str] = vars(sys.modules["app.jobs.farewells"])["part"]

    goodbye = await part(context, owner.id)

    (waiting,) = await context.outbox.next(most=9)
    assert (waiting.run_id, waiting.job) == (goodbye, "greetings.greet")
    assert not (await context.users.get(owner.id)).active
    await Relay(context.outbox, context.client, queues=NAMES).round()
    assert await context.client.run(goodbye).status() is RunStatus.QUEUED


@pytest.mark.parametrize("module", ["garden.worker", "garden.plain"])
async def test_a_garden_of_your_own_runs_by_arqs_command(
    module: str, tmp_path: Path, clean_redis: RedisSettings
) -> None:
    @job(queue="garden", name="jobs.water")
    async def water(ctx: object, bed: str, litres: int = 5) -> str:
        raise NotImplementedError

    (tmp_path / "garden").mkdir()
    for name in ("garden/jobs.py", "garden/worker.py", "garden/plain.py"):
        (tmp_path / name).write_text(BLOCKS[name])
    async with Client.open(clean_redis, Codec([KEY.encode()]), jobs=by_name([water])) as client:
        handle = await client.enqueue(water, "roses", litres=7)

        done = await run(
            *(str(Path(sys.executable).parent / "arq"), f"{module}.WorkerSettings", "--burst"),
            cwd=tmp_path,
            PYTHONPATH=str(ROOT),
            GARDEN_REDIS=f"unix://{clean_redis.unix_socket_path}",
            GARDEN_KEY=KEY,
        )

        assert done.returncode == 0, done.stdout.decode()
        assert await handle.result() == "roses: 7 l, try 1"


TRY_FORECASTS = """
import anyio
from app.engine import Client, Worker, WorkerOptions, by_name
from garden.forecasts import forecast, look_ahead
from garden.jobs import CODEC, REDIS, Garden

async def main():
    jobs = by_name([forecast])
    async with Client.open(REDIS, CODEC, jobs=jobs) as client:
        handles = [await look_ahead(client, "ann", days) for days in (1, 2, 3)]
        burst = WorkerOptions(burst=True)
        await Worker(
            client, REDIS, jobs=jobs, queues=["garden"], make_context=Garden, options=burst
        ).run()
        print({handle.id for handle in handles} == {handles[0].id}, await handles[0].result())

anyio.run(main)
"""


async def test_limited_and_debounced_forecasts_are_made_once(
    tmp_path: Path, clean_redis: RedisSettings
) -> None:
    (tmp_path / "garden").mkdir()
    for name in ("garden/jobs.py", "garden/forecasts.py"):
        (tmp_path / name).write_text(BLOCKS[name])

    done = await run(
        *(sys.executable, "-c", TRY_FORECASTS),
        cwd=tmp_path,
        PYTHONPATH=str(ROOT),
        GARDEN_REDIS=f"unix://{clean_redis.unix_socket_path}",
        GARDEN_KEY=KEY,
    )

    assert (done.returncode, done.stdout) == (0, b"True 3 days for ann\n"), done.stdout.decode()


async def test_what_an_old_release_has_enqueued_is_lifted_by_the_next(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases = list[Job[Context, ..., str]]()
    for name in ("app/jobs/greetings.py", "app/jobs/greetings.py, in the next release"):
        module = ModuleType("app.jobs.greetings")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(BLOCKS[name], module.__dict__)
        releases.append(vars(module)["greet"])
    old, new = releases
    left = old.call(7, "Hello").packed()

    args, kwargs = new.arguments(old.version, left.args, left.kwargs)

    assert await new(context, *args, **kwargs) == "Hello, 7 (en)"


def test_the_map_shows_every_room() -> None:
    rooms = {path.name for path in (ROOT / "app").iterdir()}
    hidden = {"README.md", "__init__.py", "__main__.py", "__pycache__", "py.typed"}

    on_the_map = {room for room in rooms if re.search(rf"^      {re.escape(room)}\b", README, re.M)}

    assert rooms - hidden == on_the_map


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text())
    assert links

    for link in links:
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


def _anchors(page: Path) -> set[str]:
    """What a link may lead to, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings}
