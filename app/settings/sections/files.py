"""Files and folders."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from app.settings.sections.section import Section
from app.settings.values import Folder, Listed, Named, OptionalFolder, Seconds, Span


class Files(Section):
    """Folders that Steward keeps tidy."""

    temp_folders: Annotated[tuple[Path, ...], *Listed] = Field(
        default=(), description="JSON list of folders to clean; when empty, tmp in the home"
    )
    temp_keep: Span = Field(
        default=timedelta(hours=24), description="seconds a temporary file is left alone"
    )
    log_keep: Span = Field(default=timedelta(days=30), description="seconds a log file is kept")
    log_folders: Annotated[tuple[Folder, ...], *Listed] = Field(
        default=(), description="JSON list of other programs' log folders to keep small, too"
    )
    folder: OptionalFolder = Field(
        default=None, description="where files are kept; when empty, files in the home"
    )
    incoming: OptionalFolder = Field(
        default=None,
        description="where files come in that are to be sorted; when empty, incoming in the home",
    )
    rules: Annotated[dict[str, str], *Named] = Field(
        default={},
        description="JSON: into which folder what comes in goes, by pattern, where its kind is not "
        'enough; {"*invoice*.pdf": "documents/invoices"}',
    )
    settled: Span = Field(
        default=timedelta(minutes=1), description="seconds that a file that came in is left alone"
    )
    sync_with: OptionalFolder = Field(
        default=None, description="a folder, as on another disk, to keep alike with the files"
    )

    @field_validator("rules")
    @classmethod
    def _below(cls, rules: dict[str, str]) -> dict[str, str]:
        for folder in rules.values():
            if not folder or any(part in ("", ".", "..") for part in folder.split("/")):
                raise ValueError("each must name a folder below the files: documents/invoices")
        return rules

    @field_validator("temp_folders")
    @classmethod
    def _safe_to_clean(cls, folders: tuple[Path, ...]) -> tuple[Path, ...]:
        for folder in folders:
            if not folder.is_absolute() or Path.home().is_relative_to(folder.resolve()):
                raise ValueError("each must be an absolute path, and not hold your home")
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
