"""The `steward` command. Each file is a noun and what one can do with it.

    start worker recorder service                keep Steward running
    enqueue remind tasks notices users           give it work, and hear of it
    runs dead effects outbox queues schedules    look at the work, retry it, cancel it
    health doctor check backup                   look at Steward itself, and save it
    alerts metrics failures advise               what was wrong, how long runs took, what to do
    demo                                         the tour

    lifetime processes                  how what goes on is stopped, and kept alive
    answer failures misuse options moment   how commands speak and listen

Heavy libraries are imported by the commands that need them, when they run: `--help` and a wrong
flag answer without Redis, pydantic or SQLAlchemy, and a look at a queue without SQLAlchemy. Of the
commands themselves only the one that is called is loaded; all are for `--help`.
"""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

from cyclopts import App, CycloptsError, Group

import app
from app.cli.failures import (
    FAILED,
    INTERRUPTED,
    MISUSED,
    OK,
    Misused,
    complain,
    explain,
    show_traceback,
)
from app.cli.misuse import misuse

_GROUPS = {
    "Keep Steward running": ("start", "worker", "recorder", "service"),
    "Give it work": ("enqueue", "remind", "tasks", "notices", "users"),
    "Look at the work": (
        *("runs", "show", "retry", "cancel", "dead"),
        *("effects", "outbox", "queues", "schedules"),
    ),
    "Look at Steward": (
        *("health", "alerts", "metrics", "failures", "advise"),
        *("doctor", "check", "backup", "demo"),
    ),
}
_ELSEWHERE = {"show": "run", "retry": "run", "cancel": "run", "failures": "failed"}
"""The commands that are in no file of their own name."""


def steward(words: Sequence[str]) -> App:
    """The command with all its commands, or with the one that these words begin with."""
    called = words[0] if words else ""
    whole = App(
        name="steward",
        help="The background work of a personal assistant.",
        version=app.__version__,
    )
    is_known = any(called in names for names in _GROUPS.values())
    for title, names in _GROUPS.items():
        group = Group.create_ordered(title)
        for name in names:
            if name == called or not is_known:
                command = getattr(import_module(f"app.cli.{_ELSEWHERE.get(name, name)}"), name)
                command.group = (group,)
                whole.command(command)
    return whole


def main(words: Sequence[str] | None = None) -> None:
    """Run the command of these words, or of the process's arguments, and leave with its code."""
    gc.disable()  # collecting while modules load costs a tenth of a command; `serve` enables it
    for name in ("stdout", "stderr"):
        _make_safe(name)
    code = _flushed(_run(sys.argv[1:] if words is None else words))
    gc.freeze()  # nor need the interpreter look for garbage on its way out
    sys.exit(code)


def _make_safe(name: str) -> None:
    """Have an output that takes every character, and one that speaks to nobody if it is closed."""
    output: object = getattr(sys, name)
    if output is None:
        setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    elif isinstance(output, TextIOWrapper):
        output.reconfigure(errors="replace")


def _run(words: Sequence[str]) -> int:
    try:
        code: int | None = steward(words)(
            words, print_error=False, exit_on_error=False, result_action="return_value"
        )
    except CycloptsError as error:
        complain(misuse(error))
        return MISUSED
    except Misused as error:
        complain(str(error))
        return MISUSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return OK
    except Exception as error:  # the last place where it can become one line
        complain(explain(error))
        show_traceback(error)
        return FAILED
    return code or OK


def _flushed(code: int) -> int:
    """Bring the output home; a reader who has gone, as `head` does, has seen enough."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # where the rest may go
        if not isinstance(error, BrokenPipeError):
            complain(explain(error))
            return FAILED
    return code
