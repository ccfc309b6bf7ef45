"""`steward worker`: run jobs, in as many processes and on as many machines as wanted."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter, validators

from app.cli.dropin import Project, Told, Trusted, run_project
from app.cli.failures import Misused
from app.cli.lifetime import Stopper, serve
from app.cli.logs import settings_with_logs
from app.cli.options import Json
from app.cli.processes import needs_supervisor, supervise
from app.cli.run_lines import Lines

if TYPE_CHECKING:
    from app.engine import Job
    from app.settings import Settings

worker = App(name="worker")

Queues = Annotated[str | None, Parameter(help="Only these, with commas between: ai,email.")]
Processes = Annotated[
    int | None,
    Parameter(
        help="How many processes, each replaced when it dies; else STEWARD_WORKER__PROCESSES.",
        validator=validators.Number(gte=1, lte=1_000),
    ),
]
Concurrency = Annotated[
    int | None,
    Parameter(
        help="How many runs at once, in each process; else STEWARD_WORKER__CONCURRENCY.",
        validator=validators.Number(gte=1, lte=10_000),
    ),
]
Burst = Annotated[
    bool,
    Parameter(
        negative=(), help="Stop once the queues are empty; waits for deferred runs, as arq does."
    ),
]
DemoJobs = Annotated[bool, Parameter(negative=(), show=False)]
Supervised = Annotated[bool, Parameter(negative=(), show=False)]


@worker.default
def run_worker(
    project: Project = None,
    *,
    queues: Queues = None,
    processes: Processes = None,
    concurrency: Concurrency = None,
    burst: Burst = False,
    json: Json = False,
    demo_jobs: DemoJobs = False,
    i_trust_this_redis: Trusted = False,
    supervised: Supervised = False,
) -> int:
    """Run jobs until stopped; more of these share the work, and take over from one that dies."""
    names = chosen_queues(queues)
    settings = settings_with_logs(as_json=json)
    settings = with_numbers(settings, processes=processes, concurrency=concurrency)
    if project is None and i_trust_this_redis:
        raise Misused("--i-trust-this-redis is for an arq project; Steward's own queues are signed")
    if project is not None:
        _refuse_ours(queues=queues, concurrency=concurrency)
        told = Told(burst=burst, json=json, trusted=i_trust_this_redis, supervised=supervised)
        return run_project(project, settings, told)
    ours = _Ours(queues=names, burst=burst, json=json, demo_jobs=demo_jobs)
    if not supervised and needs_supervisor(settings):
        return supervise(settings, ours.words(settings), is_finite=burst, as_json=json)
    lines = Lines(as_json=json, are_shared=supervised)
    return serve(partial(_work, settings, ours, lines), supervised=supervised)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ours:
    """What the command line says of a worker of Steward's own jobs."""

    queues: tuple[str, ...]
    burst: bool
    json: bool
    demo_jobs: bool

    def words(self, settings: "Settings") -> list[str]:
        """The same for another process, which is supervised."""
        flags = {"--burst": self.burst, "--json": self.json, "--demo-jobs": self.demo_jobs}
        return [
            f"--queues={','.join(self.queues)}",
            f"--concurrency={settings.worker.concurrency}",
            f"--processes={settings.worker.processes}",  # so many share the ports to be watched at
            *(flag for flag, is_set in flags.items() if is_set),
        ]


async def _work(settings: "Settings", ours: _Ours, lines: Lines, stopper: Stopper) -> None:
    from app.engine import in_time
    from app.local.supervisor import SPENT
    from app.worker import open_worker

    opening = open_worker(
        settings,
        queues=ours.queues,
        burst=ours.burst,
        jobs=_jobs(demo=ours.demo_jobs),
        heard=lines.heard,
    )
    async with in_time(opening, within=settings.worker.open_within) as worker:
        await worker.reach()
        lines.add(
            {"event": "started", "worker": worker.id, "queues": ours.queues},
            f"{worker.id} works on {', '.join(ours.queues)}. Ctrl-C stops it in order.",
        )
        with lines.printing(), stopper.calling(worker.stop):
            await worker.run()
    if worker.is_spent:
        stopper.code = SPENT


def _refuse_ours(**given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise Misused(f"--{name} is for Steward's own jobs; a project says so in its settings")


def chosen_queues(text: str | None) -> tuple[str, ...]:
    """The queues named, in the order of urgency; all when none is. Raises `Misused`."""
    from app.queues import NAMES

    if text is None:
        return NAMES
    wanted = {each.strip() for each in text.split(",")}
    if unknown := sorted(wanted.difference(NAMES)):
        raise Misused(f"--queues: no queue is called {unknown[0]!r}; there are {', '.join(NAMES)}")
    return tuple(each for each in NAMES if each in wanted)


def with_numbers(
    settings: "Settings", *, processes: int | None, concurrency: int | None
) -> "Settings":
    """The settings with as many processes, and runs at once, as the command line wants."""
    given = {"processes": processes, "concurrency": concurrency}
    wanted = {name: number for name, number in given.items() if number is not None}
    process = settings.worker.model_copy(update=wanted)
    return settings.model_copy(update={"worker": process})


def _jobs(*, demo: bool) -> "dict[str, Job[Any, ..., Any]]":
    from app.engine import by_name
    from app.jobs import JOBS

    if not demo:
        return JOBS
    from app.cli.demo.jobs import DEMO_JOBS

    return by_name([*JOBS.values(), *DEMO_JOBS])
