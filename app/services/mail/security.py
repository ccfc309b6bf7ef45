"""How a connection to a mail server is protected."""

from enum import StrEnum


class Security(StrEnum):
    """How a connection to a mail server is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"
