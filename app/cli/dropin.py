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
    from app.engine.dropin import ArqSettings
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
    project = _read(path, trusted=trusted)
    lines = Lines(as_json=json)

    async def work(stopper: Stopper) -> None:
        from app.engine.dropin import open_arq_worker

        async with open_arq_worker(
            project, burst=burst, is_trusted=trusted, options=options, heard=lines.heard
        ) as worker:
            lines.add(
                {"event": "started", "worker": worker.id, "queues": [project.queue_name]},
                f"{worker.id} works on {project.queue_name}. Ctrl-C stops it in order.",
            )
            with lines.printing(), stopper.calling(worker.stop):
                await worker.run()

    return serve(work)


def _options(settings: "Settings") -> "WorkerOptions":
    """What arq has no setting for."""
    from app.engine import WorkerOptions

    worker = settings.worker
    return WorkerOptions(lease=worker.lease, poll=worker.poll, max_block=worker.max_block)


def _read(path: str, *, trusted: bool) -> "ArqSettings":
    """The project's settings; raises `Misused` for what can't be run, or may not."""
    from app.engine import DeclarationError
    from app.engine.dropin import Untrusted, read_arq_settings, refuse_pickle

    try:
        project = read_arq_settings(_imported(path))
        if not trusted:
            refuse_pickle(project.deserializer)
    except Untrusted as error:
        hint = "give the project a serializer, or say --i-trust-this-redis"
        raise Misused(f"{path}: {error}: {hint}") from None
    except DeclarationError as error:
        raise Misused(f"{path}: {error}") from error
    return project


def _imported(path: str) -> object:
    """The settings of this name, from what is installed or from the working directory."""
    sys.path.append(os.getcwd())
    name, _, attribute = path.rpartition(".")
    try:
        module = import_module(name)
    except (ModuleNotFoundError, ValueError) as error:
        raise Misused(f"{path}: {error}") from error
    if not hasattr(module, attribute):
        raise Misused(f"{path}: there is no {attribute} in {name}")
    return getattr(module, attribute)
