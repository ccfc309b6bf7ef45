"""How long what is over is kept."""

from datetime import timedelta

from pydantic import Field

from app.settings.sections.section import Section
from app.settings.values import Span


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
