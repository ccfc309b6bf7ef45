"""`steward metrics`: what runs took, waited and came to, for people, as JSON, as CSV."""

import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, cast

from cyclopts import App, Parameter

from app.cli.answer import Facts, show_json, show_table
from app.cli.failures import Misused
from app.cli.options import Json
from app.cli.past import Since, begin_of, looking_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.storage.sightings import Sighting

metrics = App(name="metrics")

_SPANS = ("average", "p50", "p95", "p99", "wait_p95")  # in seconds, and for people with their unit
_SHOWN = ("job", "runs", "success_rate", *_SPANS)
_WORKER = ("worker", "pid", "cpu_percent", "memory_mb", "seen_at", "left_at")
_MOST = 100_000  # runs of which times are read; the counts are of all
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for one at a cell's start

Csv = Annotated[bool, Parameter(name="--csv", negative=(), help="Print CSV.")]


@metrics.default
async def show_metrics(*, since: Since = "24h", json: Json = False, csv: Csv = False) -> None:
    """Tell what each job's runs took and came to, from the history, and what workers use.

    A run's time is from its first start to its end, with what lies between attempts; its wait is
    from when it was due until then. Times in JSON and CSV are in seconds; percentiles are exact, of
    the latest 10,000 runs of a job. CSV is one table, with a row for each job and one for each
    worker: its `kind` says which. Processor and memory are a worker process's, never one run's.
    """
    if json and csv:
        raise Misused("--json or --csv, not both")
    rows, workers = await _measured(since)
    if json:
        show_json({"since": begin_of(since), "jobs": rows, "workers": workers})
    elif csv:
        _print_csv(rows, workers)
    else:
        show_table([*map(_for_people, rows)], _SHOWN, empty="No run is over yet.")
        print()
        show_table(workers, _WORKER, empty="No worker has been seen.")


async def _measured(since: str) -> "tuple[Sequence[Facts], Sequence[Facts]]":
    from app.observability.summary import summarize
    from app.storage.run_times import RunTimes
    from app.storage.sightings import Sightings

    begin = begin_of(since)
    async with looking_back() as database:
        times = RunTimes(database)
        totals, latest = await times.totals(begin), await times.latest(begin, most=_MOST)
        seen = await Sightings(database).recent(begin)
    return [asdict(each) for each in summarize(totals, latest)], [*map(_worker, seen)]


def _worker(sighting: "Sighting") -> Facts:
    facts = asdict(sighting)
    return {**facts, "memory_mb": round(facts["memory_bytes"] / 2**20, 1)}


def _for_people(row: Facts) -> Facts:
    return {**row, **{name: timedelta(seconds=cast("float", row[name])) for name in _SPANS}}


def _print_csv(rows: "Sequence[Facts]", workers: "Sequence[Facts]") -> None:
    from csv import writer as csv_writer

    from app.observability.summary import COLUMNS
    from app.storage.sightings import Sighting

    columns = ("kind", *COLUMNS, *Sighting.__slots__, "memory_mb")
    writer = csv_writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    told = [{"kind": "job", **row} for row in rows]
    told += [{"kind": "worker", **worker} for worker in workers]
    writer.writerows([_cell(row.get(name, "")) for name in columns] for row in told)


def _cell(value: object) -> object:
    """A value that no spreadsheet takes for a formula, and no terminal for an order."""
    from app.observability.printable import printable

    if isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
