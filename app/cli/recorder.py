"""`steward recorder`: keep the history of runs in a process of its own."""

from functools import partial
from typing import TYPE_CHECKING

from cyclopts import App

from app.cli.lifetime import Stopper, serve
from app.cli.logs import settings_with_logs
from app.cli.options import Json

if TYPE_CHECKING:
    from app.settings import Settings

recorder = App(name="recorder")


@recorder.default
def run_recorder(*, json: Json = False) -> int:
    """Keep the history of runs, until stopped; for when workers don't (STEWARD_WORKER__RECORDER).

    Parameters
    ----------
    json
        Log in JSON.
    """
    return serve(partial(_record, settings_with_logs(as_json=json)))


async def _record(settings: "Settings", stopper: Stopper) -> None:
    from app.connection import database_at, open_client
    from app.engine import Events
    from app.observability.recorder import Recorder
    from app.storage.database import Database
    from app.storage.runs import Runs

    async with (
        open_client(settings) as client,
        Database.open(database_at(settings)) as database,
    ):
        await database.migrate()
        with stopper.cancelling():
            await Recorder(Events(client.store), Runs(database)).run()
