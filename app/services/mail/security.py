"""How a connection to a mail server is protected."""

import ssl
from enum import StrEnum


class Security(StrEnum):
    """How a connection to a mail server is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


def distrusted(error: ssl.SSLCertVerificationError) -> str:
    """What is wrong with a server's certificate, in a line."""
    why = error.verify_message.rstrip(".") or "nobody vouches for it"
    return f"its certificate can't be verified: {why}"
