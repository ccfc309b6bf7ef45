"""A job's arguments as people type them: read by the job's annotations, never by a shell.

    steward enqueue email.send_notification 1 "Hi" message="See you"

A word is JSON where the annotation is no text (`3`, `true`, `[1, 2]`), and otherwise what it says:
`2026-12-24T18:00Z` is a date where one is expected. `name=value` is an argument by keyword; a name
that the job doesn't know is refused, unless the job takes any number of words. A text that looks so
is given by keyword itself: `message=a=b`.
"""

import difflib
import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from app.cli.failures import Misused

if TYPE_CHECKING:
    from app.engine import Call, Job

Jobs = Mapping[str, "Job[Any, ..., Any]"]


def find_job(jobs: Jobs, name: str) -> "Job[Any, ..., Any]":
    """The job of this name; raises `Misused` with the names that come close."""
    if name in jobs:
        return jobs[name]
    ends = [each for each in jobs if each.rpartition(".")[2] == name]
    close = ends or difflib.get_close_matches(name, jobs, n=3, cutoff=0.5)
    hint = (
        f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(sorted(jobs))}"
    )
    raise Misused(f"no job is called {name!r}: {hint}")


def read_call(job: "Job[Any, ..., Any]", words: Iterable[str]) -> "Call[Any]":
    """The call that these words mean; raises `Misused` naming the argument that doesn't fit."""
    parameters = job.signature.parameters.parameters
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if equals and _takes_keyword(parameters, name):
            if name in kwargs:
                raise Misused(f"{job.name}: {name} is given twice")
            kwargs[name] = _value(job, name, text)
        elif equals and name.isidentifier() and not _takes_any_number(parameters):
            raise Misused(f"{job.name}: no argument is called {name!r}; it takes {_usage(job)}")
        else:
            args.append(_value(job, _at(job, parameters, len(args)), word))
    call = job.call(*args, **kwargs)
    _refuse_misfit(call)
    return call


def _refuse_misfit(call: "Call[Any]") -> None:
    from app.engine import CallRefused

    try:
        call.packed()
    except CallRefused as error:
        raise Misused(f"{error}; it takes {_usage(call.job)}") from None


def _takes_keyword(parameters: Mapping[str, inspect.Parameter], name: str) -> bool:
    if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return name.isidentifier()
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return name in parameters and parameters[name].kind in by_name


def _takes_any_number(parameters: Mapping[str, inspect.Parameter]) -> bool:
    return any(each.kind is each.VAR_POSITIONAL for each in parameters.values())


def _at(job: "Job[Any, ..., Any]", parameters: Mapping[str, inspect.Parameter], index: int) -> str:
    """The name of the positional parameter at `index`."""
    taken = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [name for name, each in parameters.items() if each.kind in taken]
    rest = [name for name, each in parameters.items() if each.kind is each.VAR_POSITIONAL]
    if index < len(names):
        return names[index]
    if rest:
        return rest[0]
    raise Misused(f"{job.name}: too many arguments; it takes {_usage(job)}")


def _value(job: "Job[Any, ..., Any]", name: str, text: str) -> Any:
    import msgspec

    kind = job.signature.types.get(name, Any)
    if kind is str:
        return text
    misfit = None
    try:
        return _from_json(text, kind)
    except msgspec.ValidationError as error:
        misfit = error
    except msgspec.DecodeError:  # no JSON: it may be right as it stands
        pass
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        problem = str(misfit or error).replace(" - at `$", " at `")
        raise Misused(f"{job.name}: {name}: {problem}") from None


def _from_json(text: str, kind: Any) -> Any:
    """The typed decoder alone takes `2026-12-24` for a number that is followed by nonsense."""
    import msgspec

    msgspec.json.decode(text)
    return msgspec.json.decode(text, type=kind)


def _usage(job: "Job[Any, ..., Any]") -> str:
    return ", ".join(map(str, job.signature.parameters.parameters.values())) or "no arguments"
