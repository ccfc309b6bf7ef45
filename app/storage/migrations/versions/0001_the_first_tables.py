"""The first tables.

This step writes down what the rows of its day said; it does not look at today's.
"""

from alembic import op
from sqlalchemy import CheckConstraint, Column, UniqueConstraint

from app.storage.migrations.columns import (
    NUMBER,
    belongs_to,
    choice,
    flag,
    json,
    moment,
    number,
    row_id,
    text,
)

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table."""
    _people()
    _tasks()
    _mail()
    _calendar()
    _history()


def _people() -> None:
    """Whom Steward works for, and what it told them."""
    op.create_table(
        "users",
        row_id(),
        text("name", 200),
        text("address", 254),
        text("timezone", 64),
        flag("wants_mail"),
        flag("active"),
        flag("is_owner", nullable=True),
        moment("created_at"),
        UniqueConstraint("is_owner"),
    )
    op.create_table(
        "notices",
        row_id(),
        belongs_to("users", "user_id"),
        text("dedupe_key", 200),
        text("title", 255),
        text("body"),
        moment("created_at"),
        UniqueConstraint("user_id", "dedupe_key"),
    )


def _tasks() -> None:
    """What they asked for."""
    op.create_table(
        "ai_tasks",
        row_id(),
        belongs_to("users", "user_id"),
        text("title", 255),
        text("description"),
        choice("task_type", "tasktype", "reminder automated_task periodic_task"),
        choice("schedule_type", "scheduletype", "once daily weekly monthly custom"),
        json("schedule_config"),
        text("timezone", 64),
        text("ai_context"),
        json("channels"),
        choice("status", "taskstatus", "active paused completed failed"),
        moment("next_run_at", nullable=True),
        moment("last_run_at", nullable=True),
        moment("answered_for", nullable=True),
        text("last_result", nullable=True),
        text("last_method", 100, nullable=True),
        text("last_error", nullable=True),
        number("failures"),
        text("run_id", 200, nullable=True),
        moment("claimed_until", nullable=True),
        text("creation_key", 200, nullable=True),
        moment("created_at"),
        moment("updated_at"),
        CheckConstraint("status <> 'active' OR next_run_at IS NOT NULL", name="active_is_due"),
        CheckConstraint("(run_id IS NULL) = (claimed_until IS NULL)", name="claim"),
        CheckConstraint("status <> 'completed' OR next_run_at IS NULL", name="completed_is_over"),
        CheckConstraint("failures >= 0", name="failures"),
        CheckConstraint("length(title) BETWEEN 1 AND 255", name="title_length"),
        UniqueConstraint("user_id", "creation_key"),
    )
    op.create_index("ix_ai_tasks_status_next_run_at", "ai_tasks", ["status", "next_run_at"])


def _mail() -> None:
    """Letters on their way out, and those filed."""
    op.create_table(
        "outgoing_mail",
        row_id(),
        text("key", 400),
        belongs_to("users", "user_id"),
        text("message_id", 400),
        text("recipients"),
        text("subject"),
        choice("status", "mailstatus", "pending sent refused"),
        moment("created_at"),
        moment("accepted_at", nullable=True),
        text("detail"),
        UniqueConstraint("key"),
        UniqueConstraint("message_id"),
    )
    op.create_index("ix_outgoing_mail_user_id", "outgoing_mail", ["user_id"])
    op.create_table(
        "incoming_mail",
        row_id(),
        text("key", 64),
        belongs_to("users", "user_id"),
        text("message_id"),
        text("sender"),
        text("subject"),
        text("category", 40),
        text("reason"),
        moment("filed_at"),
        UniqueConstraint("key"),
    )
    op.create_index("ix_incoming_mail_user_id", "incoming_mail", ["user_id"])


def _calendar() -> None:
    """Calendars as they were last read."""
    op.create_table(
        "calendar_sources",
        row_id(),
        belongs_to("users", "user_id"),
        text("name", 100),
        text("etag", 1000),
        text("last_modified", 100),
        text("digest", 64),
        text("view", 200),
        moment("read_at"),
        UniqueConstraint("user_id", "name"),
    )
    op.create_table(
        "calendar_events",
        row_id(),
        belongs_to("calendar_sources", "source_id"),
        text("uid", 255),
        text("title"),
        text("place"),
        text("notes"),
        moment("starts_at"),
        moment("ends_at"),
        flag("all_day"),
        text("zone", 100),
        text("rule"),
        flag("is_cancelled"),
        number("sequence"),
        text("digest", 64),
        text("listed", 64),
        UniqueConstraint("source_id", "uid"),
    )
    op.create_index("ix_calendar_events_source_id", "calendar_events", ["source_id"])
    op.create_table(
        "calendar_occurrences",
        row_id(),
        belongs_to("calendar_events", "event_id"),
        moment("starts_at"),
        moment("ends_at"),
        flag("all_day"),
        text("title"),
        text("place"),
    )
    op.create_index("ix_calendar_occurrences_event_id", "calendar_occurrences", ["event_id"])
    op.create_index("ix_calendar_occurrences_starts_at", "calendar_occurrences", ["starts_at"])


def _history() -> None:
    """What was done, and how healthy it was."""
    op.create_table(
        "runs",
        text("id", primary_key=True),
        moment("enqueued_at", primary_key=True),
        text("job"),
        text("queue"),
        choice("status", "ending", "succeeded retrying snoozed cancelled released parked dead"),
        number("attempts"),
        moment("started_at"),
        moment("ended_at"),
        text("worker"),
        text("owner"),
        text("parent"),
        text("error_kind"),
        text("error_message"),
    )
    op.create_index("ix_runs_ended_at", "runs", ["ended_at"])
    op.create_index("ix_runs_queue_ended_at", "runs", ["queue", "ended_at"])
    op.create_index("ix_runs_status_ended_at", "runs", ["status", "ended_at"])
    op.create_table(
        "history_position",
        Column("id", NUMBER, primary_key=True, autoincrement=False),
        number("epoch"),
        number("last"),
        text("entry_id"),
        CheckConstraint("id = 1", name="only_one"),
    )
    op.create_table(
        "history_gaps",
        row_id(),
        number("epoch"),
        number("missed"),
        moment("since", nullable=True),
        moment("until"),
    )
    op.create_table(
        "health_checks",
        row_id(),
        moment("checked_at"),
        text("overall", 20),
        json("report", nullable=True),
    )
    op.create_index("ix_health_checks_checked_at", "health_checks", ["checked_at"])
