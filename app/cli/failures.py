"""How a command that can't do its work says so: one line on stderr, and an exit code.

0  it is done          1  it failed: `steward: what happened`
2  it was called wrongly: `steward: what is wrong (steward COMMAND --help)`
130  Ctrl-C
"""

import sys
from typing import cast

OK, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130


class Misused(Exception):
    """The command line can't be meant; the text says what to write instead."""


class NotDone(Exception):
    """What was asked for did not happen; the text is the line for the user."""


def complain(text: str) -> None:
    """Say it on stderr, in one harmless line."""
    from app.observability.printable import printable
    from app.observability.redaction import Redactor

    print(f"steward: {printable(Redactor()(text))}", file=sys.stderr)


def explain(error: BaseException) -> str:
    """The error in one line: our own are sentences, others need their class's name."""
    error = _first_cause(error)
    text = str(error).strip() or type(error).__name__
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    is_ours = type(error).__module__.partition(".")[0] == "app"
    if is_ours or isinstance(error, OSError):
        return f"{text}{_advice(error)}"
    return f"unexpected {type(error).__name__}: {text} (STEWARD_LOG__LEVEL=DEBUG tells more)"


def _advice(error: BaseException) -> str:
    """The setting to look at; the engine, which knows of none, is not loaded to find out."""
    if type(error).__name__ != "Unavailable":
        return ""
    from app.settings import read_settings

    is_named = read_settings().redis.url is not None
    return " STEWARD_REDIS__URL says where it is looked for." if is_named else ""


def _first_cause(error: BaseException) -> BaseException:
    """What a task group's error is about."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        error = group.exceptions[0]
    return error


def show_traceback(error: BaseException) -> None:
    """Print it all, for who has set the log level to DEBUG."""
    import traceback

    from app.observability.redaction import Redactor
    from app.settings import read_settings

    if read_settings().log.level == "DEBUG":
        text = "".join(traceback.format_exception(error))
        print(Redactor()(text), file=sys.stderr, end="")
