"""Mailboxes: what lies in them, and how far they were read."""

from alembic import op
from sqlalchemy import BigInteger, Column, UniqueConstraint

from app.storage.migrations.columns import belongs_to, moment, row_id, text

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make their tables."""
    op.create_table(
        "mailboxes",
        row_id(),
        belongs_to("users", "user_id"),
        text("name", 400),
        text("epoch", 40),
        _large("last"),
        text("token", 100),
        moment("read_at"),
        UniqueConstraint("user_id", "name"),
    )
    op.create_table(
        "mailbox_entries",
        row_id(),
        belongs_to("mailboxes", "mailbox_id"),
        text("epoch", 40),
        text("place", 300),
        _large("number"),
        text("key", 64),
        _large("size"),
        text("flags"),
        text("message_id"),
        text("sender"),
        text("subject"),
        text("category", 40),
        text("reason"),
        text("problem"),
        moment("seen_at"),
        UniqueConstraint("mailbox_id", "epoch", "place"),
    )
    op.create_index("ix_mailbox_entries_mailbox_id_key", "mailbox_entries", ["mailbox_id", "key"])


def _large(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)
