"""What can go wrong with a backup.

BackupError
├── BackupBusy      another one is being made in the same folder
├── BadBackup       the file is damaged, unfinished, or no backup of ours
├── UnknownBackup   there is none of that name
├── TargetInUse     there is something where it should be restored to
└── NotRestored     something went wrong once that had been moved aside
"""


class BackupError(Exception):
    """A backup can't be made or read."""


class BackupBusy(BackupError):
    """Another backup is being made in the same folder; the next time may go better."""


class BadBackup(BackupError, ValueError):
    """The file is damaged, unfinished, or no backup of ours; no second look makes it better."""


class UnknownBackup(BackupError, LookupError):
    """There is no backup of that name."""


class TargetInUse(BackupError):
    """There is something where the backup should go, and nobody said that it may be moved aside."""


class NotRestored(BackupError):
    """Something went wrong once what was there had been moved aside; it says where that is."""
