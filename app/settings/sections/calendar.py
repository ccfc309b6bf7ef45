"""Calendars."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from app.settings.sections.section import Section
from app.settings.values import Listed

_WEB = {"http", "https"}
_FEED_SCHEMES = {*_WEB, "webcal", "webcals"}


class CalDav(Section):
    """An account on a CalDAV server: Nextcloud, Fastmail, iCloud, Radicale and many others."""

    url: str = Field(
        default="",
        description="the address of a CalDAV account, or of one calendar; when empty, there is "
        "none. Only the host named here may be one at home",
    )
    username: str = Field(default="", description="when empty, no login is tried")
    password: SecretStr = Field(
        default=SecretStr(""), description="its password; an app password where the server has them"
    )
    token: SecretStr = Field(
        default=SecretStr(""),
        description="a bearer token, in place of USERNAME and PASSWORD, where the server takes one",
    )

    @model_validator(mode="after")
    def _one_login(self) -> "CalDav":
        if self.token.get_secret_value() and (self.username or self.password.get_secret_value()):
            raise ValueError("TOKEN takes the place of USERNAME and PASSWORD: leave those empty")
        return self

    @field_validator("url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        parts = urlsplit(url.strip())
        if url and (parts.scheme.lower() not in _WEB or not parts.hostname or parts.port == 0):
            raise ValueError("must be an address that begins with https://")
        if parts.username or parts.password:
            raise ValueError("must hold no password: STEWARD_CALENDAR__CALDAV__PASSWORD does")
        return url.strip()


class Calendar(Section):
    """Where events come from, beside the .ics files in the home's calendar folder."""

    caldav: CalDav = CalDav()

    feeds: Annotated[tuple[SecretStr, ...], *Listed] = Field(
        default=(), description="JSON list of http(s) addresses of .ics feeds"
    )

    @field_validator("feeds")
    @classmethod
    def _web_addresses(cls, feeds: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for each in feeds:
            parts = urlsplit(each.get_secret_value().strip())
            if parts.scheme.lower() not in _FEED_SCHEMES or not parts.hostname or parts.port == 0:
                raise ValueError("each must be an address that begins with https:// or webcal://")
        return feeds
