"""How a worker works."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from app.settings.sections.section import Section
from app.settings.values import Limits, Seconds, Span


class WorkerProcess(Section):
    """How a worker works."""

    processes: int = Field(
        default=1,
        ge=1,
        le=1_000,
        description="how many worker processes `steward worker` and `start` keep alive",
    )
    concurrency: int = Field(
        default=100, ge=1, le=10_000, description="how many runs at once, in each process"
    )
    lease: Span = Field(
        default=timedelta(seconds=8),
        description="seconds until the runs of a killed worker are taken over",
    )
    poll: Span = Field(
        default=timedelta(seconds=1.5),
        description="seconds between two looks at the queues when Redis tells of no change",
    )
    grace: Seconds = Field(
        default=timedelta(seconds=10),
        description="seconds that running runs get to finish when the worker stops",
    )
    abandon_after: Seconds = Field(
        default=timedelta(seconds=10),
        description="seconds that a cancelled run gets to clean up; one that goes on is given up",
    )
    keep_result: Seconds = Field(
        default=timedelta(hours=1), description="seconds a result can be read; 0 keeps none"
    )
    open_within: Span = Field(
        default=timedelta(minutes=1),
        description="seconds a worker has to open what it needs, and to close it",
    )
    max_crashes: int = Field(
        default=3,
        ge=1,
        le=100,
        description="how many workers a run may take down with it before it is a dead letter",
    )
    keep_dead: Seconds = Field(
        default=timedelta(0),
        description="seconds a dead letter is kept; 0 is until it is retried or dropped",
    )
    max_block: Span = Field(
        default=timedelta(seconds=120),
        description="seconds a job may block the worker before the process ends itself",
    )
    max_runs: int = Field(
        default=0,
        ge=0,
        description="after how many runs a worker process is replaced by a fresh one, as Celery's "
        "max-tasks-per-child; 0 is never",
    )
    max_memory: int = Field(
        default=0,
        ge=0,
        description="MiB of resident memory at which a worker process is replaced by a fresh one; "
        "0 is never",
    )
    turn: int = Field(
        default=8,
        ge=2,
        description="every so many claims, one starts at a lower queue: a smaller number gives the "
        "less urgent a larger share",
    )
    limits: Annotated[dict[str, int], *Limits] = Field(
        default={},
        description="JSON: how many runs of a queue one worker has at once, where less than all "
        'its slots; {"maintenance": 2}',
    )
    recorder: bool = Field(
        default=True, description="whether workers also keep the history of runs"
    )
    accept_plain: bool = Field(
        default=False,
        description="whether to run what plain arq clients enqueue with our serializer",
    )
