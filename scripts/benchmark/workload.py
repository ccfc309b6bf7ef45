"""What is done, and what comes of it."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

from benchmark.contestant import Contestant
from benchmark.measured import Measured
from benchmark.server import Server
from benchmark.sizes import Sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Something that every contestant does, in turn, on an empty server."""

    name: str
    about: str
    rows: Callable[[Sizes], tuple[str, ...]]
    """The rows of the table that it fills."""
    play: Callable[[Contestant, Server, Sizes], Measured]
    """Raises `Failed`."""
    is_long: bool = False
    """In the first round only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Something that takes time and no work, so that all contestants wait at once, one time."""

    name: str
    about: str
    rows: Callable[[Sizes], tuple[str, ...]]
    begin: Callable[[Contestant, Server, Sizes], Generator[None, None, Measured]]
    """Looks once at each turn, and returns in the end; raises `Failed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """Something measured beside the contest."""

    name: str
    about: str
    rows: tuple[str, ...]
    play: Callable[[Server, Sizes], Measured]
    """Raises `Failed`."""
