"""`steward failures`: what failed, attempt by attempt, with its traceback; found by words."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from app.cli.answer import Facts, show_json, show_table
from app.cli.options import Json, Limit
from app.cli.past import Since, begin_of, looking_back
from app.observability.printable import printable

if TYPE_CHECKING:
    from app.storage.failures import Failure

failures = App(name="failures")

_COLUMNS = ("failed_at", "run", "job", "attempt", "ending", "error")

Words = Annotated[
    str,
    Parameter(name="WORDS", help="All of them must be in its job, error or traceback."),
]
OfJob = Annotated[str | None, Parameter(name="--job", help="Of this job only.")]
OfRun = Annotated[str | None, Parameter(name="--run", help="Of this run only.")]
Trace = Annotated[bool, Parameter(name="--trace", negative=(), help="Show the tracebacks, too.")]


@failures.default
async def list_failures(
    *words: Words,
    job: OfJob = None,
    run: OfRun = None,
    since: Since = "30d",
    limit: Limit = 50,
    trace: Trace = False,
    json: Json = False,
) -> None:
    """List attempts that failed, the latest first; of arguments no text, only its length."""
    from app.storage.failures import Failures

    async with looking_back() as database:
        found = await Failures(database).find(
            words=" ".join(words), job=job, run_id=run, since=begin_of(since), limit=limit
        )
    if json:
        show_json([asdict(each) for each in found])
    elif trace and found:
        for each in found:
            print(f"{each.run_id} {printable(each.job)}({printable(each.arguments)})")
            print("\n".join(map(printable, each.traceback.splitlines())), end="\n\n")
    else:
        show_table([*map(_facts, found)], _COLUMNS, empty="No such attempt has failed.")


def _facts(failure: "Failure") -> Facts:
    return {
        "failed_at": failure.failed_at,
        "run": failure.run_id,
        "job": failure.job,
        "attempt": failure.attempt,
        "ending": failure.ending.value,
        "error": f"{failure.kind}: {failure.message}",
    }
