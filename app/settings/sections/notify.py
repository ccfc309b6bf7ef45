"""Reaching the owner beside the application and by mail."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from app.settings.sections.section import Section
from app.settings.values import Listed, Phone

_SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{32,86}={0,2}")  # 24 to 64 bytes

Excluded = Literal["in_app", "email", "sms", "slack", "webhook"]


class Notify(Section):
    """Where the owner's notifications go, on the channels that a task names."""

    phone: Phone = Field(default="", description="the owner's number for SMS, like +4915112345678")
    slack_url: SecretStr = Field(
        default=SecretStr(""), description="the owner's incoming webhook of Slack; it is a secret"
    )
    webhook_url: SecretStr = Field(
        default=SecretStr(""), description="where the owner's webhook is, https:// or at home"
    )
    webhook_secret: SecretStr = Field(
        default=SecretStr(""),
        description="what it is signed with: whsec_ and the base64 of 24 to 64 bytes; while it is "
        "replaced, the new and the old one with a space between",
    )
    exclude: Annotated[tuple[Excluded, ...], *Listed] = Field(
        default=(),
        description="JSON list of channels on which the owner is never told anything: in_app, "
        "email, sms, slack, webhook",
    )
    notices: Annotated[tuple[Excluded, ...], *Listed] = Field(
        default=(),
        description="JSON list of channels on which the owner is told what Steward noticed, beside "
        "in the application: events ahead, important mail (not by mail), trouble with syncs; when "
        "empty, as `steward users` or their preferences say",
    )
    home_hosts: Annotated[tuple[str, ...], *Listed] = Field(
        default=(),
        description="JSON list of http(s) addresses at home whose host and port webhooks of any "
        "user may reach",
    )

    @field_validator("slack_url", "webhook_url")
    @classmethod
    def _web_address(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value():
            _refuse_unless_web(url.get_secret_value())
        return url

    @field_validator("home_hosts")
    @classmethod
    def _web_addresses(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for each in urls:
            _refuse_unless_web(each)
        return urls

    @field_validator("webhook_secret")
    @classmethod
    def _signs(cls, secret: SecretStr) -> SecretStr:
        for each in secret.get_secret_value().split():
            if not _SECRET.fullmatch(each):
                raise ValueError("must be whsec_ and the base64 of 24 to 64 bytes")
        return secret

    @model_validator(mode="after")
    def _signed(self) -> "Notify":
        if self.webhook_url.get_secret_value() and not self.webhook_secret.get_secret_value():
            raise ValueError("WEBHOOK_URL needs a WEBHOOK_SECRET to sign with")
        return self


def _refuse_unless_web(url: str) -> None:
    parts = urlsplit(url)
    is_clean = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_clean:
        raise ValueError("must be an address that begins with https:// or http://")
    if parts.port == 0:  # reading it refuses what is no port at all
        raise ValueError("must have a port between 1 and 65535")
