"""A home with what a home has, and its backups."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.services.backup import Backups, Retention
from app.services.backup.scope import Scope
from app.storage.database import Database
from app.storage.users import User
from tests.storage.still_clock import StillClock

Open = Callable[..., Backups]
USUAL = Retention()


@pytest.fixture
def still() -> StillClock:
    return StillClock()


@pytest.fixture
def home(tmp_path: Path, database: Database) -> Path:
    """The home that the scratch database lies in."""
    assert database.path.parent == tmp_path
    for path, content in {
        "mail/inbox/new/1.host": b"Subject: hi\r\n\r\nhello",
        "calendar/tea.ics": b"BEGIN:VCALENDAR\r\n",
        "notes/a note.md": "Tea with Ann \N{HOT BEVERAGE}".encode(),
        "users/2/thing.txt": b"of another user",
        "logs/steward.log": b"a line\n",
        "tmp/scratch": b"x",
        "valkey/appendonly.aof": b"queues",
        "secret.key": b"secret",
        "users.lock": b"",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    (tmp_path / "mail/inbox/cur").mkdir()
    return tmp_path


@pytest.fixture
def open_backups(database: Database, owner: User, home: Path, still: StillClock) -> Open:
    def opened(*folders: Path, retention: Retention = USUAL, folder: Path | None = None) -> Backups:
        def scope(of: int) -> Scope:
            assert of == owner.id
            return Scope(home=home, folders=folders, owner=of)

        where = folder or home / "backups"
        return Backups(database, scope, where, retention=retention, now=still.now)

    return opened


@pytest.fixture
def backups(open_backups: Open) -> Backups:
    return open_backups()


def contents(folder: Path, *names: str) -> dict[str, bytes | None]:
    """All files below a folder, or below these names in it; a folder's content is None."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for name in names or ("",)
        for path in sorted((folder / name).rglob("*"))
        if not path.is_symlink()
    }
