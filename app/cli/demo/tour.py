"""The way through the demo, and the verdict: whatever was promised must have happened."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

import anyio
from anyio.to_thread import run_sync

from app.cli.answer import Facts, show_json, show_table
from app.cli.demo.channels import CHANNELS
from app.cli.demo.crash import CRASH
from app.cli.demo.files import FILE_STOPS
from app.cli.demo.house import House, NotKept, open_house
from app.cli.demo.screen import Screen
from app.cli.demo.servers import Servers
from app.cli.demo.stops import STOPS, Stop, leave_temporary_files
from app.cli.demo.syncs import SYNC_STOPS
from app.cli.failures import FAILED, complain, explain
from app.cli.lifetime import Stopper
from app.cli.start import what_to_type
from app.engine import EngineError, seconds

_WHOLE = seconds(58)  # the demo ends within a minute, whatever happens
TOUR = (*STOPS, CHANNELS, *SYNC_STOPS, *FILE_STOPS, CRASH)
_COLUMNS = ("run", "attempts", "duration", "effect")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a stop went."""

    title: str
    is_kept: bool
    effect: str
    rows: tuple[Facts, ...]


async def play(
    stopper: Stopper, *, as_json: bool, stops: Sequence[Stop] = TOUR, servers: Servers | None = None
) -> None:
    """Play the whole tour; the exit code tells whether everything promised happened."""
    began = monotonic()
    screen = Screen(steps=len(stops), is_silent=as_json)
    verdicts: list[Verdict] = []
    place = "a temporary home: a Valkey, a database"
    if servers:
        place = "two temporary homes, on your Redis and your PostgreSQL"
    screen.say(f"Steward in {place}, two worker processes ...")
    with screen.showing(), anyio.move_on_after(_WHOLE.total_seconds()):
        async with open_house(heard=screen.heard, say=screen.note, servers=servers) as house:
            await run_sync(leave_temporary_files, house)
            for stop in stops:
                await _visit(house, stop, screen, verdicts)
    is_kept = len(verdicts) == len(stops) and all(each.is_kept for each in verdicts)
    if not is_kept:
        stopper.code = FAILED
    _close(verdicts, took=monotonic() - began, is_kept=is_kept, as_json=as_json)


async def _visit(house: House, stop: Stop, screen: Screen, verdicts: list[Verdict]) -> None:
    screen.begin(stop.title)
    rows: tuple[Facts, ...] = ()
    try:
        shown = await stop.play(house)
        rows = tuple([await _row(house, each, shown.effect) for each in shown.runs])
        effect, is_kept = shown.effect, True
    except (NotKept, EngineError, TimeoutError, OSError, ValueError) as error:
        effect, is_kept = explain(error), False
    screen.end(effect, is_kept=is_kept)
    verdicts.append(Verdict(title=stop.title, is_kept=is_kept, effect=effect, rows=rows))


async def _row(house: House, run_id: str, effect: str) -> Facts:
    run = await house.recorded(run_id)
    return {
        "run": run.job,
        "id": run.id,
        "queue": run.queue,
        "attempts": run.attempts,
        "duration": run.ended_at - run.started_at,
        "effect": effect,
    }


def _close(verdicts: list[Verdict], *, took: float, is_kept: bool, as_json: bool) -> None:
    rows = [row for each in verdicts for row in each.rows]
    if as_json:
        stops = [{"title": v.title, "kept": v.is_kept, "effect": v.effect} for v in verdicts]
        show_json({"kept": is_kept, "took": round(took, 1), "stops": stops, "runs": rows})
        return
    print()
    show_table(rows, _COLUMNS, empty="Nothing was shown.")
    for each in verdicts:
        if not each.is_kept:
            complain(f"this did not happen: {each.title}: {each.effect}")
    if not is_kept:
        complain("the demo could not show everything it promises")
        return
    print(f"\nAll of this took {took:.0f} s; the temporary home is gone again. Type next:")
    print(f"  ./scripts/start\n{what_to_type()}".rstrip())
