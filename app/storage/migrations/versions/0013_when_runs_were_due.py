"""When a run was due, where that was later than when it was enqueued."""

from alembic import op

from app.storage.migrations.columns import moment

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add its column; of runs before it nobody knows."""
    op.add_column("runs", moment("due_at", nullable=True))
