"""The users' calendars: where their events come from, and bringing the database up to date.

source.py    CalendarSource: anything that gives calendar files
folder.py    FolderCalendar: the .ics files of a folder
feed.py      FeedCalendar: an ICS address, asked only for what is new (ETag)
caldav/      CalDavAccount: the calendars of an account, mirrored in folders, both ways
memory.py    MemoryCalendar: for tests
resting.py   RestingSource: another, left alone while it refuses us or asks for it
guide.py     leads to a first real calendar
notice.py    what a user is told of new events
sync.py      CalendarSync: reads a user's sources and stores what changed
synced.py    CalendarSynced: what a sync did
"""

from app.services.calendar.feed import FeedCalendar
from app.services.calendar.folder import FolderCalendar
from app.services.calendar.memory import MemoryCalendar
from app.services.calendar.source import (
    CalendarSource,
    Snapshot,
    SourceRefused,
    SourceUnavailable,
    Unchanged,
)
from app.services.calendar.sync import CalendarSync
from app.services.calendar.synced import CalendarSynced, SyncStatus

__all__ = [
    "CalendarSource",
    "CalendarSync",
    "CalendarSynced",
    "FeedCalendar",
    "FolderCalendar",
    "MemoryCalendar",
    "Snapshot",
    "SourceRefused",
    "SourceUnavailable",
    "SyncStatus",
    "Unchanged",
]
