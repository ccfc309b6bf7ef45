"""What a calendar sync did, in numbers and in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from enum import StrEnum

from app.services.calendar.source import (
    CalendarError,
    CalendarSource,
    SourceRefused,
    SourceRests,
    SourceUnavailable,
)
from app.services.ics.event import cleaned

_TOLD = 20  # errors in a result; the rest are counted
_LONGEST = 400  # characters of an error: the names of a host and a calendar, and a command


class SyncStatus(StrEnum):
    """How it went, on the whole."""

    SUCCESS = "success"
    PARTIAL_SUCCESS = "partial_success"
    """Something could not be read; the rest is up to date."""
    NOT_CONFIGURED = "not_configured"
    """There is no calendar: no file in the home's folder, no account in the settings."""
    RESTING = "resting"
    """Nobody was asked: all refused us a while ago, or asked to be left alone; `errors` say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarSynced:
    """How the stored events changed, and what could not be read."""

    status: SyncStatus = SyncStatus.SUCCESS
    new: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    sent: int = 0
    """Changes made in the folders of an account that its server has taken."""
    conflicts: int = 0
    """Versions of one event that were dropped for a newer one, or kept beside it."""
    failed: int = 0
    """Events that could not be read; those known from before are kept as they were."""
    sources: int = 0
    """Accounts, feeds, and the folder if there is something in it."""
    sources_failed: int = 0
    sources_refused: int = 0
    """Those among the failed that need another setting; time won't mend them."""
    sources_resting: int = 0
    """Those among the failed that nobody asked: they refused us, or asked to be left alone."""
    errors: tuple[str, ...] = ()
    held: Mapping[str, str] = field(default_factory=dict[str, str])
    """Marks of what is suddenly gone and left alone until a person says so, each in words."""
    retry_after: timedelta | None = None
    """How long a source asks to be left alone."""

    def with_errors(self, errors: Iterable[str]) -> "CalendarSynced":
        """The same, and not a full success if there are any."""
        told = tuple(_line(each) for each in errors)
        if not told:
            return self
        return replace(self, status=SyncStatus.PARTIAL_SUCCESS, errors=self.errors + told)

    def with_held(self, held: Mapping[str, str]) -> "CalendarSynced":
        """The same, with these marks and the words for each."""
        return replace(self, held={**self.held, **{e: _line(held[e]) for e in held}})

    def __add__(self, other: "CalendarSynced") -> "CalendarSynced":
        counts = {
            name: getattr(self, name) + getattr(other, name)
            for name in (each.name for each in fields(self) if each.type is int)
        }
        waits = [each for each in (self.retry_after, other.retry_after) if each is not None]
        both = CalendarSynced(**counts, retry_after=max(waits, default=None))
        both = both.with_errors(self.errors).with_errors(other.errors)
        return both.with_held(self.held).with_held(other.held)

    def shortened(self) -> "CalendarSynced":
        """The same with the first errors only, and how many there are beyond."""
        more = len(self.errors) - _TOLD
        if more <= 0:
            return self._judged()
        return replace(self._judged(), errors=(*self.errors[:_TOLD], f"and {more} more"))

    def _judged(self) -> "CalendarSynced":
        """The same, told apart from the success of having nothing to do."""
        if self.sources and self.sources == self.sources_resting:
            return replace(self, status=SyncStatus.RESTING)
        has_some = self.sources or self.errors or self.changes
        return self if has_some else replace(self, status=SyncStatus.NOT_CONFIGURED)

    @property
    def changes(self) -> int:
        """All that is not as it was."""
        return self.new + self.updated + self.deleted + self.sent

    def raise_if_all_failed(self) -> None:
        """Raise `CalendarError` when there are sources and none of them could be read.

        When none of them was asked, that is no failure: it was told when it was heard.
        """
        if not self.sources or self.sources_failed < self.sources:
            return
        if self.sources_resting == self.sources:
            return
        told = "; ".join(self.shortened().errors)
        if self.sources_refused == self.sources_failed:
            raise SourceRefused(told)
        raise SourceUnavailable(told, retry_after=self.retry_after)


def _line(text: str) -> str:
    return cleaned(text, _LONGEST).replace("\n", " ")


def unread(source: CalendarSource, error: CalendarError) -> CalendarSynced:
    """The result for a source that could not be read."""
    failed = CalendarSynced(
        sources=1,
        sources_failed=1,
        sources_refused=int(isinstance(error, SourceRefused)),
        sources_resting=int(isinstance(error, SourceRests)),
        retry_after=getattr(error, "retry_after", None),
    )
    return failed.with_errors([f"{source.label}: {error}"])
