"""What of a home is saved, and whose it is.

All of it, without what is made anew by itself (logs, temporary files, locks, sockets), what is a
secret of this machine (the key that signs), the queues, and the backups themselves. The database
is saved in its own way. What lies below `users/<id>` is that user's, and all else the owner's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DATABASE = "steward.db"
ASIDE = "before-restore-"
STAGING = ".restoring-"
HELD = "held.db"
"""What a server holds, while it is copied before a restore."""
_NEVER = {"backups", "logs", "tmp", "valkey", "secret.key"}
_PASSING = re.compile(r"steward\.db.*|.*\.lock|.*\.sock|secret\.key.*|valkey\..*")


def is_saved(name: str) -> bool:
    """Whether a name in the home itself belongs to what is saved, the database left aside."""
    if name in _NEVER or name.startswith((ASIDE, STAGING)):
        return False
    return _PASSING.fullmatch(name) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The folders that are saved."""

    home: Path
    folders: tuple[Path, ...] = ()
    """Further ones of the owner's, outside of the home."""
    owner: int = 0

    def roots(self) -> Mapping[str, Path]:
        """Each folder by where it is put in a backup."""
        further = {f"folders/{at}-{each.name}": each for at, each in enumerate(self.folders, 1)}
        return {"": self.home, **further}

    def skips(self, prefix: str, path: str) -> bool:
        """Whether this is not saved; `path` is seen from the root with that prefix."""
        return not prefix and "/" not in path and not is_saved(path)

    def user_of(self, path: str) -> int:
        """Whose a path in the backup is."""
        first, _, rest = path.partition("/")
        name = rest.partition("/")[0]
        if first == "users" and name.isascii() and name.isdigit():
            return int(name)
        return self.owner
