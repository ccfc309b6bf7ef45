"""Every setting, by what it is about: its type, its default, what it is for.

A file a domain; a new group is a class in one of them and a field of `Settings`.
"""

from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.settings.sections.ai import Ai
from app.settings.sections.calendar import Calendar
from app.settings.sections.database import Database
from app.settings.sections.files import Backup, Files
from app.settings.sections.house import Log, Owner
from app.settings.sections.mail import Imap, Mail, Security, Smtp
from app.settings.sections.notes import Notes, Notion
from app.settings.sections.notify import Notify
from app.settings.sections.queues import Queues, Redis, Risk, Signing
from app.settings.sections.section import Section
from app.settings.sections.sms import Sms
from app.settings.sections.upkeep import History, Sessions
from app.settings.sections.watch import Alerts, Watch
from app.settings.sections.worker import WorkerProcess

__all__ = [
    "PREFIX",
    "Ai",
    "Alerts",
    "Backup",
    "Calendar",
    "Database",
    "Files",
    "History",
    "Imap",
    "Log",
    "Mail",
    "Notes",
    "Notify",
    "Notion",
    "Owner",
    "Queues",
    "Redis",
    "Risk",
    "Section",
    "Security",
    "Sessions",
    "Settings",
    "Signing",
    "Sms",
    "Smtp",
    "Watch",
    "WorkerProcess",
]

PREFIX = "STEWARD_"


class Settings(BaseSettings):
    """All settings, read once by the entry point."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_file=".env",
        extra="ignore",
        frozen=True,
    )

    home: Path = Field(default=Path("var"), description="where Steward keeps its data")
    owner: Owner = Owner()
    redis: Redis = Redis()
    database: Database = Database()
    queues: Queues = Queues()
    signing: Signing = Signing()
    worker: WorkerProcess = WorkerProcess()
    ai: Ai = Ai()
    mail: Mail = Mail()
    sms: Sms = Sms()
    notify: Notify = Notify()
    calendar: Calendar = Calendar()
    notes: Notes = Notes()
    files: Files = Files()
    backup: Backup = Backup()
    sessions: Sessions = Sessions()
    history: History = History()
    log: Log = Log()
    watch: Watch = Watch()
    alerts: Alerts = Alerts()

    @field_validator("files")
    @classmethod
    def _home_is_not_temporary(cls, files: Files, others: ValidationInfo) -> Files:
        home: Path = others.data.get("home", Path("var")).resolve()
        if any(home.is_relative_to(each.resolve()) for each in files.temp_folders):
            raise ValueError("TEMP_FOLDERS: none of them may hold STEWARD_HOME, or be it")
        return files
