"""Sessions, the cache, and what was done for the database."""

from alembic import op

from app.storage.migrations.columns import belongs_to, json, moment, raw, row_id, text

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make their tables."""
    op.create_table(
        "sessions",
        text("id", 64, primary_key=True),
        belongs_to("users", "user_id"),
        text("about", 200),
        moment("created_at"),
        moment("used_at"),
        moment("expires_at"),
    )
    for column in ("user_id", "used_at", "expires_at"):
        op.create_index(f"ix_sessions_{column}", "sessions", [column])
    op.create_table(
        "cache",
        text("key", 200, primary_key=True),
        raw("value"),
        text("digest", 32),
        moment("stored_at"),
        moment("expires_at"),
    )
    op.create_index("ix_cache_expires_at", "cache", ["expires_at"])
    op.create_table(
        "optimizations", row_id(), moment("began_at"), text("dialect", 20), json("result")
    )
    op.create_index("ix_optimizations_began_at", "optimizations", ["began_at"])
