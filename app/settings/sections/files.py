"""Files and folders."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from app.settings.sections.section import Section
from app.settings.values import Folder, Listed, OptionalFolder, Seconds, Span


class Files(Section):
    """Folders that Steward keeps tidy."""

    temp_folders: Annotated[tuple[Path, ...], *Listed] = Field(
        default=(), description="JSON list of folders to clean; when empty, tmp in the home"
    )
    temp_keep: Span = Field(
        default=timedelta(hours=24), description="seconds a temporary file is left alone"
    )
    log_keep: Span = Field(default=timedelta(days=30), description="seconds a log file is kept")

    @field_validator("temp_folders")
    @classmethod
    def _safe_to_clean(cls, folders: tuple[Path, ...]) -> tuple[Path, ...]:
        for folder in folders:
            if not folder.is_absolute() or folder.resolve() in (Path("/"), Path.home()):
                raise ValueError("each must be an absolute path, and neither / nor your home")
        return folders


class Backup(Section):
    """Where backups lie, and how long."""

    folder: OptionalFolder = Field(
        default=None, description="where backups are put; when empty, backups in the home"
    )
    folders: Annotated[tuple[Folder, ...], *Listed] = Field(
        default=(), description="JSON list of further folders to back up, beside the home"
    )
    keep: int = Field(default=8, ge=1, description="how many backups are kept")
    keep_for: Seconds = Field(
        default=timedelta(0),
        description="seconds after which a backup goes, unless it is the latest; 0 is never",
    )
