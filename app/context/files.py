"""Which folders the settings ask for."""

from pathlib import Path

from app.engine import Client
from app.services.files import Files
from app.settings import Settings


def open_files(settings: Settings, home: Path, client: Client) -> Files:
    """The folders that are kept tidy."""
    folders = settings.files.temp_folders or (home / "tmp",)
    return Files(folders, temp_keep=settings.files.temp_keep, now=client.store.clock.now)
