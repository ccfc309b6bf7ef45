"""An .ics document, taken apart into events before anything is understood.

Only lines are looked at here: BEGIN and END, and of each event its UID. So a document with one
event that no library would parse still gives all the others, each as text of its own.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from app.services.ics.event import LONGEST_ID, LONGEST_RULE, BadEvent, cleaned

_FOLD = re.compile(r"\n[ \t]")
_ZONE = re.compile(r"TZID=\"?([^\":;,\n]+)")
_UNSEEN = ("DTSTAMP", "CREATED", "LAST-MODIFIED", "SEQUENCE")
"""They say when something was written, and Google's DTSTAMP is the time of the download."""

_LONGEST_NUMBER = 9  # digits of a SEQUENCE


class NotACalendar(ValueError):
    """This is no iCalendar document."""


@dataclass(frozen=True, slots=True)
class Block:
    """The unfolded lines of one component, BEGIN and END included."""

    lines: tuple[str, ...]

    def value(self, name: str) -> str:
        """What the first property of this name says, as written; empty when there is none."""
        return next((_after_colon(line) for line in self.lines if _is_called(name, line)), "")

    @property
    def revision(self) -> tuple[int, str]:
        """SEQUENCE, then when it was last changed."""
        sequence = self.value("SEQUENCE").strip()
        is_number = sequence.isascii() and sequence.isdigit() and len(sequence) <= _LONGEST_NUMBER
        changed = self.value("LAST-MODIFIED") or self.value("DTSTAMP")
        return int(sequence) if is_number else 0, changed[:20]

    @property
    def zones(self) -> set[str]:
        """The TZIDs it mentions."""
        return set(_ZONE.findall("\n".join(self.lines)))

    def noticeable(self) -> list[str]:
        """The lines whose change a person could notice, in an order that doesn't matter."""
        unseen = (line for line in self.lines if not any(_is_called(n, line) for n in _UNSEEN))
        return sorted(unseen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """All that a document says under one UID: an event, and the changes to single occurrences."""

    uid: str
    blocks: tuple[Block, ...]
    zones: tuple[Block, ...]
    """The time zones that it mentions and the document defines."""

    @property
    def repeats(self) -> bool:
        """Whether it may happen more than once, and so cost more than a look."""
        return any(block.value(name) for block in self.blocks for name in ("RRULE", "RDATE"))

    @property
    def rule(self) -> str:
        """How it repeats, as written."""
        return next(filter(None, (block.value("RRULE") for block in self.blocks)), "")[
            :LONGEST_RULE
        ]

    @property
    def revision(self) -> tuple[int, str]:
        """That of its latest part."""
        return max(block.revision for block in self.blocks)

    @property
    def digest(self) -> str:
        """What tells this state of the series from another."""
        lines = [line for b in (*self.blocks, *self.zones) for line in (*b.noticeable(), "")]
        return sha256("\n".join(lines).encode()).hexdigest()


@dataclass(slots=True, kw_only=True)
class Document:
    """What was found in the text."""

    blocks: list[Block] = field(default_factory=list[Block])
    zones: dict[str, Block] = field(default_factory=dict[str, Block])
    zone: str = ""
    """X-WR-TIMEZONE: where times without a zone are meant."""
    refused: list[BadEvent] = field(default_factory=list[BadEvent])
    is_whole: bool = False
    """Whether it ends where a calendar ends; one that was cut off may lack events."""

    def series(self) -> tuple[list[Series], int]:
        """The events under their UIDs, and how many older or doubled versions were dropped."""
        by_uid: dict[str, dict[str, Block]] = {}
        conflicts = 0
        for block in self.blocks:
            versions = by_uid.setdefault(_uid(block), {})
            occurrence = block.value("RECURRENCE-ID")
            known = versions.get(occurrence)
            conflicts += known is not None and known.noticeable() != block.noticeable()
            versions[occurrence] = max((known or block), block, key=lambda each: each.revision)
        found = (self._series(uid, tuple(by_id.values())) for uid, by_id in by_uid.items())
        return list(found), conflicts

    def _series(self, uid: str, blocks: tuple[Block, ...]) -> Series:
        mentioned = set[str]().union(*(block.zones for block in blocks))
        zones = (block for name, block in self.zones.items() if name in mentioned)
        return Series(uid=uid, blocks=blocks, zones=tuple(zones))


def parse(data: bytes) -> Document:
    """Take a document apart; raises `NotACalendar` when it holds no calendar at all."""
    lines = _unfolded(data)
    if not any(line.strip().upper() == "BEGIN:VCALENDAR" for line in lines):
        raise NotACalendar("this is not a calendar: there is no BEGIN:VCALENDAR in it")
    document = Document()
    rest = iter(lines)
    for line in rest:
        match line.strip().upper():
            case "BEGIN:VEVENT" | "BEGIN:VTIMEZONE" as begin:
                _take(document, begin.partition(":")[2], line, rest)
            case "BEGIN:VCALENDAR":
                document.is_whole = False
            case "END:VCALENDAR":
                document.is_whole = True
            case _:
                if _is_called("X-WR-TIMEZONE", line):
                    document.zone = _after_colon(line).strip()
    return document


def alarms(data: bytes) -> list[str]:
    """What the alarms in a document say, one text each, in an order that doesn't matter."""
    found, inside = list[str](), list[str]()
    for line in map(str.strip, _unfolded(data)):
        inside.append(line)
        if line.upper() == "BEGIN:VALARM":
            inside = []
        elif line.upper() == "END:VALARM":
            found.append("\n".join(sorted(inside)))
    return sorted(found)


def _take(document: Document, kind: str, first: str, rest: Iterator[str]) -> None:
    """Collect one component; one that begins before the last has ended shows that one as broken.

    An event's alarms are left out: they are the other calendar's business, and have UIDs too.
    """
    lines = [first]
    inner = ""
    for line in rest:
        mark = line.strip().upper()
        if mark == f"END:{kind}":
            return _keep(document, kind, Block((*lines, line)))
        if mark == "END:VCALENDAR":
            document.is_whole = True
            break
        if mark == "BEGIN:VEVENT":
            document.refused.append(BadEvent(_uid(Block(tuple(lines))), "it has no end"))
            lines, inner, kind = [line], "", "VEVENT"
        elif mark.startswith("BEGIN:") and kind == "VEVENT":
            inner = inner or mark.replace("BEGIN:", "END:")
        elif mark == inner:
            inner = ""
        elif not inner:
            lines.append(line)
    document.refused.append(BadEvent(_uid(Block(tuple(lines))), "it has no end"))
    return None


def _keep(document: Document, kind: str, block: Block) -> None:
    if kind == "VEVENT":
        document.blocks.append(block)
    else:
        document.zones.setdefault(block.value("TZID").strip(), block)


def _unfolded(data: bytes) -> list[str]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")  # what old Outlooks write
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return _FOLD.sub("", text).split("\n")


def _uid(block: Block) -> str:
    """Its UID; one that has none, or a very long one, is known by a digest of itself."""
    written = block.value("UID").strip()
    if len(written) <= LONGEST_ID and (uid := cleaned(written, LONGEST_ID)):
        return uid
    told = [written] if written else block.noticeable()
    return "digest:" + sha256("\n".join(told).encode()).hexdigest()


def _is_called(name: str, line: str) -> bool:
    end = len(name)
    return line[:end].upper() == name and line[end : end + 1] in (":", ";")


def _after_colon(line: str) -> str:
    """The value of a property; a colon inside a quoted parameter is not where it begins."""
    head, _, value = line.partition(":")
    if '"' not in head:
        return value
    is_quoted = False
    for position, character in enumerate(line):
        if character == '"':
            is_quoted = not is_quoted
        elif character == ":" and not is_quoted:
            return line[position + 1 :]
    return ""
