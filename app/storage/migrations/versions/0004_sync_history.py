"""What each sync with something outside did."""

from alembic import op
from sqlalchemy import Column, ForeignKey

from app.storage.migrations.columns import NUMBER, choice, json, moment, number, row_id, text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make its table."""
    op.create_table(
        "sync_history",
        row_id(),
        Column("user_id", NUMBER, ForeignKey("users.id", ondelete="CASCADE"), nullable=True),
        text("kind", 40),
        text("source", 100),
        moment("started_at"),
        moment("ended_at", nullable=True),
        choice(
            "outcome",
            "syncoutcome",
            "running success partial_success failed not_configured interrupted",
        ),
        *map(number, ("new", "updated", "deleted", "unchanged", "sent", "conflicts", "failed")),
        json("errors"),
    )
    op.create_index("ix_sync_history_started_at", "sync_history", ["started_at"])
    op.create_index(
        "ix_sync_history_kind_source_started_at", "sync_history", ["kind", "source", "started_at"]
    )
