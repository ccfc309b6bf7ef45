"""On which channels a user is told what Steward noticed, and since when mail that comes is new."""

from alembic import op
from sqlalchemy import Boolean, Column, false

from app.storage.migrations.columns import flag

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the columns; so far nobody was told anywhere else."""
    for table, name in (("ways", "notices"), ("mailboxes", "is_whole")):
        op.add_column(table, Column(name, Boolean(), nullable=False, server_default=false()))
    op.add_column("ways", flag("mail_notices", nullable=True))
    op.execute("UPDATE mailboxes SET is_whole = (epoch <> '')")
