"""The `steward` command. Each file is a noun and what one can do with it.

    start worker recorder service       keep Steward running
    enqueue remind tasks                give it work
    runs dead effects outbox queues schedules    look at the work, retry it, cancel it
    health doctor check backup          look at Steward itself, and save it
    health doctor check                 look at Steward itself
    alerts metrics failures advise      what was wrong, how long runs took, what to do
    demo                                the tour

    lifetime processes                  how what goes on is stopped, and kept alive
    answer failures options moment      how commands speak and listen

Heavy libraries are imported by the commands that need them, when they run: `--help` and a wrong
flag answer without Redis, pydantic or SQLAlchemy, and a look at a queue without SQLAlchemy.
"""

import gc
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from cyclopts import App, CycloptsError, Group

import app
from app.cli import (
    advise,
    alerts,
    backup,
    check,
    dead,
    demo,
    doctor,
    effects,
    enqueue,
    failed,
    health,
    metrics,
    outbox,
    queues,
    recorder,
    remind,
    run,
    runs,
    schedules,
    service,
    start,
    tasks,
    worker,
)
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

_GROUPS = {
    "Keep Steward running": (start.start, worker.worker, recorder.recorder, service.service),
    "Give it work": (enqueue.enqueue, remind.remind, tasks.tasks),
    "Look at the work": (
        runs.runs,
        run.show,
        run.retry,
        run.cancel,
        dead.dead,
        effects.effects,
        outbox.outbox,
        queues.queues,
        schedules.schedules,
    ),
    "Look at Steward": (
        health.health,
        alerts.alerts,
        metrics.metrics,
        failed.failures,
        advise.advise,
        doctor.doctor,
        check.check,
        backup.backup,
        demo.demo,
    ),
}

steward = App(
    name="steward",
    help="The background work of a personal assistant.",
    version=app.__version__,
)
for _title, _commands in _GROUPS.items():
    _group = Group.create_ordered(_title)
    for _command in _commands:
        _command.group = (_group,)
        steward.command(_command)


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
        code: int | None = steward(
            words, print_error=False, exit_on_error=False, result_action="return_value"
        )
    except (CycloptsError, Misused) as error:
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
