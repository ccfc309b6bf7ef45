"""Calendars."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from app.settings.sections.section import Section
from app.settings.values import Listed

_FEED_SCHEMES = {"http", "https", "webcal", "webcals"}


class Calendar(Section):
    """Where events come from, beside the .ics files in the home's calendar folder."""

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
