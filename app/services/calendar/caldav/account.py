"""All calendars of a CalDAV account, as a source of events: first mirrored, then read as files."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Final

import anyio

from app.services.calendar.caldav.collection import FORMAT, CalDavCollection
from app.services.calendar.caldav.discovery import Found, find_calendars
from app.services.calendar.caldav.folders import LONGEST, folders_of, mark
from app.services.calendar.caldav.server import CalDavServer
from app.services.calendar.folder import FolderCalendar
from app.services.calendar.source import (
    CalendarError,
    Outward,
    Snapshot,
    SourceRefused,
    SourceUnavailable,
    Unchanged,
    digest_of,
)
from app.services.ics.event import cleaned
from app.services.mirror import (
    BadItem,
    Mirror,
    Mirrored,
    MirrorFolder,
    RemoteError,
    RemoteRefused,
    RemoteUnavailable,
)
from app.storage.calendar_event import SourceState
from app.storage.mirror import MirrorBook

OpenBook = Callable[[str], MirrorBook]

_COMMAND: Final = "steward enqueue sync.sync_calendar_events"


class CalDavAccount:
    """One account from the settings; its calendars are folders in `folder`."""

    is_account = True

    def __init__(self, server: CalDavServer, username: str, folder: Path, book: OpenBook) -> None:
        self._server = server
        self._folder = folder
        self._book = book
        digest = sha256(f"{username}@{server.url}".encode()).hexdigest()
        self.name = f"caldav:{digest[:32]}"
        self.label = f"the CalDAV account at {cleaned(server.host, LONGEST)}"
        self.setting = "STEWARD_CALENDAR__CALDAV__URL, __USERNAME and __PASSWORD, or __TOKEN"

    async def read(self, known: SourceState | None, *, removals: str = "") -> Snapshot | Unchanged:
        """Bring the folders in step with the server, both ways, and give the files in them.

        Raises `CalendarError` when none of the calendars could be reached.
        """
        outward, folders, errors, is_reached = Outward(), list[Path](), list[CalendarError](), False
        calendars = await self._calendars()
        for found, folder in calendars:
            folders.append(folder)
            if outward.retry_after:  # the others are on the same server
                continue
            try:
                done = await self._mirror(found, folder, removals)
                outward += _outward(done, cleaned(found.title, LONGEST))
                is_reached = True
            except CalendarError as error:
                errors.append(error)
                asked = error.retry_after if isinstance(error, SourceUnavailable) else None
                outward += Outward(errors=(f"{found.title}: {error}",), retry_after=asked)
        if errors and not is_reached:
            raise errors[-1]
        return replace(await self._files(folders, known, outward.held.values()), outward=outward)

    async def check(self) -> tuple[str, ...]:
        """Find the calendars; raises `CalendarError`."""
        calendars = await self._calendars()
        who = self._server.login or "without a user name"
        titles = ", ".join(cleaned(found.title, LONGEST) for found, _ in calendars)
        return (
            f"{self._server.host} is reached and lets us in, {who}",
            f"it has {len(calendars)} calendars for events: {titles or 'make one there first'}",
            f"each sync mirrors them in {self._folder}: what you change there goes to the server",
        )

    async def _calendars(self) -> list[tuple[Found, Path]]:
        try:
            found = await find_calendars(self._server)
        except RemoteError as error:
            raise _ours(error) from error
        return await anyio.to_thread.run_sync(folders_of, found, self._folder)

    async def _mirror(self, found: Found, folder: Path, removals: str) -> Mirrored:
        collection = CalDavCollection(self._server, found)
        book = self._book(collection.name)
        mirror = Mirror(MirrorFolder(folder, FORMAT), collection, book, command=_COMMAND)
        try:
            return await mirror.sync(removals=removals)
        except RemoteError as error:
            raise _ours(error) from error
        except BadItem as error:
            raise SourceUnavailable(str(error)) from error
        finally:
            await anyio.to_thread.run_sync(mark, folder, found)

    async def _files(
        self, folders: list[Path], known: SourceState | None, held: Iterable[str]
    ) -> Snapshot | Unchanged:
        """What is in the folders; `held` says of which nobody knows whether that is all."""
        parts = [(folder, await FolderCalendar(folder).read(None)) for folder in folders]
        snapshots = [(folder.name, part) for folder, part in parts if isinstance(part, Snapshot)]
        files = tuple(
            replace(file, name=f"{name}/{file.name}")
            for name, part in snapshots
            for file in part.files
        )
        unread = (f"{name}/{e}" for name, part in snapshots for e in part.problems)
        problems = (*held, *unread)
        state = SourceState(digest=await anyio.to_thread.run_sync(digest_of, files))
        if known is not None and known.digest == state.digest and not problems:
            return Unchanged()
        return Snapshot(files=files, state=state, problems=problems)


def _outward(done: Mirrored, title: str) -> Outward:
    told = (each for each in done.errors if each not in done.held.values())
    return Outward(
        sent=done.outward,
        conflicts=done.conflicts,
        failed=done.failed,
        errors=tuple(f"{title}: {each}" for each in told),
        held={mark: f"{title}: {words}" for mark, words in done.held.items()},
    )


def _ours(error: RemoteError) -> CalendarError:
    match error:
        case RemoteUnavailable():
            return SourceUnavailable(str(error), retry_after=error.retry_after)
        case RemoteRefused():
            return SourceRefused(str(error))
        case _:
            return SourceUnavailable(str(error))
