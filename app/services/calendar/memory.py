"""A calendar in memory, for tests."""

from collections.abc import Mapping

from app.services.calendar.source import CalendarError, Outward, Snapshot, Unchanged, digest_of
from app.services.ics.reader import File
from app.storage.calendar_event import SourceState


class MemoryCalendar:
    """Gives the files it holds and says what is `held`; `error`, while set, is raised instead."""

    is_account = True

    def __init__(self, files: Mapping[str, str] | None = None, *, name: str = "memory") -> None:
        self.files = dict(files or {})
        self.name = name
        self.label = f"the calendar {name}"
        self.setting = "the test"
        self.error: CalendarError | None = None
        self.held: Mapping[str, str] = {}

    async def read(self, known: SourceState | None, *, removals: str = "") -> Snapshot | Unchanged:
        """The files as they are now."""
        del removals  # nothing of ours goes there
        if self.error is not None:
            raise self.error
        files = tuple(File(name, text.encode()) for name, text in self.files.items())
        state, outward = SourceState(digest=digest_of(files)), Outward(held=self.held)
        if known is not None and known.digest == state.digest:
            return Unchanged(outward=outward)
        return Snapshot(files=files, state=state, outward=outward)

    async def check(self) -> tuple[str, ...]:
        """Count the files."""
        await self.read(None)
        return (f"{self.label} can be read ({len(self.files)} files)",)
