"""How long what is over is kept."""

from datetime import timedelta

from pydantic import Field

from app.settings.sections.section import Section
from app.settings.values import Seconds, Span


class Sessions(Section):
    """Who is logged in, and for how long."""

    lifetime: Span = Field(
        default=timedelta(days=30), description="seconds after which a login ends in any case"
    )
    idle: Span = Field(
        default=timedelta(days=7), description="seconds after which a login nobody uses ends"
    )


class History(Section):
    """What is remembered of the past."""

    keep: Span = Field(
        default=timedelta(days=90),
        description="seconds that runs which are over, health checks and the like are remembered",
    )
    keep_notices: Seconds = Field(
        default=timedelta(days=90),
        ge=timedelta(0),
        description="seconds that what a user was told in the application is kept; 0 is for ever",
    )
    keep_messages: Seconds = Field(
        default=timedelta(days=365),
        ge=timedelta(0),
        description="seconds that the records of mail, SMS and posts that went out, and of mail "
        "that was filed, are kept; what is still to be sent or in doubt stays; 0 is for ever",
    )
