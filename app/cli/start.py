"""`steward start`: everything in one command, and a line for each run as it happens.

The worker is this process; where the settings want several, or one that is replaced now and then,
this process keeps them alive and does nothing else.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from app.cli.answer import Facts, shown
from app.cli.failures import FAILED, Misused
from app.cli.lifetime import Stopper, serve
from app.cli.logs import settings_with_logs
from app.cli.options import Json
from app.cli.processes import make_supervisor, needs_supervisor
from app.cli.run_lines import Lines

if TYPE_CHECKING:
    from app.engine import Client
    from app.settings import Settings

start = App(name="start")

Demo = Annotated[bool, Parameter(negative=(), help="Play a tour in a temporary home, and end.")]

ByUrl = Annotated[
    bool,
    Parameter(
        negative=(), help="With --demo: in two homes, on the settings' Redis and PostgreSQL, empty."
    ),
]


@start.default
def start_steward(*, demo: Demo = False, by_url: ByUrl = False, json: Json = False) -> int:
    """Run Steward: its Valkey, its database, one worker for all queues, the clock, the history.

    Ctrl-C stops it in order and loses nothing; started again it goes on where it was.
    """
    if demo:
        from app.cli.demo import play_demo

        return play_demo(json=json, by_url=by_url)
    if by_url:
        raise Misused("--by-url goes with --demo")
    settings = settings_with_logs(as_json=json)
    return serve(partial(_start, settings, as_json=json))


async def _start(settings: "Settings", stopper: Stopper, *, as_json: bool) -> None:
    from app.connection import open_client
    from app.engine import refuse_unfit
    from app.local.home import only_start

    lines = Lines(as_json=as_json)
    with only_start(settings.home), lines.printing():
        async with open_client(settings) as client:
            await refuse_unfit(client, accepted=settings.redis.accept)
            work = _supervised if needs_supervisor(settings) else _worked
            await work(settings, stopper, lines)
            left = await _left(client)
            lines.add({"event": "stopped", **left}, _farewell(left))


async def _worked(settings: "Settings", stopper: Stopper, lines: Lines) -> None:
    from app.worker import open_worker  # the heavy part, which a refused start does without

    async with open_worker(settings, heard=lines.heard) as worker:
        facts = _facts(settings, worker.id)
        lines.add({"event": "started", **facts}, _welcome(facts))
        with stopper.calling(_Goodbye(worker.stop, settings, lines).begin):
            await worker.run()


async def _supervised(settings: "Settings", stopper: Stopper, lines: Lines) -> None:
    supervisor = make_supervisor(settings, ["--json"] if lines.as_json else [])
    count = settings.worker.processes
    facts = _facts(settings, f"{count} processes" if count > 1 else "1 process, replaced at times")
    lines.add({"event": "started", **facts}, _welcome(facts))
    with stopper.calling(_Goodbye(supervisor.stop, settings, lines).begin):
        if not await supervisor.run():
            stopper.code = FAILED


class _Goodbye:
    """Says that Steward stops, and tells whoever works."""

    def __init__(self, stop: Callable[[], None], settings: "Settings", lines: Lines) -> None:
        self._stop = stop
        self._grace = settings.worker.grace
        self._lines = lines
        self._is_told = False

    def begin(self) -> None:
        """Stop in order; the second time, at once."""
        again = "what runs now is given back, to run again at the next start"
        first = (
            f"Stopping: what runs now may take {shown(self._grace)} to finish."
            " Ctrl-C again stops at once."
        )
        said = f"Stopping at once: {again}." if self._is_told else first
        self._lines.add({"event": "stopping", "at_once": self._is_told}, f"\n{said}")
        self._is_told = True
        self._stop()


def _facts(settings: "Settings", worker: str) -> Facts:
    from app.connection import database_at
    from app.queues import NAMES
    from app.timetable import TIMETABLE

    home, url, smtp = settings.home.resolve(), settings.redis.url, settings.mail.smtp
    return {
        "home": str(home),
        "worker": worker,
        "queues": NAMES,
        "concurrency": settings.worker.concurrency,
        "schedules": len(TIMETABLE),
        "redis": shown(url.get_secret_value()) if url else "a Valkey of its own",
        "database": shown(str(database_at(settings))),
        "mail": f"{smtp.host}:{smtp.port}" if smtp.host else str(home / "mail"),
        "calendars": str(home / "calendar"),
        "owner": settings.owner.name,
    }


def _welcome(facts: Facts) -> str:
    queues = shown(facts["queues"])
    return f"""\
Steward is running in {shown(facts["home"])}
  queues     {queues}
  worker     {shown(facts["worker"])}, up to {facts["concurrency"]} runs at once
  clock      {facts["schedules"]} schedules
  redis      {shown(facts["redis"])}
  database   {shown(facts["database"])}
  mail       {shown(facts["mail"])}
  calendars  {shown(facts["calendars"])}
  owner      {shown(facts["owner"])}

Type next, in another terminal:
{what_to_type()}
Ctrl-C stops Steward in order. Runs, as they happen:
"""


def what_to_type() -> str:
    """The commands to try first, as they can be typed here."""
    script = Path(__file__).parents[2] / "scripts" / "steward"
    steward = "steward"
    if script.exists():
        near = script.is_relative_to(Path.cwd())
        steward = f"./{script.relative_to(Path.cwd())}" if near else str(script)
    return f"""\
  {steward} remind "in 10 minutes to call Ann"
  {steward} runs
  {steward} health
  {steward} --help
"""


async def _left(client: "Client") -> Facts:
    depths = await client.queues()
    return {
        "ready": sum(each.ready for each in depths),
        "deferred": sum(each.deferred for each in depths),
    }


def _farewell(left: Facts) -> str:
    return (
        f"Stopped. {left['ready']} runs wait for the next start, and {left['deferred']} for their"
        " time. Nothing is lost."
    )
