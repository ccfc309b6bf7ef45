"""`steward health`: whether Steward works, asked of each of its parts."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from app.cli.answer import Facts, show_json, show_table
from app.cli.failures import FAILED, OK
from app.cli.options import Json

if TYPE_CHECKING:
    from app.services.health_report import Part

health = App(name="health")


Worker = Annotated[
    bool,
    Parameter(
        name="--worker",
        negative=(),
        help="Only the workers of this machine: for a container, whose own they are.",
    ),
]


@health.default
async def check_health(*, worker: Worker = False, json: Json = False) -> int:
    """Ask database, Redis, queues, workers and machine how they are; exit code 1 if unhealthy."""
    if worker:
        return await _check_workers(as_json=json)
    from app.connection import open_client
    from app.context import open_services
    from app.services.health_report import Level
    from app.settings import read_settings

    settings = read_settings()
    async with open_client(settings) as client, open_services(settings, client) as services:
        report = await services.health.check()
    parts = [*map(_facts, report.parts)]
    if json:
        summary = {"overall": report.overall.value, "checked_at": report.checked_at}
        show_json({**summary, "took": report.took, "parts": parts})
    else:
        show_table([*map(_for_people, parts)], ("part", "level", "line"), empty="")
        print(f"\nSteward is {report.overall}.")
    return FAILED if report.overall is Level.UNHEALTHY else OK


async def _check_workers(*, as_json: bool) -> int:
    """Whether workers of this machine are alive, and none is blocked: their own signs of life."""
    from socket import gethostname

    from app.connection import open_client
    from app.settings import read_settings

    async with open_client(read_settings()) as client:
        ours = [each for each in await client.workers() if each.host == gethostname()]
    rows = [
        {
            "worker": each.id,
            "pid": each.pid,
            "running": each.running,
            "slots": each.slots,
            "blocked": each.blocked,
            "level": "unhealthy" if each.blocked else "healthy",
        }
        for each in ours
    ]
    if as_json:
        show_json(rows)
    else:
        show_table(rows, tuple(rows[0]) if rows else (), empty="No worker of this machine lives.")
    return OK if ours and not any(each.blocked for each in ours) else FAILED


def _facts(part: "Part") -> Facts:
    return {
        "part": part.name,
        "level": part.level.value,
        "line": part.line,
        "measured": part.measured,
        "unit": part.unit,
    }


def _for_people(facts: Facts) -> Facts:
    return {**facts, "level": str(facts["level"]).replace("_", " ")}
