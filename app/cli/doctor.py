"""`steward doctor`: what no step leaves behind and is there all the same; look, and mend."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from app.cli.answer import Facts, show_json, show_table
from app.cli.failures import FAILED, OK, complain
from app.cli.options import Json

if TYPE_CHECKING:
    from app.context import Services
    from app.engine import Finding

doctor = App(name="doctor")

_SHOWN = 20  # of one trouble; `--all` and `--json` have the others, too
_MOST_DOUBTS = 100_000

Repair = Annotated[bool, Parameter(negative=(), help="Mend what can be mended without a doubt.")]

All = Annotated[
    bool, Parameter(name="--all", negative=(), help=f"Show all, not {_SHOWN} of a kind.")
]

_COLUMNS = ("trouble", "subject", "about", "done")


@doctor.default
async def see_doctor(*, repair: Repair = False, everything: All = False, json: Json = False) -> int:
    """Look for inconsistencies, twice, and name them; exit code 1 if any is left.

    Runs that are on their way are none: it may be called while workers work.
    """
    from app.connection import open_client
    from app.context import open_services
    from app.engine import Doctor, slow_disk
    from app.jobs import JOBS
    from app.settings import read_settings
    from app.timetable import TIMETABLE

    settings = read_settings()
    async with open_client(settings, jobs=JOBS) as client:
        examined = Doctor(client, jobs=JOBS, timetable=TIMETABLE)
        findings = await examined.examine(mend=repair)
        warning = await slow_disk(client)
        async with open_services(settings, client) as services:
            findings += await _in_the_database(services)
    if json:
        show_json([_facts(each) for each in findings])
    else:
        _show(findings, most=len(findings) if everything else _SHOWN)
    if warning:
        complain(f"Redis: {warning}")
    return OK if all(each.is_mended for each in findings) else FAILED


async def _in_the_database(services: "Services") -> "list[Finding]":
    """What waits there for a person, or for Redis to take it."""
    from app.engine import Finding, Trouble

    found = [
        Finding(trouble=Trouble.DOUBT, subject=each.place.name, about=each.place.run_id)
        for each in await services.effects.in_doubt(limit=_MOST_DOUBTS)
    ]
    standing = await services.outbox.standing()
    if standing.troubled:
        subject = f"{standing.troubled} of {standing.waiting}"
        found.append(
            Finding(
                trouble=Trouble.OUTBOX, subject=subject, about=f"{standing.job}: {standing.trouble}"
            )
        )
    return found


def _show(findings: "list[Finding]", *, most: int) -> None:
    shown = Counter[str]()
    rows: list[Facts] = []
    for each in findings:
        shown[each.trouble] += 1
        if shown[each.trouble] <= most:
            rows.append(_facts(each))
    show_table(rows, _COLUMNS, empty="Nothing is wrong.")
    for trouble, count in shown.items():
        if count > most:
            print(f"... and {count - most} more, which --all shows: {trouble}")
    if any(each.can_be_mended and not each.is_mended for each in findings):
        print("\nsteward doctor --repair mends what says so.")


def _facts(finding: "Finding") -> Facts:
    from app.engine import MENDING

    mending = MENDING.get(finding.trouble, "")
    done = mending if finding.is_mended else mending and f"--repair: {mending}"
    return {
        "trouble": finding.trouble.value,
        "subject": finding.subject,
        "about": finding.about,
        "is_mended": finding.is_mended,
        "done": done,
    }
