"""`steward worker their.module.WorkerSettings`: an arq project, unchanged, on our engine."""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from app.cli.failures import Misused
from app.cli.lifetime import Stopper, serve
from app.cli.logs import settings_with_logs
from app.cli.run_lines import Lines

if TYPE_CHECKING:
    from app.engine import WorkerOptions
    from app.settings import Settings

Project = Annotated[
    str | None,
    Parameter(help="An arq project's settings class, as for `arq`: its functions on its queue."),
]
Trusted = Annotated[
    bool,
    Parameter(
        negative=(),
        help="The project has no serializer, and who can write to its Redis may run code here.",
    ),
]


def run_project(path: str, *, burst: bool, trusted: bool, json: bool) -> int:
    """Run an arq project's jobs until stopped; returns the exit code."""
    options = _options(settings_with_logs(as_json=json))
    lines = Lines(as_json=json)

    async def work(stopper: Stopper) -> None:
        from app.engine.dropin import open_arq_worker, read_arq_settings

        settings = read_arq_settings(_imported(path))
        async with open_arq_worker(
            settings, burst=burst, is_trusted=trusted, options=options, heard=lines.heard
        ) as worker:
            lines.add(
                {"event": "started", "worker": worker.id, "queues": [settings.queue_name]},
                f"{worker.id} works on {settings.queue_name}. Ctrl-C stops it in order.",
            )
            with lines.printing(), stopper.calling(worker.stop):
                await worker.run()

    return serve(work)


def _options(settings: "Settings") -> "WorkerOptions":
    """What arq has no setting for."""
    from app.engine import WorkerOptions

    worker = settings.worker
    return WorkerOptions(lease=worker.lease, poll=worker.poll, max_block=worker.max_block)


def _imported(path: str) -> object:
    """The settings of this name, from the working directory or what is installed."""
    sys.path.append(os.getcwd())
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (ModuleNotFoundError, ValueError) as error:
        raise Misused(f"{path}: {error}") from error
    except AttributeError:
        raise Misused(f"{path}: there is no {name} in {module}") from None
