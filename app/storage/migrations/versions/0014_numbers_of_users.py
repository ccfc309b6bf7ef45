"""A user's number is never another's, also after they were deleted."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Have SQLite remember the highest number that it gave; PostgreSQL does that anyway."""
    if op.get_bind().dialect.name == "sqlite":
        again = {"sqlite_autoincrement": True}
        with op.batch_alter_table("users", recreate="always", table_kwargs=again):
            pass
