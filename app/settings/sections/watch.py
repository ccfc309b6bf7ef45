"""How Steward is watched: over HTTP, and by alerts."""

from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from app.settings.sections.section import Section
from app.settings.values import Address, Listed, Span

_SHORTEST_TOKEN = 16  # characters: nobody guesses that many


class Watch(Section):
    """What each worker process serves over HTTP."""

    port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="where a worker serves /live, /ready, /health and /metrics; of several "
        "processes each takes the next free port; 0 is nowhere",
    )
    host: str = Field(
        default="127.0.0.1",
        description="the address it listens on; one that other machines reach needs a token",
    )
    token: SecretStr = Field(
        default=SecretStr(""),
        description="what has to be sent as Authorization: Bearer, 16 or more characters; needed "
        "where other machines reach it",
    )

    @field_validator("host")
    @classmethod
    def _an_address(cls, host: str) -> str:
        try:
            return str(ip_address("127.0.0.1" if host == "localhost" else host))
        except ValueError:
            raise ValueError("must be an IP address such as 127.0.0.1, or localhost") from None

    @field_validator("token")
    @classmethod
    def _long_enough(cls, token: SecretStr) -> SecretStr:
        text = token.get_secret_value()
        if text and (len(text) < _SHORTEST_TOKEN or not text.isascii() or not text.isprintable()):
            raise ValueError("must have 16 or more printable ASCII characters")
        return token

    @model_validator(mode="after")
    def _closed_to_strangers(self) -> "Watch":
        if not self.is_local and not self.token.get_secret_value():
            raise ValueError(f"{self.host} is for other machines too: set STEWARD_WATCH__TOKEN")
        return self

    @property
    def is_local(self) -> bool:
        """Whether no other machine reaches it."""
        return ip_address(self.host).is_loopback


class Alerts(Section):
    """Whom an alert is told, beside the log."""

    mail_to: Annotated[tuple[Address, ...], *Listed] = Field(
        default=(),
        description="JSON list of mail addresses for alerts; when empty, the owner's",
    )
    by_mail: Literal["critical", "warning", "never"] = Field(
        default="critical", description="from how bad on an alert goes by mail, too"
    )
    slack: SecretStr = Field(
        default=SecretStr(""), description="the address of a Slack webhook that is told alerts"
    )
    webhook: SecretStr = Field(
        default=SecretStr(""), description="an address that gets each alert as JSON, by POST"
    )
    webhook_key: SecretStr = Field(
        default=SecretStr(""),
        description="what that is signed with, as Standard Webhooks are: whsec_ and the base64 of "
        "24 to 64 bytes; when empty, it is not signed",
    )
    cooldown: Span = Field(
        default=timedelta(minutes=5),
        description="seconds in which an alert that was over and comes back is still the same",
    )
    repeat: Span = Field(
        default=timedelta(hours=1),
        description="seconds after which an alert that nobody has acknowledged is told again",
    )

    @field_validator("slack", "webhook")
    @classmethod
    def _web_address(cls, url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        if text and (urlsplit(text).scheme not in {"http", "https"} or not urlsplit(text).hostname):
            raise ValueError("must be an address that begins with https://")
        return url
