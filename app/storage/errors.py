"""What goes wrong with the database itself, rather than with what is stored in it.

StorageError
├── NewerDatabase     a newer Steward has written it: this one leaves it alone
├── DatabaseInUse     others work with it, and it was to be replaced
├── HoldsRows         it was to be filled, and is not empty
├── RowsNotMoved      rows could not be read from it, or put into it
├── UnusableDatabase  it is no database, is damaged, or can't be reached
└── UpkeepTooLong     compacting and the like took longer than it may

DatabaseBusy          a SQLAlchemy `OperationalError`, to be waited out like an absent server
"""

import re
from datetime import timedelta

from sqlalchemy.exc import OperationalError


class StorageError(Exception):
    """Base of what can be wrong with the database."""


class NewerDatabase(StorageError):
    """The database belongs to a newer Steward; nothing was changed."""

    def __init__(self, place: object, *, found: str, newest: str) -> None:
        super().__init__(
            f"{place} was written by a newer Steward (schema {found}; this one knows {newest}). "
            "Update Steward, or use another database."
        )


class DatabaseInUse(StorageError):
    """Others work with the database just now, so it can't be replaced; nothing was changed."""


class HoldsRows(StorageError):
    """The database was to be filled, and is not empty; nothing was changed."""

    def __init__(self, place: object) -> None:
        super().__init__(f"{place} holds rows already")


class RowsNotMoved(StorageError):
    """A row was refused, a lock is not to be had, or the connection was lost."""

    def __init__(self, place: object, reason: object) -> None:
        said = re.sub(r"^<class '[^']*'>: ", "", str(reason)).partition("\n")[0]
        super().__init__(f"{place} did not take the rows: {said}")


class UnusableDatabase(StorageError):
    """The database can't be opened or read."""

    def __init__(self, place: object, reason: object) -> None:
        super().__init__(f"{place} can't be used as a database: {reason}")
        self.reason = reason


class UpkeepTooLong(StorageError, TimeoutError):
    """Looking after the database took longer than it may; what was not done is as it was."""

    def __init__(self, within: timedelta) -> None:
        super().__init__(
            f"it took longer than {within.total_seconds():g} s: STEWARD_DATABASE__UPKEEP_WITHIN "
            "allows more"
        )


class DatabaseBusy(OperationalError):
    """Another process holds the file's write lock for longer than anybody waits for it."""

    def __init__(self, place: object, cause: BaseException) -> None:
        super().__init__(None, None, cause)
        self.place = place

    def __str__(self) -> str:
        return (
            f"{self.place} is locked: another process is in the middle of writing to it. "
            "End that, such as a worker that is blocked, and try again."
        )
