"""Brings the folder of notes and an account in step, and writes down what it did."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path
from typing import Final

from app.services.mirror import (
    BadItem,
    Mirror,
    MirrorFolder,
    RemoteError,
    RemoteUnavailable,
)
from app.services.notes.account import Account, OpenRemote
from app.services.notes.guide import guide
from app.services.notes.markdown import MarkdownFormat
from app.services.notes.notion import NotionPages
from app.services.notes.notion_api import NotionApi
from app.services.notes.synced import NotesStatus, NotesSynced, synced_of
from app.services.step import Step
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.mirror import MirrorBook
from app.storage.sync_history import SyncCounts, SyncHistory, SyncOutcome
from app.storage.users import User

_COMMAND: Final = "steward enqueue sync.sync_notion_pages"


class NotesSync:
    """The notes of one home. Without `account` they are in the folder, and nowhere else."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        account: OpenRemote | None = None,
        *,
        now: Now = utc_now,
    ) -> None:
        self._database = database
        self._folder = folder
        self._account = account
        self._history = SyncHistory(database, "notes", now=now)

    async def sync(self, user: User, *, removals: str = "") -> NotesSynced:
        """Bring both sides in step. Safe to repeat: the second time nothing changes.

        `removals` is the mark of what is suddenly gone and is to be: see `Mirror.sync`.
        Raises `RemoteError` when the account can't be reached; what was done until then stays.
        """
        if self._account is None:
            return await self._not_configured(user)
        async with self._account() as remote:
            number = await self._history.begin(remote.name, user_id=user.id)
            book = MirrorBook(self._database, user.id, remote.name)
            folder = MirrorFolder(self._folder, MarkdownFormat())
            mirror = Mirror(folder, remote, book, command=_COMMAND)
            try:
                done = await mirror.sync(removals=removals)
            except RemoteError as error:
                await self._end(number, SyncOutcome.FAILED, synced_of(mirror.done), str(error))
                raise
            except BadItem as error:
                await self._end(number, SyncOutcome.FAILED, synced_of(mirror.done), str(error))
                raise RemoteUnavailable(str(error)) from error
        synced = synced_of(done)
        await self._end(number, SyncOutcome(synced.status), synced)
        return synced

    async def guide(self) -> tuple[Step, ...]:
        """Try the folder and the account, changing nothing, and say what to do next."""
        return await guide(self._folder, self._account)

    async def try_account(self) -> None:
        """Ask the account for its database, changing nothing. Raises `RemoteError`."""
        if self._account is not None:
            async with self._account() as remote:
                await remote.open()

    async def _not_configured(self, user: User) -> NotesSynced:
        number = await self._history.begin("none", user_id=user.id)
        await self._history.end(number, SyncOutcome.NOT_CONFIGURED)
        return NotesSynced(status=NotesStatus.NOT_CONFIGURED)

    async def _end(
        self, number: int, outcome: SyncOutcome, synced: NotesSynced, error: str = ""
    ) -> None:
        told = {each.name: getattr(synced, each.name) for each in fields(SyncCounts)}
        told["sent"] = synced.sent_new + synced.sent + synced.sent_deleted
        errors = (*synced.errors, *([error] if error else []))
        await self._history.end(number, outcome, SyncCounts(**told), errors)


def notion_account(token: str, database: str, *, address: str, now: Now) -> OpenRemote:
    """How to open the pages of a database in Notion."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Account]:
        async with NotionApi(token, address=address) as api:
            yield NotionPages(api, database, now=now)

    return opened
