"""What two folders were like when they were last alike."""

from alembic import op

from app.storage.migrations.columns import text

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make its table."""
    op.create_table(
        "synced_files",
        text("pair", 64, primary_key=True),
        text("path", primary_key=True),
        text("digest", 64),
    )
