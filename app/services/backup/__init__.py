"""Backups of a home: made while it is in use, read back before they count, put back whole.

    shelf     the folder they lie in, and which of them stay
    scope     what of a home is saved, and whose it is
    maker     makes one: writer puts files in, manifest says what is in it
    reader    reads one back, trusting nothing in it
    restore   puts one back
    stored    those that are there, for the command; backups makes them, for the job too

A backup is `tar` in `gzip`: it can be looked into, and unpacked, without Steward.
"""

from app.services.backup.backups import BackupMade, Backups, BackupStatus
from app.services.backup.errors import (
    BackupBusy,
    BackupError,
    BadBackup,
    NotRestored,
    TargetInUse,
    UnknownBackup,
)
from app.services.backup.reader import Checked
from app.services.backup.restore import Restored
from app.services.backup.shelf import Kept, Retention
from app.services.backup.stored import Stored

__all__ = [
    "BackupBusy",
    "BackupError",
    "BackupMade",
    "BackupStatus",
    "Backups",
    "BadBackup",
    "Checked",
    "Kept",
    "NotRestored",
    "Restored",
    "Retention",
    "Stored",
    "TargetInUse",
    "UnknownBackup",
]
