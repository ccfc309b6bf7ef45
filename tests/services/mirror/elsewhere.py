"""An account elsewhere, in memory, that fails when it is told to: before a change, or after it."""

from collections.abc import Sequence
from hashlib import sha256

from app.services.mirror import (
    BadItem,
    Changes,
    Clash,
    Fetched,
    Gone,
    RemoteUnavailable,
    There,
)


class Plain:
    """Texts whose trailing blanks nobody sees."""

    suffix = ".txt"

    def digest(self, data: bytes) -> str:
        """Of the text that one sees."""
        return sha256(data.strip()).hexdigest()

    def check(self, data: bytes) -> None:
        """Refuse what begins with `bad`."""
        if data.startswith(b"bad"):
            raise BadItem("it is bad")

    def copied(self, data: bytes) -> bytes:
        """The same, marked."""
        return b"copy of " + data


class Elsewhere:
    """Things by their names, with versions that count up."""

    name = "elsewhere"
    label = "the account elsewhere"
    batch = 2

    def __init__(self, *, is_incremental: bool = True) -> None:
        self.things: dict[str, bytes] = {}
        self.versions: dict[str, int] = {}
        self.log: list[str] = []
        """The ids of what was changed, in order: a cursor is a place in it."""
        self.unreadable: set[str] = set()
        self.unlisted: set[str] = set()
        """What a whole listing lacks, though it is there."""
        self.meanwhile: bytes | None = b""
        """What somebody writes just before our next change, or that they remove it."""
        self.calls = 0
        self.fails_at: tuple[int, str] = (0, "")
        """The call that fails, and whether `before` or `after` its work."""
        self.refuses_cursors = not is_incremental

    def edit(self, id: str, data: bytes | None) -> None:
        """Change or remove a thing, as somebody at the other side does."""
        if data is None:
            self.things.pop(id, None)
        else:
            self.things[id] = data
        self.versions[id] = self.versions.get(id, 0) + 1
        self.log.append(id)

    async def changes(self, cursor: str) -> Changes:
        self._call("before")
        is_whole = not cursor or self.refuses_cursors
        touched = set(self.things) - self.unlisted if is_whole else set(self.log[int(cursor) :])
        items = [
            There(id=each, name=each, version=str(self.versions[each]))
            for each in touched & set(self.things)
        ]
        gone = frozenset(touched - set(self.things))
        cursor = str(len(self.log))
        self._call("after")
        return Changes(items=tuple(items), gone=gone, cursor=cursor, is_whole=is_whole)

    async def gone(self, ids: Sequence[str]) -> frozenset[str]:
        return frozenset(ids) - self.things.keys()

    def listed_as(self, name: str) -> str:
        return name

    async def fetch(self, ids: Sequence[str]) -> Sequence[Fetched | Exception]:
        self._call("before")
        self._call("after")
        return [self._fetched(each) for each in ids]

    async def create(self, name: str, data: bytes) -> Fetched:
        self._call("before")
        if name in self.things:
            raise Clash("there is one of this name", id=name)
        self.edit(name, data)
        self._call("after")
        return self._now(name)

    async def replace(self, id: str, data: bytes, version: str) -> Fetched:
        self._call("before")
        self._be_overtaken(id)
        self._same(id, version)
        self.edit(id, data)
        self._call("after")
        return self._now(id)

    async def rename(self, id: str, name: str) -> str | None:
        del id, name
        return None

    async def remove(self, id: str, version: str) -> None:
        self._call("before")
        self._be_overtaken(id)
        self._same(id, version)
        self.edit(id, None)
        self._call("after")

    def _be_overtaken(self, id: str) -> None:
        if self.meanwhile != b"":
            self.edit(id, self.meanwhile)
            self.meanwhile = b""

    def _same(self, id: str, version: str) -> None:
        if id not in self.things:
            raise Gone("it is gone")
        if version != str(self.versions[id]):
            raise Clash("it was changed")

    def _fetched(self, id: str) -> Fetched | Exception:
        if id not in self.things:
            return Gone("it is gone")
        return BadItem("it can't be read") if id in self.unreadable else self._now(id)

    def _now(self, id: str) -> Fetched:
        return Fetched(id=id, data=self.things[id], version=str(self.versions[id]))

    def _call(self, when: str) -> None:
        self.calls += when == "before"
        if (self.calls, when) == self.fails_at:
            raise RemoteUnavailable(f"the line was cut {when} the work")
