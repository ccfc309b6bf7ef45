"""The .ics files of a folder: the calendar that needs no account.

Put a file there, or a link to one that another program keeps up to date.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from app.services.calendar.source import Snapshot, SourceUnavailable, Unchanged, digest_of
from app.services.ics.reader import File
from app.storage.calendar_event import SourceState


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderLimits:
    """How much of a folder is read."""

    file: int = 10 * 1024**2
    """Bytes of one file: a calendar of thirty years has five million."""
    total: int = 64 * 1024**2
    """Bytes of all files, which are in memory together."""
    files: int = 5_000
    """A folder with a file for each event has some thousand."""


class FolderCalendar:
    """Reads `*.ics` in one folder, not in those below."""

    is_account = False

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "folder",
        limits: FolderLimits = FolderLimits(),
    ) -> None:
        """A folder that does not exist yet is an empty calendar."""
        self._folder = folder
        self._limits = limits
        self.name = name
        self.label = f"the folder {folder.name}"
        self.setting = "STEWARD_HOME"

    async def read(self, known: SourceState | None, *, removals: str = "") -> Snapshot | Unchanged:
        """The files in the order of their names; raises `SourceUnavailable`."""
        del removals  # nothing of ours goes there
        files, problems = await anyio.to_thread.run_sync(self._files)
        state = SourceState(digest=digest_of(files))
        if known is not None and known.digest == state.digest and not problems:
            return Unchanged(is_empty=not files)
        return Snapshot(files=tuple(files), state=state, problems=tuple(problems))

    async def check(self) -> tuple[str, ...]:
        """Count the files; raises `CalendarError`."""
        files, problems = await anyio.to_thread.run_sync(self._files)
        return (f"{self.label} can be read ({len(files)} files): {self._folder}", *problems)

    def _files(self) -> tuple[list[File], list[str]]:
        files: list[File] = []
        problems: list[str] = []
        room = self._limits.total
        for path in self._paths():
            try:
                data = _read(path, min(self._limits.file, room))
            except FileNotFoundError:
                continue  # it went away since the folder was listed
            except OSError as error:
                problems.append(f"{path.name}: {error.strerror or error}")
                continue
            room -= len(data)
            files.append(File(path.name, data))
        return files, problems

    def _paths(self) -> list[Path]:
        try:
            paths = sorted(p for p in self._folder.iterdir() if p.suffix.lower() == ".ics")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise SourceUnavailable(error.strerror or str(error)) from error
        visible = [path for path in paths if not path.name.startswith(".")]
        if len(visible) > self._limits.files:
            raise SourceUnavailable(f"it holds more than {self._limits.files} files")
        return visible


def _read(path: Path, most: int) -> bytes:
    """Its bytes; raises OSError for what is no file, which is opened without waiting on it."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("it is not a file")
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(f"it is larger than {most // 1024} kB")
    return data
