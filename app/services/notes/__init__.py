"""The users' notes: Markdown files in the home, kept in step with pages in Notion, both ways.

notes.py      NotesSync: brings the folder and Notion in step, and writes it down
guide.py      leads to a first real account
account.py    Account: what an account can do, and how it is opened
synced.py     NotesSynced: what a sync did
markdown.py   MarkdownFormat: one note a file
titles.py     a page's title as a file's name, and back
notion.py     NotionPages: the pages of a database, as the other side of a mirror
notion_api.py NotionApi: Notion's answers and refusals, in our words

Without an account the folder is all there is, and a sync says that nothing is configured.
"""

from app.services.notes.notes import NotesSync
from app.services.notes.notion import NotionPages
from app.services.notes.notion_api import NotionApi
from app.services.notes.synced import NotesStatus, NotesSynced

__all__ = ["NotesStatus", "NotesSync", "NotesSynced", "NotionApi", "NotionPages"]
