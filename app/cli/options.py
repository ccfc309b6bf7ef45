"""Options that several commands share, spelled once."""

from typing import Annotated, Literal

from cyclopts import Parameter, validators

_MOST = 100_000  # rows; they are in memory together

Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON.")]
Limit = Annotated[
    int,
    Parameter(help="How many at most.", validator=validators.Number(gte=1, lte=_MOST)),
]
Yes = Annotated[bool, Parameter(name="--yes", negative=(), help="Really do it.")]
Send = Annotated[bool, Parameter(name="--send", negative=(), help="Send something, too.")]
Everything = Annotated[bool, Parameter(name="--all", negative=(), help="All of them.")]
User = Annotated[
    int | None, Parameter(name="--user", help="Whose; needed when there are several users.")
]
QueueName = Annotated[str | None, Parameter(help="Of this queue only.")]
Standing = Literal[  # of the engine's, spelled once more: its import is too slow for help
    "deferred",
    "queued",
    "parked",
    "running",
    "succeeded",
    "retrying",
    "snoozed",
    "released",
    "cancelled",
    "dead",
]
Status = Annotated[Standing | None, Parameter(help="Of this status only.")]
RunId = Annotated[str, Parameter(name="ID", help="The id of the run, as `runs` shows it.")]
