"""Which folders the settings ask for."""

from pathlib import Path

from app.engine import Client
from app.services.backup import Backups, Retention, Stored
from app.services.backup.scope import Scope
from app.services.files import Files
from app.settings import Settings
from app.storage.clock import Now, utc_now
from app.storage.database import Database


def open_files(settings: Settings, home: Path, client: Client) -> Files:
    """The folders that are kept tidy."""
    folders = settings.files.temp_folders or (home / "tmp",)
    return Files(folders, temp_keep=settings.files.temp_keep, now=client.store.clock.now)


def open_backups(
    settings: Settings, home: Path, database: Database, *, now: Now = utc_now
) -> Backups:
    """The backups of this home, and how long they are kept."""
    asked = settings.backup

    def scope(owner: int) -> Scope:
        return Scope(home=home, folders=asked.folders, owner=owner)

    retention = Retention(count=asked.keep, age=asked.keep_for or None)
    return Backups(database, scope, _folder(settings, home), retention=retention, now=now)


def stored_backups(settings: Settings, home: Path) -> Stored:
    """Those that are there; for who makes none."""
    return Stored(_folder(settings, home))


def _folder(settings: Settings, home: Path) -> Path:
    return settings.backup.folder or home / "backups"
