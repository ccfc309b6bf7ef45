"""An IMAP account: where it is, who we are there, how the line is protected."""

import ssl
from dataclasses import dataclass, field
from datetime import timedelta

from app.services.mail.security import Security

SETTING = "STEWARD_MAIL__IMAP__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One folder of one account on one server."""

    host: str
    port: int = 993
    username: str
    password: str = field(repr=False)
    security: Security = Security.TLS
    folder: str = "INBOX"
    timeout: timedelta = timedelta(seconds=30)
    """How long the server may be silent; a whole conversation step may take twice as long."""
    trust: ssl.SSLContext | None = None

    @property
    def name(self) -> str:
        """What it is called in the database, in results and in the log."""
        return f"imap:{self.username}@{self.host}/{self.folder}"

    @property
    def address(self) -> str:
        """Where the server is."""
        return f"{self.host}:{self.port}"
