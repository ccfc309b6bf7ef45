"""Two folders kept alike, both ways, by what is in their files.

    plan    what to do about one file, decided from what it was and what it is on either side
    side    one of the folders: what is in it, and what is done to it; pair is both
    sync    goes through both, and remembers what they were like when they were last alike

The times of files decide nothing. What changed on one side goes to the other; what was removed
there and not changed here goes, too. What changed on both is kept twice: ours under its name, and
theirs beside it. Empty folders and links are not kept alike.
"""

from app.services.file_sync.pair import FilesSynced, FileSyncStatus
from app.services.file_sync.side import NotTheFolder
from app.services.file_sync.sync import FileSync

__all__ = ["FileSync", "FileSyncStatus", "FilesSynced", "NotTheFolder"]
