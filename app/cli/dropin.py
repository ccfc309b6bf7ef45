"""`steward worker their.module.WorkerSettings`: an arq project, unchanged, on our engine."""

import os
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from app.cli.failures import Misused
from app.cli.lifetime import Stopper, serve
from app.cli.processes import keep_alive, make_supervisor, needs_supervisor
from app.cli.run_lines import Lines

if TYPE_CHECKING:
    from app.engine import WorkerOptions
    from app.engine.dropin import ArqSettings
    from app.local.supervisor import Supervisor
    from app.settings import Settings

_OURS = __name__.partition(".")[0]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the command line says, beside the project."""

    burst: bool
    json: bool
    trusted: bool
    supervised: bool

    def words(self, path: str) -> list[str]:
        """The same for another process, which is supervised."""
        flags = {"--burst": self.burst, "--json": self.json, "--i-trust-this-redis": self.trusted}
        return [path, *(flag for flag, is_set in flags.items() if is_set)]

    def supervisor(self, path: str, project: "ArqSettings", settings: "Settings") -> "Supervisor":
        """Of such processes; patient for as long as the project's jobs have to finish."""
        grace = project.job_completion_wait
        return make_supervisor(settings, self.words(path), is_finite=self.burst, grace=grace)


def run_project(path: str, settings: "Settings", told: Told) -> int:
    """Run an arq project's jobs until stopped; returns the exit code."""
    project = _read(path, trusted=told.trusted)
    lines = Lines(as_json=told.json, are_shared=told.supervised)

    async def work(stopper: Stopper) -> None:
        if not told.supervised and needs_supervisor(settings):
            supervisor = told.supervisor(path, project, settings)
            await keep_alive(supervisor, settings, lines, stopper)
        else:
            await _work(project, settings, told, lines, stopper)

    return serve(work, supervised=told.supervised)


async def _work(
    project: "ArqSettings", settings: "Settings", told: Told, lines: Lines, stopper: Stopper
) -> None:
    from app.engine.dropin import open_arq_worker
    from app.local.supervisor import SPENT

    async with open_arq_worker(
        project,
        burst=told.burst,
        is_trusted=told.trusted,
        options=_options(settings),
        heard=lines.heard,
    ) as worker:
        lines.add(
            {"event": "started", "worker": worker.id, "queues": [project.queue_name]},
            f"{worker.id} works on {project.queue_name}. Ctrl-C stops it in order.",
        )
        with lines.printing(), stopper.calling(worker.stop):
            await worker.run()
    is_all = told.burst and project.max_burst_jobs > 0  # no other is to go on
    if worker.is_spent and not is_all:
        stopper.code = SPENT


def _options(settings: "Settings") -> "WorkerOptions":
    """What arq has no setting for."""
    from app.engine import WorkerOptions

    worker = settings.worker
    return WorkerOptions(
        lease=worker.lease,
        poll=worker.poll,
        max_block=worker.max_block,
        guarded=True,
        max_runs=worker.max_runs,
        max_memory=worker.max_memory,
    )


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
    name, _, attribute = path.rpartition(".")
    _refuse_name(path)
    sys.path.append(os.getcwd())
    try:
        module = import_module(name)
    except Exception as error:  # whatever the project's code raises
        said = f"cannot be imported: {type(error).__name__}: {error}"
        raise Misused(f"{path}: {said}") from error
    if not hasattr(module, attribute):
        raise Misused(f"{path}: there is no {attribute} in {name}")
    return getattr(module, attribute)


def _refuse_name(path: str) -> None:
    package, *rest = path.split(".")
    if not rest or not all(each.isidentifier() for each in (package, *rest)):
        raise Misused(f"{path}: write module.Class, as their.module.WorkerSettings")
    if package == _OURS:
        raise Misused(
            f"{path}: Steward's own package is called {_OURS}, too: rename the project's;"
            " Steward's own jobs are run by `worker` alone"
        )
