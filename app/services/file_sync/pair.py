"""Both folders, and what is done to make them alike; all of it blocks."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from secrets import token_hex

from app.services.entries import shown
from app.services.file_sync.plan import Act, decide, other_name
from app.services.file_sync.side import Changed, Side
from app.services.tree import Stopped, reason_of

_TOLD = 20  # errors in a result; all are counted


class FileSyncStatus(StrEnum):
    """How it went, on the whole."""

    SUCCESS = "success"
    PARTIAL_SUCCESS = "partial_success"
    """Something could not be read or written; the rest is alike."""
    NOT_CONFIGURED = "not_configured"
    """No folder is named to keep alike with."""


@dataclass(slots=True, kw_only=True)
class FilesSynced:
    """What was done to make both folders alike, or would have been in a dry run."""

    status: FileSyncStatus = FileSyncStatus.SUCCESS
    dry_run: bool = False
    unchanged: int = 0
    sent: int = 0
    fetched: int = 0
    removed_here: int = 0
    removed_there: int = 0
    conflicts: int = 0
    """Files that had changed on both sides: both are kept."""
    failed: int = 0
    skipped: int = 0
    """Links, sockets and devices."""
    bytes_copied: int = 0
    errors: tuple[str, ...] = ()


@dataclass(slots=True)
class Pair:
    """Both folders, open."""

    here: Side
    there: Side
    done: FilesSynced
    complaints: list[str] = field(default_factory=list[str])

    @contextmanager
    def opened(self) -> Generator[None]:
        """Both open while the block lasts; raises `NotTheFolder` if one is another by now."""
        with self.here.opened(make=not self.done.dry_run), self.there.opened():
            yield

    def begin(self, mark: str) -> str:
        """Make sure that these are the folders of this mark; a new one if they begin anew.

        Two folders without a mark begin anew: nothing is known of them, so nothing is removed.
        """
        with self.opened():
            marks = (self.here.mark(), self.there.mark())
            if mark and mark in marks:
                self.here.expected = self.there.expected = mark
                with self.opened():
                    return ""
            new = token_hex(16)
            for side in () if self.done.dry_run else (self.here, self.there):
                side.set_mark(new)
            return new

    def look(self) -> None:
        """Read both; what can't be read is told, and left as it is on both sides."""
        with self.opened():
            for side in (self.here, self.there):
                if not self.done.dry_run:
                    side.tree.remove_parts()
                side.look()
                self.done.skipped += side.skipped
                for path, reason in side.unread.items():
                    self._fail(path, reason)

    def paths(self, known: Iterable[str]) -> list[str]:
        """Every file that can be decided about."""
        found = sorted({*known, *self.here.files, *self.there.files})
        sides = (self.here, self.there)
        return [path for path in found if not any(side.is_unknown(path) for side in sides)]

    def are_both(self, path: str) -> bool:
        """Whether this file was found on both sides."""
        return path in self.here.files and path in self.there.files

    def settle(self, files: Sequence[tuple[str, str | None]]) -> dict[str, str | None]:
        """Make these alike, given what they were; returns what both sides have then, by path."""
        alike: dict[str, str | None] = {}
        with self.opened():
            for path, then in files:
                if self.here.stop():
                    raise Stopped
                try:
                    alike |= self._settle(path, then)
                except Changed:
                    self._fail(path, "it is being written to")
                except OSError as error:
                    self._fail(path, reason_of(error))
        return alike

    def _settle(self, path: str, then: str | None) -> dict[str, str | None]:
        here, there, done = self.here, self.there, self.done
        names: tuple[str, ...] = (path,)
        match decide(then, here.digest(path), there.digest(path)):
            case Act.NOTHING:
                done.unchanged += here.digest(path) is not None
            case Act.SEND:
                self._copy(there, here, path)
                done.sent += 1
            case Act.FETCH:
                self._copy(here, there, path)
                done.fetched += 1
            case Act.REMOVE_HERE:
                self._remove(here, path)
                done.removed_here += 1
            case Act.REMOVE_THERE:
                self._remove(there, path)
                done.removed_there += 1
            case Act.KEEP_BOTH:
                names = (path, self._keep_both(path))
                done.conflicts += 1
        return {name: here.digest(name) for name in names}

    def _keep_both(self, path: str) -> str:
        """Theirs gets another name on both sides, and only then ours takes its place."""
        name = other_name(path, self.there.files[path].digest)
        self._copy(self.here, self.there, path, name)
        self._copy(self.there, self.there, path, name)
        self._copy(self.there, self.here, path)
        return name

    def _copy(self, into: Side, source: Side, path: str, name: str = "") -> None:
        if self.done.dry_run:
            self.done.bytes_copied += source.files[path].size
        else:
            self.done.bytes_copied += into.take(source, path, name)

    def _remove(self, side: Side, path: str) -> None:
        if not self.done.dry_run:
            side.remove(path)

    def _fail(self, path: str, reason: str) -> None:
        self.done.failed += 1
        self.complaints.append(f"{shown(path)}: {reason}")

    def ended(self) -> FilesSynced:
        """What was done."""
        self.done.errors = tuple(self.complaints[:_TOLD])
        if self.done.failed:
            self.done.status = FileSyncStatus.PARTIAL_SUCCESS
        return self.done
