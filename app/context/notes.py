"""Which notes the settings ask for."""

from pathlib import Path

from app.services.notes import NotesSync
from app.services.notes.notes import notion_account
from app.settings import Settings
from app.storage.clock import Now
from app.storage.database import Database


def open_notes(settings: Settings, home: Path, database: Database, now: Now) -> NotesSync:
    """The home's folder of notes, kept in step with Notion if there is a token for it."""
    notion = settings.notes.notion
    token, account = notion.token.get_secret_value(), None
    if token and notion.database:
        account = notion_account(token, notion.database, address=notion.address, now=now)
    return NotesSync(database, home / "notes", account, now=now)
