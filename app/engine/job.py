"""A job: an async function declared once with `@job`, and what is known of it from then on.

    @job(queue=EMAIL, timeout=minutes(2), retry=Fixed(minutes(5), attempts=4))
    async def send_notification(ctx: Context, user_id: int, subject: str) -> Delivery: ...

A job is still that function: call it with a context to run it here and now. `job.call(7, "Hi")` is
a `Call`: the job with its arguments, to enqueue or to put on the timetable. Its annotations are
resolved when it is declared, so an unknown name or a type that can't travel fails there.
"""

import dataclasses
import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import msgspec

from app.engine.errors import DeclarationError, Duplicate
from app.engine.limits import Bound, Limit, bind
from app.engine.retry import BY_CLASS, RetryPolicy, delay_after
from app.engine.run_options import Held, Options
from app.engine.signature import Packed, Signature
from app.engine.upcast import Upcast, lift

C = TypeVar("C")
P = ParamSpec("P")
R = TypeVar("R")

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_QUEUE = re.compile(r"[a-z_]+(:[a-z_]+)*")


class Call(msgspec.Struct, Generic[R], frozen=True):
    """A job with its arguments, ready to be enqueued or scheduled."""

    job: "Job[Any, ..., R]"
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def packed(self) -> Packed:
        """The arguments on the wire; raises `BadArguments` when they don't fit."""
        return self.job.signature.pack(self.args, self.kwargs)

    def at(self, moment: datetime, *, id: str) -> "Call[R]":
        """The same call for one moment, under a chosen id: how a schedule fires it."""
        options = dataclasses.replace(self.job.options, at=moment, delay=None, id=id)
        return Call(dataclasses.replace(self.job, options=options), self.args, self.kwargs)

    def __str__(self) -> str:
        return f"{self.job.name}(...)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[C, P, R]):
    """Declared once with `@job`; call it to run it here, enqueue it to run it in a worker."""

    name: str
    function: Callable[Concatenate[C, P], Awaitable[R]]
    queue: str
    timeout: timedelta
    retry: RetryPolicy
    signature: Signature = field(repr=False, compare=False)
    keep_result: timedelta | None = None
    """None: as long as the worker's setting says."""
    version: int = 1
    upcast: Upcast | None = field(default=None, repr=False)
    """Lifts the arguments of older versions."""
    limits: tuple[Bound, ...] = field(default=(), repr=False, compare=False)
    options: Options = field(default_factory=Options)
    timeout_ms: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out once what every run needs."""
        object.__setattr__(self, "timeout_ms", round(self.timeout.total_seconds() * 1000))

    def __call__(self, ctx: C, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        """Run it here and now, without a queue."""
        return self.function(ctx, *args, **kwargs)

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """This job with these arguments."""
        return Call(self, args, kwargs)

    def with_options(
        self,
        *,
        delay: timedelta | None = None,
        at: datetime | None = None,
        key: str | None = None,
        held: Held | timedelta = Held.ACTIVE,
        debounce: timedelta | None = None,
        longest_wait: timedelta | None = None,
        expires: timedelta | datetime | None = None,
        id: str | None = None,
        owner: str | None = None,
        durable: bool = False,
    ) -> "Job[C, P, R]":
        """This job, for one run: later, under a chosen id, or at most once per `key`.

        `held` says how long the key refuses another: while queued, until ended, or for a time.
        With `debounce` a run waits that long for a quiet moment: a later call with its key gives
        it other arguments and the wait anew, `longest_wait` in all (ten times `debounce`).
        A run that has not begun when it `expires`, so long after it was enqueued or at a moment,
        is a dead letter.
        `durable`: enqueue returns once the run is on disk, and on the replicas' that the client
        counts on.
        Options given before are forgotten: all of a run's options come from one call.
        Raises `BadArguments` for a naive time, a negative delay or an id that can't be one.
        """
        options = Options(
            id=id,
            key=key,
            held=held,
            delay=delay,
            at=at,
            debounce=debounce,
            longest_wait=longest_wait,
            expires=expires,
            owner=owner,
            durable=durable,
        )
        return dataclasses.replace(self, options=options)

    def arguments(
        self, version: int, args: msgspec.Raw, kwargs: msgspec.Raw
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The typed arguments of a payload of this version; raises `BadArguments`."""
        if self.upcast is not None and version < self.version:
            return lift(self.signature, self.upcast, version, args, kwargs)
        return self.signature.complete(args, kwargs)

    def delay_after(self, attempt: int, error: BaseException) -> timedelta | None:
        """How long to wait after `attempt` ended in `error`; None when it must not run again."""
        return delay_after(self.retry, attempt, error)

    @property
    def description(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]


def job(
    *,
    queue: str = "default",
    timeout: timedelta = timedelta(minutes=5),
    retry: RetryPolicy = BY_CLASS,
    name: str | None = None,
    keep_result: timedelta | None = None,
    version: int = 1,
    upcast: Upcast | None = None,
    limits: Sequence[Limit] = (),
) -> Callable[[Callable[Concatenate[C, P], Awaitable[R]]], Job[C, P, R]]:
    """Declare an async function as a job, named `module.function` unless told.

    A release that changes its arguments raises `version`: workers of older ones leave its runs
    alone, and `upcast` turns what they have enqueued into arguments of today (see upcast).
    `limits`: a `Rate`, `AtOnce` or `Breaker` that its runs keep to, over all workers.
    Raises `DeclarationError` when the name, an annotation or an option can't work.
    """

    def declare(function: Callable[Concatenate[C, P], Awaitable[R]]) -> Job[C, P, R]:
        known_as = name or _name_of(function)
        if not _NAME.fullmatch(known_as):
            raise DeclarationError(f"{known_as!r} is no job name: write domain.function")
        if not _QUEUE.fullmatch(queue):
            raise DeclarationError(f"{known_as}: {queue!r} is no queue name: use a-z, _ and :")
        if timeout <= timedelta(0) or retry.attempts < 1 or version < 1:
            raise DeclarationError(f"{known_as}: timeout, attempts and version must be positive")
        if upcast is not None and version == 1:
            raise DeclarationError(f"{known_as}: with an upcast, version must be 2 or more")
        signature = Signature.of(function, name=known_as)
        return Job(
            name=known_as,
            function=function,
            queue=queue,
            timeout=timeout,
            retry=retry,
            signature=signature,
            keep_result=keep_result,
            version=version,
            upcast=upcast,
            limits=bind(limits, signature),
        )

    return declare


def _name_of(function: Callable[..., Any]) -> str:
    module = function.__module__.rpartition(".")[2]
    return f"{module}.{function.__name__}"


def collect(*modules: ModuleType) -> tuple[Job[Any, ..., Any], ...]:
    """Every job declared in these modules; raises `Duplicate` when two share a name."""
    return tuple(by_name(job for module in modules for job in _declared_in(module)).values())


def _declared_in(module: ModuleType) -> Iterable[Job[Any, ..., Any]]:
    """A module's own jobs, without those it imports from others."""
    values: Iterable[Any] = vars(module).values()
    for value in values:
        if isinstance(value, Job) and value.function.__module__ == module.__name__:
            yield value


def by_name(jobs: Iterable[Job[Any, ..., Any]]) -> dict[str, Job[Any, ..., Any]]:
    """The jobs under their names; raises `Duplicate` when two share one."""
    named: dict[str, Job[Any, ..., Any]] = {}
    for each in jobs:
        if named.setdefault(each.name, each) is not each:
            raise Duplicate(f"two jobs are called {each.name}")
    return named
