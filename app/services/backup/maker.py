"""Makes one backup: the database first, then the files, in two looks, so that what moved between
folders meanwhile is in it, too. It is read back before it counts.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp

from app.services.backup.manifest import MEMBER, Manifest, SavedFile, SavedUser
from app.services.backup.reader import USUAL, Limits, read_backup
from app.services.backup.scope import DATABASE, Scope
from app.services.backup.shelf import Kept, Shelf
from app.services.backup.writer import Unreadable, Writer
from app.services.entries import Entry, shown
from app.services.tree import Found, Stopped, Tree, Unread, open_tree, reason_of

_LOOKS = 2
_TOLD = 100  # errors in a manifest; all are counted


@dataclass(slots=True, kw_only=True)
class Maker:
    """Makes a backup of what is in scope; blocks."""

    scope: Scope
    users: Sequence[int]
    """Whose data there is; their rows are in the database."""
    save_database: Callable[[Path], str]
    """Copies it to a file, and returns the last step that its tables have taken."""
    shelf: Shelf
    stop: Callable[[], bool]
    limits: Limits = USUAL
    skipped: int = 0
    failed: dict[int, int] = field(default_factory=dict[int, int])
    errors: list[str] = field(default_factory=list[str])
    _seen: set[str] = field(default_factory=set[str])
    _unreadable: set[str] = field(default_factory=set[str])

    def make(self, name: str, made_at: datetime) -> tuple[Kept, Manifest]:
        """Write it, read it back, and put it on the shelf; whatever fails leaves nothing there."""
        part = self.shelf.part(name)
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                writer = Writer(file=file, stop=self.stop)
                schema = self._database(writer, self.shelf.folder)
                for _ in range(_LOOKS):
                    self._files(writer)
                manifest = self._manifest(writer, schema, made_at)
                digest = writer.finish(manifest.as_bytes())
                file.flush()
                os.fsync(file.fileno())
            read_backup(part, stop=self.stop, limits=self.limits).demand()
            return self.shelf.finish(name, digest), manifest
        finally:
            part.unlink(missing_ok=True)

    def count(self) -> tuple[int, int]:
        """How many files there are beside the database, and how many bytes."""
        files = size = 0
        for found, _ in self._walk():
            files += found.entry.is_file
            size += found.entry.status.st_size if found.entry.is_file else 0
        return files, size

    def _database(self, writer: Writer, folder: Path) -> str:
        scratch = Path(mkdtemp(prefix=".database-", suffix=".unfinished", dir=folder))
        try:
            copy = scratch / DATABASE
            schema = self.save_database(copy)
            writer.add_file(DATABASE, lambda: os.open(copy, os.O_RDONLY), user=0)
            return schema
        finally:
            shutil.rmtree(scratch)

    def _files(self, writer: Writer) -> None:
        for found, path in self._walk():
            if path in self._seen:
                continue
            self._seen.add(path)
            if found.entry.is_folder:
                writer.add_folder(path, found.entry)
            elif found.entry.is_file and path != MEMBER:
                self._file(writer, path, found.entry)
            else:
                self.skipped += 1

    def _file(self, writer: Writer, path: str, entry: Entry) -> None:
        try:
            writer.add_file(path, entry.open_file, user=self.scope.user_of(path))
        except Unreadable as error:
            if error.is_gone:
                self._seen.discard(path)  # it may have moved: the second look finds it there
            else:
                self._fail(path, str(error))

    def _walk(self) -> Iterator[tuple[Found, str]]:
        """All that is in scope, by its path in the backup; what can't be looked at is noted."""
        for prefix, root in self.scope.roots().items():
            try:
                with open_tree(root) as tree:
                    yield from self._below(tree, prefix)
            except OSError as error:
                self._unread(prefix, reason_of(error))

    def _below(self, tree: Tree, prefix: str) -> Iterator[tuple[Found, str]]:
        above, backups = f"{prefix}/" if prefix else "", self._inode()

        def skip(path: str, entry: Entry) -> bool:
            is_shelf = entry.is_folder and entry.inode == backups
            return is_shelf or self.scope.skips(prefix, path)

        for found in tree.walk(skip=skip):
            if self.stop():
                raise Stopped
            if isinstance(found, Unread):
                self._unread(above + found.path, found.reason)
            else:
                yield found, above + found.path

    def _inode(self) -> tuple[int, int] | None:
        """The folder that the backups lie in, by whatever path it is come upon."""
        with suppress(FileNotFoundError):
            status = self.shelf.folder.stat()
            return status.st_dev, status.st_ino
        return None

    def _unread(self, path: str, reason: str) -> None:
        """Note it, once for all looks."""
        if path not in self._unreadable:
            self._unreadable.add(path)
            self._fail(path, reason)

    def _fail(self, path: str, reason: str) -> None:
        user = self.scope.user_of(path)
        self.failed[user] = self.failed.get(user, 0) + 1
        self.errors.append(f"{shown(path)}: {reason}")

    def _manifest(self, writer: Writer, schema: str, made_at: datetime) -> Manifest:
        return Manifest(
            made_at=made_at,
            schema=schema,
            users=tuple(self._user(writer.saved, each) for each in self.users),
            files=tuple(writer.saved),
            skipped=self.skipped,
            errors=tuple(self.errors[:_TOLD]),
        )

    def _user(self, saved: Sequence[SavedFile], user: int) -> SavedUser:
        sizes = [each.size for each in saved if each.user == user]
        failed = self.failed.get(user, 0)
        return SavedUser(id=user, files=len(sizes), size=sum(sizes), failed=failed)
