"""Reads one calendar file inside the child, within limits of CPU time and number.

A rule that repeats too often is interrupted by a timer of CPU time. Quick events are read first:
a hundred slow ones can then use up the file's time, but cost the others nothing.
"""

import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from time import process_time
from types import FrameType
from zoneinfo import ZoneInfo

from app.services.ics.document import NotACalendar, Series, parse
from app.services.ics.event import BadEvent, Event, Limits, View, cleaned
from app.services.ics.expansion import BadSeries, event_of
from app.services.ics.frames import Done, Found, Frame, Refused

_QUICK = 0.1  # seconds of CPU; what takes longer is tried again when the others are done
_TOLD = 1_000  # broken events that are told one by one
_NEXT = 10  # occurrences that each event gets, even when those of the file are used up
_AGAIN = 0.05  # seconds until the timer goes off once more, should a library swallow it


class TooSlow(BaseException):
    """The timer went off. Not an Exception, since a library might catch that."""


class Timer:
    """Interrupts pure Python by CPU time; only the main thread may use it."""

    def __init__(self) -> None:
        self._is_armed = False
        signal.signal(signal.SIGPROF, self._go_off)

    @contextmanager
    def limit(self, seconds: float) -> Generator[None]:
        """Raise `TooSlow` in the block once it has used that much CPU."""
        self._is_armed = True
        signal.setitimer(signal.ITIMER_PROF, seconds, _AGAIN)
        try:
            yield
        finally:
            self._is_armed = False
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _go_off(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_armed:
            raise TooSlow


class FileReader:
    """Reads one file, and counts what it may still cost."""

    def __init__(self, view: View, limits: Limits, timer: Timer) -> None:
        self._view = view
        self._limits = limits
        self._timer = timer
        self._zone = ""
        self._occurrences_left = limits.all_occurrences
        self._ends_at = process_time() + limits.document.total_seconds()

    def read(self, data: bytes) -> Iterator[Frame]:
        """Everything the file says, and at last how it ended."""
        try:
            document = parse(data)
        except NotACalendar as error:
            yield Done(problems=[str(error)])
            return
        self._zone = _known_zone(document.zone)
        series, conflicts = document.series()
        problems = [] if document.is_whole else ["it is cut off: END:VCALENDAR is missing"]
        if len(series) > self._limits.events:
            problems.append(f"of its {len(series)} events only {self._limits.events} were taken")
        if len(document.refused) > _TOLD:
            problems.append(f"{len(document.refused)} of its events are broken")
        yield from map(Refused, document.refused[:_TOLD])
        yield from self._all(series[: self._limits.events])
        yield Done(problems=problems, conflicts=conflicts)

    def _all(self, series: list[Series]) -> Iterator[Frame]:
        slow: list[Series] = []
        for each in series:
            try:
                yield self._one(each, _QUICK)
            except TooSlow:
                slow.append(each)
        for each in slow:
            try:
                yield self._one(each, self._limits.event.total_seconds())
            except TooSlow:
                yield _refused(each, "it takes too long to work out: does it repeat too often?")

    def _one(self, series: Series, seconds: float) -> Frame:
        left = self._ends_at - process_time()
        if left <= 0:
            return _refused(series, "the file takes too long to read, and this one's turn was late")
        try:
            with self._timer.limit(min(seconds, left)):
                event = self._event(series)
        except BadSeries as error:
            return _refused(series, str(error))
        except MemoryError:
            return _refused(series, "it takes too much memory to work out")
        except Exception as error:  # the libraries raise what they like
            return _refused(series, cleaned(f"{type(error).__name__}: {error}", 200))
        self._occurrences_left -= len(event.occurrences)
        return Found(event)

    def _event(self, series: Series) -> Event:
        most = max(_NEXT, min(self._limits.occurrences, self._occurrences_left))
        return event_of(series, self._view, zone=self._zone, most=most)


def _refused(series: Series, reason: str) -> Refused:
    return Refused(BadEvent(series.uid, reason))


def _known_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key if name else ""
    except (ValueError, OSError):  # one that nobody knows: the view's own zone counts
        return ""
