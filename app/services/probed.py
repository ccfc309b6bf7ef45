"""What a probe of the scheduler has found; unless all is well, it is an error."""

from dataclasses import dataclass


class ProbeFailed(ConnectionError):
    """Something did not answer as it should; the message says what each part said."""

    def __init__(self, probed: "Probed") -> None:
        super().__init__(str(probed))
        self.probed = probed


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What the parts said."""

    connection_healthy: bool
    database: str
    redis: str
    ticks: str

    def __str__(self) -> str:
        """All of it in one line."""
        healthy = "true" if self.connection_healthy else "false"
        parts = f"database: {self.database}; redis: {self.redis}; ticks: {self.ticks}"
        return f"connection_healthy: {healthy}; {parts}"
