"""Quiet hours: when a user is not to be disturbed."""

from alembic import op
from sqlalchemy import Column, Time

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Give users the two times, both or none."""
    for name in ("quiet_from", "quiet_until"):
        op.add_column("users", Column(name, Time(), nullable=True))
