"""`steward outbox`: runs that a transaction has written down and no relay has brought yet."""

from typing import TYPE_CHECKING

from cyclopts import App

from app.cli.answer import Facts, show_json, show_table
from app.cli.failures import Misused, NotDone
from app.cli.options import Json, Limit, RunId, Yes

if TYPE_CHECKING:
    from app.engine import Client
    from app.storage.outbox import Outbox, Waiting

outbox = App(name="outbox")

_STANDING_STILL = 20  # s for a relay at work to end its round, and for a row to be deleted
_SOON = 0.1  # s between two looks whether it has

_COLUMNS = ("id", "job", "queue", "written_at", "tries", "trouble")


@outbox.default
@outbox.command(name="list")
async def list_outbox(*, limit: Limit = 50, json: Json = False) -> None:
    """List what waits to be brought to its queue, the oldest first, and why it is still here."""
    from app.connection import open_client
    from app.context import open_services
    from app.settings import read_settings

    settings = read_settings()
    async with open_client(settings) as client, open_services(settings, client) as services:
        rows = [*map(_facts, await services.outbox.list(limit=limit))]
    if json:
        show_json(rows)
    else:
        show_table(rows, _COLUMNS, empty="Nothing waits in the outbox.")


@outbox.command(name="drop")
async def drop_from_outbox(run_id: RunId, /, *, yes: Yes = False, json: Json = False) -> None:
    """Give up a run that can't be brought: it will never be enqueued."""
    from app.connection import open_client
    from app.context import open_services
    from app.settings import read_settings

    if not yes:
        raise Misused("a dropped run can't be brought back: add --yes to drop it")
    settings = read_settings()
    async with open_client(settings) as client, open_services(settings, client) as services:
        if not await _drop(services.outbox, client, run_id):
            raise NotDone(f"no run {run_id} waits in the outbox: it was brought, or never written")
    row = {"id": run_id, "done": "dropped"}
    if json:
        show_json([row])
    else:
        show_table([row], tuple(row), empty="")


async def _drop(rows: "Outbox", client: "Client", run_id: str) -> bool:
    """Whether it was there; no relay is at work meanwhile, which might bring what it has read."""
    import anyio

    from app.engine import Handover, seconds

    handover = Handover(client.store, lease=seconds(_STANDING_STILL))
    with anyio.fail_after(_STANDING_STILL):
        while not await handover.begin():
            await anyio.sleep(_SOON)
    try:
        return await rows.drop(run_id)
    finally:
        await handover.end(())


def _facts(waiting: "Waiting") -> Facts:
    return {
        "id": waiting.run_id,
        "job": waiting.job,
        "queue": waiting.queue,
        "written_at": waiting.written_at,
        "tries": waiting.tries,
        "trouble": waiting.trouble,
    }
