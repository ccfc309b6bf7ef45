"""What a saved database has to know once it is put back: it is of then, and the world has gone on.

Of a thing that one side of a sync lacks, nobody can tell whether it was removed there, or came to
the other since. So the first sync after that removes nothing, on either side: what one side lacks
it gets. An SMS that was to be sent again may have gone out since: a person is asked. And the
workers of then are not missed.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from app.storage.errors import UnusableDatabase
from app.storage.migrations import upgrade
from app.storage.mirror import RESTORED
from app.storage.outgoing_sms import NOTE_RESTORED as SMS_RESTORED
from app.storage.synced_files import NOTE_RESTORED as FILES_RESTORED

_STEPS = (
    ("UPDATE mirrors SET cursor = ?", (RESTORED,)),
    FILES_RESTORED,
    *SMS_RESTORED,
    ("UPDATE worker_sightings SET left_at = seen_at WHERE left_at IS NULL", ()),
)


def bring_up(path: Path) -> None:
    """Bring a saved file up to date, and have it know that it was put back; blocking.

    Raises `NewerDatabase` and `UnusableDatabase`.
    """
    upgrade(path)
    try:
        with closing(sqlite3.connect(path)) as file, file:
            for statement, values in _STEPS:
                file.execute(statement, values)
    except sqlite3.DatabaseError as error:
        raise UnusableDatabase(path, error) from error
