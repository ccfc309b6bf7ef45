"""Mirrors: what a folder and an account elsewhere were like when they were last alike."""

from alembic import op
from sqlalchemy import UniqueConstraint

from app.storage.migrations.columns import belongs_to, flag, row_id, text

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make their tables."""
    op.create_table(
        "mirrors",
        row_id(),
        belongs_to("users", "user_id"),
        text("name", 100),
        text("cursor"),
        UniqueConstraint("user_id", "name"),
    )
    op.create_table(
        "mirror_items",
        row_id(),
        belongs_to("mirrors", "mirror_id"),
        text("name", 255),
        text("remote_id", 1000, nullable=True),
        text("asked", 255),
        text("version", 1000),
        text("here", 64),
        text("there", 64),
        flag("is_pending"),
        UniqueConstraint("mirror_id", "name"),
        UniqueConstraint("mirror_id", "remote_id"),
    )
