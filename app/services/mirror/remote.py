"""The other side of a mirror, and the format that both sides speak."""

from collections.abc import Sequence
from typing import Protocol

from app.services.mirror.item import Changes, Fetched


class Remote(Protocol):
    """Holds things under ids, and tells their versions. All calls raise `RemoteError`."""

    @property
    def name(self) -> str:
        """What it is called in the database, up to 100 characters; it holds no secret."""
        ...

    @property
    def label(self) -> str:
        """What it is called in messages."""
        ...

    @property
    def batch(self) -> int:
        """How many things are fetched at a time."""
        ...

    async def changes(self, cursor: str) -> Changes:
        """What has changed since this cursor; an empty one asks for all."""
        ...

    async def gone(self, ids: Sequence[str]) -> frozenset[str]:
        """Which of these, that a whole listing lacks, are really gone."""
        ...

    async def fetch(self, ids: Sequence[str]) -> Sequence[Fetched | Exception]:
        """These things, in this order; of one that can't be had, its `BadItem`."""
        ...

    def listed_as(self, name: str) -> str:
        """The name that a listing tells of a thing that was made under this one."""
        ...

    async def create(self, name: str, data: bytes) -> Fetched:
        """Make a new thing; returns it as it is there now. Raises `BadItem`, `Clash`."""
        ...

    async def replace(self, id: str, data: bytes, version: str) -> Fetched:
        """Change a thing that has this version. Raises `BadItem`, `Clash`, `Gone`."""
        ...

    async def rename(self, id: str, name: str) -> str | None:
        """Let it have this name; None where names mean nothing. Raises `BadItem`.

        Returns the name that a listing tells from now on.
        """
        ...

    async def remove(self, id: str, version: str) -> None:
        """Remove a thing that has this version. Raises `BadItem`, `Clash`, `Gone`."""
        ...


class Format(Protocol):
    """What the files are."""

    @property
    def suffix(self) -> str:
        """How their names end: `.ics`."""
        ...

    def digest(self, data: bytes) -> str:
        """The same for two contents between which nobody sees a difference."""
        ...

    def check(self, data: bytes) -> None:
        """Raise `BadItem` for what the other side could not hold."""
        ...

    def copied(self, data: bytes) -> bytes:
        """The same as a thing of its own, that may lie beside the first."""
        ...
