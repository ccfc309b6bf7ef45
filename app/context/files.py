"""Which folders the settings ask for."""

from pathlib import Path

from app.engine import Client
from app.services.backup import Backups, Retention
from app.services.backup.scope import Scope
from app.services.file_sync import FileSync
from app.services.files import Files
from app.services.organizer import Organizer
from app.settings import Settings
from app.storage.clock import Now, utc_now
from app.storage.database import Database


def open_files(settings: Settings, home: Path, client: Client) -> Files:
    """The folders that are kept tidy."""
    folders = settings.files.temp_folders or (home / "tmp",)
    return Files(folders, temp_keep=settings.files.temp_keep, now=client.store.clock.now)


def file_folder(settings: Settings, home: Path) -> Path:
    """Where the owner's files are kept."""
    return settings.files.folder or home / "files"


def open_organizer(settings: Settings, home: Path, *, now: Now = utc_now) -> Organizer:
    """Where files come in, and where they go."""
    asked = settings.files
    incoming, folder = asked.incoming or home / "incoming", file_folder(settings, home)
    return Organizer(incoming, folder, rules=asked.rules, settled=asked.settled, now=now)


def open_file_sync(settings: Settings, home: Path, database: Database) -> FileSync:
    """Which folder is kept alike with the files."""
    return FileSync(database, file_folder(settings, home), settings.files.sync_with)


def open_backups(
    settings: Settings, home: Path, database: Database, *, now: Now = utc_now
) -> Backups:
    """The backups of this home, and how long they are kept."""
    asked = settings.backup
    folder = asked.folder or home / "backups"

    def scope(owner: int) -> Scope:
        return Scope(home=home, folders=asked.folders, owner=owner)

    retention = Retention(count=asked.keep, age=asked.keep_for or None)
    return Backups(database, scope, folder, retention=retention, now=now)
