"""Mail, out and in."""

from enum import StrEnum
from typing import Literal

from pydantic import Field, SecretStr

from app.settings.sections.section import Section
from app.settings.values import Address


class Security(StrEnum):
    """How a connection to a mail server is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class Smtp(Section):
    """The server that takes outgoing mail."""

    host: str = Field(
        default="", description="when empty, outgoing mail stays in the home's Maildir"
    )
    port: int = Field(default=587, ge=1, le=65535, description="its port")
    username: str = Field(default="", description="when empty, no login is tried")
    password: SecretStr = Field(default=SecretStr(""), description="its password")
    security: Security = Field(default=Security.STARTTLS, description="none, starttls or tls")


class Imap(Section):
    """The account whose mail is read; one may be named."""

    host: str = Field(
        default="", description="when empty, incoming mail is what lies in the home's Maildir alone"
    )
    port: int = Field(default=993, ge=1, le=65535, description="its port; 143 for starttls")
    username: str = Field(default="", description="whom to log in as, often the mail address")
    password: SecretStr = Field(default=SecretStr(""), description="their password")
    security: Security = Field(default=Security.TLS, description="none, starttls or tls")
    folder: str = Field(
        default="INBOX", min_length=1, description="the folder whose mail is read and filed"
    )
    sort: bool = Field(
        default=False,
        description="whether the mail in that folder is moved into Steward/ by category, and its "
        "owner told of what is important; false leaves it where it is",
    )


class Mail(Section):
    """Mail: how it goes out, and where it comes in."""

    sender: Address = Field(
        default="steward@localhost", description="the From of what Steward sends"
    )
    in_doubt: Literal["repeat", "ask"] = Field(
        default="repeat",
        description="when a crash leaves open whether a mail was sent: repeat sends it again under "
        "the same Message-ID, ask leaves it to `steward effects`",
    )
    smtp: Smtp = Smtp()
    imap: Imap = Imap()
