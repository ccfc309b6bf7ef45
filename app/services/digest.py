"""A user's day in a mail, as text and as HTML: what is due, what was done, what came, what is on.

All of it is other people's words, so every one is put on a line of its own, cut, and escaped.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from html import escape
from zoneinfo import ZoneInfo

from app.storage.calendar_event import StoredOccurrence
from app.storage.day import MailOfDay, TaskOfDay

_MOST = 15  # lines of a section; the rest are counted
_LONGEST = 120  # characters of a line

Section = tuple[str, list[str]]
"""A heading, and the lines below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """One day of one user."""

    name: str
    day: date
    zone: ZoneInfo
    due: Sequence[TaskOfDay]
    done: Sequence[TaskOfDay]
    mail: Sequence[MailOfDay]
    events: Sequence[StoredOccurrence]

    @property
    def subject(self) -> str:
        """Says which day it is, and how much there is."""
        return f"Your day: {self._date()} ({len(self.events)} events, {len(self.due)} tasks)"

    def text(self) -> str:
        """The mail for those who read plain text."""
        parts = [f"Good morning {_line(self.name)}, this is {self._date()}."]
        for heading, lines in self._sections():
            parts.append("\n".join([heading, *(f"  - {line}" for line in lines)]))
        return "\n\n".join(parts)

    def html(self) -> str:
        """The same for those who read HTML; it loads nothing and runs nothing."""
        parts = [f"<p>Good morning {escape(_line(self.name))}, this is {self._date()}.</p>"]
        for heading, lines in self._sections():
            items = "".join(f"<li>{escape(line)}</li>" for line in lines)
            parts.append(f"<h2>{escape(heading)}</h2>\n<ul>{items}</ul>")
        body = "\n".join(parts)
        title = escape(self.subject)
        return (
            '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
            f"<title>{title}</title></head>\n<body>\n{body}\n</body>\n</html>\n"
        )

    def _sections(self) -> Iterator[Section]:
        yield "Calendar", _shortened([self._event(each) for each in self.events], "nothing today")
        yield "Due today", _shortened([self._task(each) for each in self.due], "no task")
        yield "Done since yesterday", _shortened([_done(each) for each in self.done], "no task")
        yield f"New mail ({len(self.mail)})", self._mail()

    def _mail(self) -> list[str]:
        counts = Counter(each.category for each in self.mail)
        if not counts:
            return ["none"]
        kinds = [f"{category}: {count}" for category, count in counts.most_common()]
        important = [each for each in self.mail if each.category == "important"]
        told = [_line(f"important: {each.subject} ({each.sender})") for each in important]
        return [*kinds, *told[:_MOST]]

    def _task(self, task: TaskOfDay) -> str:
        return _line(f"{self._clock(task.at)} {task.title}")

    def _event(self, event: StoredOccurrence) -> str:
        when = "all day" if event.all_day else self._span(event.starts_at, event.ends_at)
        place = f" ({event.place})" if event.place else ""
        return _line(f"{when} {event.title}{place}")

    def _span(self, start: datetime, end: datetime) -> str:
        return f"{self._clock(start)}-{self._clock(end)}" if end > start else self._clock(start)

    def _clock(self, moment: datetime) -> str:
        local = moment.astimezone(self.zone)
        return f"{local:%H:%M}" if local.date() == self.day else f"{local:%d %b %H:%M}"

    def _date(self) -> str:
        return f"{self.day:%A}, {self.day.day} {self.day:%B %Y}"


def _done(task: TaskOfDay) -> str:
    return _line(f"{task.title}: {task.result}" if task.result else task.title)


def _shortened(lines: list[str], nothing: str) -> list[str]:
    if not lines:
        return [nothing]
    more = len(lines) - _MOST
    return lines if more <= 0 else [*lines[:_MOST], f"and {more} more"]


def _line(text: str) -> str:
    """On one line, without what could act on a terminal or end a line, and not too long."""
    shown = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
