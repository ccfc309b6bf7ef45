"""Bringing something out once for its key: what some services ask of whoever runs them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol


class Doubtful(ValueError):
    """Nobody can tell whether it went out, and it must not twice: a person has to."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Somebody outside has it."""

    id: str
    """What they call it; empty when they did not say."""
    detail: str


class Once(Protocol):
    """Lets an act happen once for its key, whatever becomes of the process in the middle."""

    async def __call__(self, key: str, act: Callable[[], Awaitable[Taken]], /) -> Taken | None:
        """What the act returned, now or before; None when a person says that it happened.

        Raises what the act raises, and `Doubtful` when a person has to say.
        """
        ...


async def simply(_key: str, act: Callable[[], Awaitable[Taken]], /) -> Taken | None:
    """Act; a crash in the middle means that it is done again."""
    return await act()
