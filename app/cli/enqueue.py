"""`steward enqueue`: put one run on its job's queue."""

from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

from cyclopts import App, Parameter

from app.cli.answer import Facts, show_json
from app.cli.arguments import find_job, read_call
from app.cli.failures import Misused
from app.cli.moment import read_moment, read_span
from app.cli.options import Json

if TYPE_CHECKING:
    from app.engine import Call, Handle
    from app.settings import Settings

enqueue = App(name="enqueue")

Words = Annotated[str, Parameter(allow_leading_hyphen=True, help="Its arguments; name=value too.")]
Delay = Annotated[str | None, Parameter(help="Not before this long from now: 90s, 5m, 2h, 1d.")]
At = Annotated[str | None, Parameter(help="Not before this moment: 2026-12-24T18:00.")]
Key = Annotated[
    str | None, Parameter(help="Not while another run with this key is queued or runs.")
]


@enqueue.default
async def enqueue_job(
    job: Annotated[str, Parameter(help="Its name, such as email.send_notification.")],
    /,
    *words: Words,
    delay: Delay = None,
    at: At = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Put one run of a job on its queue."""
    from app.connection import open_client
    from app.jobs import JOBS
    from app.settings import read_settings

    settings = read_settings()
    call = _with_options(read_call(find_job(JOBS, job), words), settings, delay, at, key)
    async with open_client(settings, jobs=JOBS) as client:
        handle = await client.enqueue_call(call)
        facts = await _facts(call, handle)
    if json:
        show_json(facts)
    elif handle.is_new:
        print(f"{handle.id} waits in the queue {call.job.queue}.")
    else:
        print(f"{handle.id} has the key already; nothing new was enqueued.")


async def _facts(call: "Call[Any]", handle: "Handle[Any]") -> Facts:
    return {
        "id": handle.id,
        "is_new": handle.is_new,
        "job": call.job.name,
        "queue": call.job.queue,
        "status": (await handle.status()).value,
    }


def _with_options(
    call: "Call[Any]", settings: "Settings", delay: str | None, at: str | None, key: str | None
) -> "Call[Any]":
    from app.engine import BadArguments, Call

    if delay and at:
        raise Misused("--delay or --at, not both")
    try:
        job = call.job.with_options(
            delay=read_span(delay) if delay else None,
            at=read_moment(at, ZoneInfo(settings.owner.timezone)) if at else None,
            key=key,
        )
    except BadArguments as error:
        raise Misused(str(error)) from None
    return Call(job, call.args, call.kwargs)
