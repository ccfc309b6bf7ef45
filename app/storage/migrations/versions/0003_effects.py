"""Effects: what jobs have done to the world outside, so that it happens once."""

from alembic import op
from sqlalchemy import BigInteger, Column

from app.storage.migrations.columns import choice, flag, moment, number, raw, text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "effects",
        text("key", 800, primary_key=True),
        text("run_id", 200),
        text("origin", 400),
        text("name", 400),
        flag("is_shared"),
        choice("state", "effectstate", "begun done in_doubt settled"),
        text("by", 40),
        text("job", 200),
        number("attempt"),
        text("worker", 200),
        Column("since_ms", BigInteger, nullable=False),
        flag("asks"),
        raw("result"),
        moment("alive_at"),
    )
    for column in ("run_id", "state", "alive_at"):
        op.create_index(f"ix_effects_{column}", "effects", [column])
