"""Who it is for, and what it says of itself."""

from typing import Literal

from pydantic import Field

from app.settings.sections.section import Section
from app.settings.values import Address, TimesOfDay, Zone


class Owner(Section):
    """Who the assistant works for; created as the first user when Steward first starts."""

    name: str = Field(
        default="Owner", min_length=1, max_length=200, description="what to call the owner"
    )
    address: Address = Field(default="owner@localhost", description="where their mail goes")
    timezone: Zone = Field(default="UTC", description="the zone their times are meant in")
    quiet_hours: TimesOfDay = Field(
        default="",
        description="22:00-07:30, in that zone: what is not urgent waits until they are over",
    )


class Log(Section):
    """What Steward says about itself."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="the least urgent lines to show"
    )
