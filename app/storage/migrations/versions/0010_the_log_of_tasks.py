"""The log of tasks' runs, what their answers cost, and where probes write."""

from alembic import op
from sqlalchemy import UniqueConstraint

from app.storage.migrations.columns import belongs_to, choice, moment, number, row_id, text

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make its table, and a column for the cost."""
    op.add_column("ai_tasks", number("last_tokens", nullable=True))
    op.create_table(
        "ai_task_log",
        row_id(),
        belongs_to("ai_tasks", "task_id"),
        moment("due_at"),
        text("run_id", 200),
        choice("ending", "taskending", "executed failed"),
        text("method", 100),
        number("tokens"),
        number("took_ms"),
        text("error"),
        moment("ended_at"),
        UniqueConstraint("task_id", "due_at"),
    )
    op.create_index("ix_ai_task_log_ended_at", "ai_task_log", ["ended_at"])
    op.create_table("probes", text("name", 40, primary_key=True), text("token", 40), moment("at"))
