"""Makes the backups of a home, for the job and the command, and removes old ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from threading import Event
from typing import TypeVar

from anyio import from_thread
from anyio.to_thread import run_sync

from app.services.backup.maker import Maker
from app.services.backup.manifest import Manifest
from app.services.backup.scope import Scope
from app.services.backup.shelf import Kept, Retention, name_of
from app.services.backup.stored import Stored
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.snapshot import save, size_of
from app.storage.users import Users

T = TypeVar("T")

_TOLD = 20  # errors in a result; all are counted


class BackupStatus(StrEnum):
    """How it went, on the whole."""

    SUCCESS = "success"
    PARTIAL_SUCCESS = "partial_success"
    """Something could not be read; the rest is saved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupMade:
    """What was saved, or would have been in a dry run."""

    status: BackupStatus
    dry_run: bool
    name: str
    """The backup's file; empty in a dry run."""
    is_new: bool
    """False when an earlier attempt of this run had made it."""
    size: int
    """Bytes of the backup."""
    total_size: int
    """Bytes of what is in it."""
    files: int
    users_backed_up: int
    users_failed: int
    """Users of whom something could not be saved; the rest of theirs is."""
    skipped: int
    """Links, sockets and devices, which no backup holds."""
    removed: tuple[str, ...]
    """Old backups that went."""
    errors: tuple[str, ...]


@dataclass(slots=True)
class _Job:
    """What one backup needs to know."""

    maker: Maker
    stop: Event
    database_size: int
    users: tuple[int, ...]


class Backups(Stored):
    """The backups of one home, and how they are made."""

    def __init__(
        self,
        database: Database,
        scope: Callable[[int], Scope],
        folder: Path,
        *,
        retention: Retention,
        now: Now = utc_now,
    ) -> None:
        """`scope` is what to save, given the owner's id."""
        super().__init__(folder, now=now)
        self._database = database
        self._scope = scope
        self._retention = retention

    async def make(self, *, key: str = "", dry_run: bool = False) -> BackupMade:
        """Save everything, then remove old backups. A repeat with the same key finds what it made.

        Raises `BackupBusy`, `BackupError`, or what the disk says; then the backups are as before.
        """
        mark = blake2b(key.encode(), digest_size=4).hexdigest() if key else token_hex(4)
        job = await self._job()
        if dry_run:
            return await self._in_thread(job, partial(self._would_make, job))
        return await self._in_thread(job, partial(self._make, job, mark))

    async def _job(self) -> _Job:
        users, stop = Users(self._database), Event()
        active = tuple(each.id for each in await users.active())
        maker = Maker(
            scope=self._scope((await users.owner()).id),
            users=active,
            save_database=self._save,
            shelf=self.shelf,
            stop=stop.is_set,
        )
        return _Job(maker, stop, await size_of(self._database), active)

    def _save(self, target: Path) -> str:
        """Copy the database, for the thread that makes a backup."""
        return from_thread.run(save, self._database, target)

    async def _in_thread(self, job: _Job, act: Callable[[], T]) -> T:
        try:
            return await run_sync(act, abandon_on_cancel=True)
        finally:
            job.stop.set()

    def _make(self, job: _Job, mark: str) -> BackupMade:
        with self.shelf.making():
            made_at = self._now()
            kept = self.shelf.marked(mark)
            is_new = kept is None
            if kept is None:
                kept, manifest = job.maker.make(name_of(made_at, mark), made_at)
            else:
                manifest = self.checked(kept).demand()
            removed = self._prune()
        return _made(job, kept, manifest, removed, is_new=is_new)

    def _would_make(self, job: _Job) -> BackupMade:
        files, size = job.maker.count()
        over = self._retention.over(self.shelf.kept(), self._now(), coming=1)
        return BackupMade(
            status=_status(job.maker.errors),
            dry_run=True,
            name="",
            is_new=True,
            size=0,
            total_size=size + job.database_size,
            files=files + 1,
            **_users(job),
            skipped=job.maker.skipped,
            removed=tuple(each.name for each in over),
            errors=tuple(job.maker.errors[:_TOLD]),
        )

    def _prune(self) -> tuple[str, ...]:
        over = self._retention.over(self.shelf.kept(), self._now())
        for each in over:
            self.shelf.remove(each)
        return tuple(each.name for each in over)


def _made(
    job: _Job, kept: Kept, manifest: Manifest, removed: tuple[str, ...], *, is_new: bool
) -> BackupMade:
    errors = job.maker.errors if is_new else manifest.errors
    failed = {each.id for each in manifest.users if each.failed}
    ids = {each.id for each in manifest.users}
    return BackupMade(
        status=_status(errors),
        dry_run=False,
        name=kept.name,
        is_new=is_new,
        size=kept.size,
        total_size=sum(each.size for each in manifest.files),
        files=len(manifest.files),
        users_backed_up=len(ids - failed),
        users_failed=len(failed),
        skipped=manifest.skipped,
        removed=removed,
        errors=tuple(errors[:_TOLD]),
    )


def _users(job: _Job) -> dict[str, int]:
    """Whose data would be saved whole."""
    failed = job.maker.failed.keys() & set(job.users)
    return {"users_backed_up": len(job.users) - len(failed), "users_failed": len(failed)}


def _status(errors: Sequence[str]) -> BackupStatus:
    return BackupStatus.PARTIAL_SUCCESS if errors else BackupStatus.SUCCESS
