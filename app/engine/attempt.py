"""One try of one run, as the job sees it."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import datetime
from functools import partial
from typing import ParamSpec, TypeVar, TypeVarTuple

import msgspec

from app.engine.books import Books
from app.engine.clock import from_ms
from app.engine.effect import ASK, InDoubt
from app.engine.memory import memory_books

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Attempt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Which try of which run this is, and how long it may take."""

    run_id: str
    job: str
    queue: str
    number: int
    """1 for the first try."""
    attempts: int
    """How many tries the job's policy allows."""
    uncharged: int = 0
    """How many earlier tries ended with their worker: the policy doesn't count them."""
    enqueued_ms: float
    due_ms: float
    deadline_ms: float
    worker: str
    parent: str | None = None
    """The run that enqueued this one, or that this one replays."""
    owner: str | None = None
    trace: str | None = None
    first: str = ""
    """The origin of the dead letter that this run replays."""
    books: Books = msgspec.field(default_factory=memory_books)
    """Where its effects and steps are noted: in memory, unless a worker says otherwise."""

    @property
    def enqueued_at(self) -> datetime:
        """When somebody asked for the run."""
        return from_ms(self.enqueued_ms)

    @property
    def scheduled_for(self) -> datetime:
        """When it was due: its schedule's tick, the end of its delay, or when it was enqueued."""
        return from_ms(self.due_ms)

    @property
    def deadline(self) -> datetime:
        """When this try will be cancelled."""
        return from_ms(self.deadline_ms)

    @property
    def is_last(self) -> bool:
        """Whether a failure of this try ends the run."""
        return self.number - self.uncharged >= self.attempts

    @property
    def lease(self) -> str:
        """What the run's lease says while this attempt is at work."""
        return f"{self.worker}:{self.number}"

    @property
    def origin(self) -> str:
        """The same for this run and for every replay of its dead letter, and for no other run."""
        return self.first or origin_of(self.run_id, self.enqueued_ms)

    async def step(
        self,
        name: str,
        function: Callable[P, Awaitable[T]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Call the function, unless an earlier attempt of this run did: then what it got.

        For what takes long or costs money. The result is read by the function's annotation, and
        kept while the run or its dead letter is there. A crash in the middle calls it again: what
        must not happen twice is an effect, for `once`. Raises `Duplicate` for a name that was used
        before in this run, `TooLarge` for a result over 1 MiB, and `LeaseLost`.
        """
        called: Callable[[], Awaitable[T]] = partial(function, *args, **kwargs)
        return await self.books.step(self, name, called)

    async def once(
        self,
        name: str,
        act: Callable[[*Ts], Awaitable[T]],
        /,
        *args: *Ts,
        in_doubt: InDoubt = ASK,
        shared: bool = False,
        not_done: tuple[type[Exception], ...] = (),
    ) -> T | None:
        """Do something to the world outside that should happen once, over crashes and replays.

        Returns what the act returned, now or in an earlier attempt; None when a person has said
        that it was done, or its result could not be kept. With `ASK` a crash in the middle, or an
        error that is none of `not_done`, raises `NeedsReview`: the run becomes a dead letter, and a
        person settles whether it happened. With `REPEAT` the next attempt does it again.
        `shared`: the name means the same effect in whatever run, as the number of an order does.
        Raises `Duplicate` for a name that was used before in this run, and `LeaseLost`.
        """
        called: Callable[[], Awaitable[T]] = partial(act, *args)
        return await self.books.once(
            self, name, called, in_doubt=in_doubt, is_shared=shared, not_done=not_done
        )


def origin_of(run_id: str, enqueued_ms: float) -> str:
    """A run that is no replay, and no other that may have had its id before."""
    return f"{run_id}@{round(enqueued_ms)}"


current_attempt: ContextVar[Attempt | None] = ContextVar("current_attempt", default=None)
"""The attempt whose code is running; what it enqueues names its run as parent."""
