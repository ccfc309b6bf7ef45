"""The outbox: runs that are written down in a transaction, and enqueued after it."""

from alembic import op
from sqlalchemy import UniqueConstraint

from app.storage.migrations.columns import moment, number, raw, row_id, text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make its table."""
    op.create_table(
        "outbox",
        row_id(),
        text("mark", 40),
        text("run_id", 200),
        text("job", 200),
        text("queue", 200),
        raw("run"),
        moment("written_at"),
        number("tries"),
        moment("try_at"),
        text("trouble"),
        UniqueConstraint("mark"),
    )
