"""`steward show`, `retry` and `cancel`: one run, by its id."""

from contextlib import suppress
from typing import TYPE_CHECKING

from cyclopts import App

from app.cli.answer import Facts, show_facts, show_json, show_table
from app.cli.dead import retry_dead
from app.cli.failures import NotDone
from app.cli.options import Json, RunId
from app.cli.runs import living, open_history, past

if TYPE_CHECKING:
    from app.engine import Client, DeadLetter
    from app.settings import Settings

show, retry, cancel = App(name="show"), App(name="retry"), App(name="cancel")

_SHOWN = 300  # characters of a payload that nobody can read
_ATTEMPT = ("number", "started_at", "took", "worker", "error")


@show.default
async def show_run(run_id: RunId, /, *, traceback: bool = False, json: Json = False) -> None:
    """Show all that is known of a run: its result, or what went wrong in each attempt.

    Parameters
    ----------
    traceback
        Show where the last attempt failed, too.
    """
    from app.connection import open_client
    from app.settings import read_settings

    settings = read_settings()
    async with open_client(settings) as client:
        facts = await _known(client, settings, run_id)
        letter = await _letter(client, run_id)
        result = await _result(client, run_id)
        payload = _payload(client, settings, letter) if letter else None
    attempts = _attempts(letter)
    trace = letter.last.traceback if letter and traceback else ""
    if payload:
        facts = {**facts, "payload": payload}
    if json:
        show_json({**facts, "result": result, "failed_attempts": attempts, "traceback": trace})
        return
    show_facts({**facts, "result": result})
    if attempts:
        print()
        show_table(attempts, _ATTEMPT, empty="")
    for line in trace.splitlines():
        show_facts({"": line})
    if letter and letter.last.traceback and not traceback:
        print("Where it failed: the same command with --traceback.")


@retry.default
async def retry_run(run_id: RunId, /, *, json: Json = False) -> int:
    """Run a dead letter again from its first attempt, as a new run."""
    return await retry_dead(run_id, everything=False, json=json)


@cancel.default
async def cancel_run(run_id: RunId, /, *, json: Json = False) -> None:
    """Cancel a run: one that waits never starts, one that runs is told to stop."""
    from app.connection import open_client
    from app.settings import read_settings

    async with open_client(read_settings()) as client:
        handle = client.run(run_id)
        if not await handle.cancel():
            status = await handle.status()
            if status == "unknown":
                raise NotDone(f"there is no run {run_id!r}")
            raise NotDone(f"{run_id} can't be cancelled: it is {status}")
        status = await handle.status()
    if json:
        show_json({"id": run_id, "status": status.value})
    else:
        print(f"{run_id} is {'cancelled' if status == 'cancelled' else 'told to stop'}.")


async def _known(client: "Client", settings: "Settings", run_id: str) -> Facts:
    """What Redis knows of a run that is alive, and the history of one that is not.

    Of one that has just ended the history may not have heard yet.
    """
    from app.engine import UnknownRun

    with suppress(UnknownRun):
        return living(await client.overview.run(run_id))
    async with open_history(settings) as history:
        with suppress(UnknownRun):
            if history is not None:
                return past(await history.get(run_id))
    status = await client.run(run_id).status()
    if status == "unknown":
        raise NotDone(f"there is no run {run_id!r}")
    return {"id": run_id, "status": status.value}


async def _letter(client: "Client", run_id: str) -> "DeadLetter | None":
    from app.engine import DeadLetters, UnknownRun

    try:
        return await DeadLetters(client).get(run_id)
    except UnknownRun:
        return None


async def _result(client: "Client", run_id: str) -> object:
    """What the job returned, for as long as results are kept."""
    import msgspec

    from app.engine import RunStatus, UnknownRun, seconds

    handle = client.run(run_id)
    if await handle.status() is not RunStatus.SUCCEEDED:
        return None
    try:
        result = await handle.result(within=seconds(1))
    except UnknownRun:
        return None
    plain: object = msgspec.to_builtins(result, enc_hook=str, str_keys=True)
    return plain


def _payload(client: "Client", settings: "Settings", letter: "DeadLetter") -> str:
    """What a dead letter has kept; of what nobody can read, how it begins, without secrets."""
    from app.engine import BadPayload
    from app.observability.redaction import Redactor
    from app.settings import secrets_in

    kept = f"{len(letter.payload):,} bytes kept"
    try:
        client.codec.open_payload(letter.payload)
    except BadPayload as error:
        whole = Redactor(secrets_in(settings))(repr(letter.payload)[2:-1])
        more = " ..." if len(whole) > _SHOWN else ""
        return f"{kept}, which nobody can read: {error}: {whole[:_SHOWN]}{more}"
    return f"{kept}; `steward retry {letter.id}` runs it again"


def _attempts(letter: "DeadLetter | None") -> list[Facts]:
    return [
        {
            "number": each.number,
            "started_at": each.started_at,
            "took": each.ended_at - each.started_at,
            "worker": each.worker,
            "error": f"{each.kind.removeprefix('builtins.')}: {each.message}",
        }
        for each in (letter.attempts if letter else ())
    ]
