"""Calendars on a CalDAV server, mirrored as .ics files in the home, both ways.

multistatus.py    what a WebDAV server answers: hostile XML until it is read
questions.py      what it is asked
server.py         CalDavServer: asks it, through the guard of the web
discovery.py      finds the calendars of an account
folders.py        which folder a calendar is mirrored in
collection.py     CalDavCollection: one calendar, as the other side of a mirror
ics_format.py     IcsFormat: one event a file
account.py        CalDavAccount: all calendars of an account, as a source of events

There is a library for this. It brings an HTTP stack of its own that can't be told which addresses
it may connect to, and that takes the place of a module which others need; what we need of the
protocol is a handful of questions.
"""

from app.services.calendar.caldav.account import CalDavAccount
from app.services.calendar.caldav.server import CalDavServer

__all__ = ["CalDavAccount", "CalDavServer"]
