"""Ways to reach users: their addresses, and what goes out by SMS, to Slack and to webhooks."""

from alembic import op
from sqlalchemy import UniqueConstraint

from app.storage.migrations.columns import belongs_to, choice, flag, moment, number, row_id, text

revision = "0006"
down_revision = "0005"

_CHANNELS = "in_app email sms slack webhook"
_SMS = "pending accepted delivered retrying unknown failed expired dropped"


def upgrade() -> None:
    """Make their tables."""
    op.create_table(
        "ways",
        row_id(),
        belongs_to("users", "user_id"),
        choice("channel", "channel", _CHANNELS),
        text("address", 2_000),
        text("secret", 400),
        flag("wanted"),
        UniqueConstraint("user_id", "channel"),
    )
    op.create_table(
        "outgoing_sms",
        row_id(),
        text("key", 400),
        belongs_to("users", "user_id"),
        text("recipient", 40),
        text("text"),
        choice("status", "smsstatus", _SMS),
        number("attempts"),
        moment("next_at", nullable=True),
        text("provider_id", 100),
        number("code", nullable=True),
        text("detail"),
        moment("created_at"),
        UniqueConstraint("key"),
    )
    op.create_table(
        "outgoing_posts",
        row_id(),
        text("key", 400),
        belongs_to("users", "user_id"),
        choice("channel", "channel", _CHANNELS),
        choice("status", "poststatus", "pending sent failed unknown"),
        text("detail"),
        moment("created_at"),
        moment("settled_at", nullable=True),
        UniqueConstraint("key"),
    )
    for column in ("user_id", "status", "next_at", "created_at"):
        op.create_index(f"ix_outgoing_sms_{column}", "outgoing_sms", [column])
    op.create_index("ix_outgoing_posts_user_id", "outgoing_posts", ["user_id"])
