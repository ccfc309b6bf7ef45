"""How often a mirror that was held has recovered: held again, it is another time."""

from alembic import op
from sqlalchemy import Boolean, Column, false

from app.storage.migrations.columns import NUMBER

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the columns; so far nothing is known of it."""
    op.add_column("mirrors", Column("is_held", Boolean(), nullable=False, server_default=false()))
    op.add_column("mirrors", Column("recoveries", NUMBER, nullable=False, server_default="0"))
