"""A source of events that is left alone while it refuses us, or has asked for it."""

from app.services.calendar.source import (
    CalendarError,
    CalendarSource,
    Snapshot,
    SourceRefused,
    SourceRests,
    SourceUnavailable,
    Unchanged,
)
from app.services.rests import Rest, Resting
from app.storage.calendar_event import SourceState


class RestingSource:
    """Reads another source."""

    def __init__(self, source: CalendarSource, rest: Rest) -> None:
        self._source = source
        self._rest = rest

    @property
    def name(self) -> str:
        """What it is called in the database."""
        return self._source.name

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return self._source.label

    @property
    def setting(self) -> str:
        """The setting to change when it can't be read."""
        return self._source.setting

    @property
    def is_account(self) -> bool:
        """Whether somebody named it in the settings."""
        return self._source.is_account

    async def read(self, known: SourceState | None, *, removals: str = "") -> Snapshot | Unchanged:
        """Its files; raises `SourceRests` while it is left alone."""
        if resting := await self._rest.look():
            raise self._rests(resting)
        try:
            found = await self._source.read(known, removals=removals)
        except CalendarError as error:
            await self._hear(error)
            raise
        if found.outward.retry_after:
            await self._rest.asked(f"{self.label} asks to be left alone", found.outward.retry_after)
        else:
            await self._rest.answered()
        return found

    async def check(self) -> tuple[str, ...]:
        """Try it in any case: who asks for that may have mended something."""
        await self._rest.look()
        try:
            tried = await self._source.check()
        except CalendarError as error:
            await self._hear(error)
            raise
        await self._rest.answered()
        return tried

    async def _hear(self, error: CalendarError) -> None:
        why = f"{error}; check {self.setting}"
        match error:
            case SourceRefused():
                await self._rest.refused(why)
            case SourceUnavailable(retry_after=wait) if wait:
                await self._rest.asked(str(error), wait)
            case _:
                pass

    def _rests(self, resting: Resting) -> SourceRests:
        return SourceRests(str(resting), retry_after=resting.wait(self._rest.now()))
