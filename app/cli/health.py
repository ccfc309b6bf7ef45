"""`steward health`: whether Steward works, asked of each of its parts."""

from typing import TYPE_CHECKING

from cyclopts import App

from app.cli.answer import Facts, show_json, show_table
from app.cli.failures import FAILED, OK
from app.cli.options import Json

if TYPE_CHECKING:
    from app.services.health_report import Part

health = App(name="health")


@health.default
async def check_health(*, json: Json = False) -> int:
    """Ask database, Redis, queues, workers and machine how they are; exit code 1 if unhealthy."""
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
        show_table(parts, ("part", "level", "line"), empty="")
        print(f"\nSteward is {report.overall}.")
    return FAILED if report.overall is Level.UNHEALTHY else OK


def _facts(part: "Part") -> Facts:
    return {
        "part": part.name,
        "level": part.level.value,
        "line": part.line,
        "measured": part.measured,
        "unit": part.unit,
    }
