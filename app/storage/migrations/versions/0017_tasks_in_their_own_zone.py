"""Which tasks were given a zone of their own; the others follow their user's."""

from alembic import op
from sqlalchemy import Boolean, Column, false

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the column; so far nobody could give one."""
    op.add_column("ai_tasks", Column("own_zone", Boolean(), nullable=False, server_default=false()))
