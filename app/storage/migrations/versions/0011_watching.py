"""Watching: samples of machines and queues, worker processes, alerts, failures."""

from alembic import op

from app.storage.migrations.columns import big, choice, moment, number, real, row_id, text

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make their tables."""
    _samples()
    _sightings()
    _alerts()
    _failures()


def _samples() -> None:
    rates = ("read_rate", "write_rate", "receive_rate", "send_rate")
    shares = ("cpu_percent", "memory_percent", "disk_percent", "load_per_core")
    op.create_table(
        "machine_samples",
        text("host", 200, primary_key=True),
        moment("minute", primary_key=True),
        number("cores"),
        *map(real, (*shares, *rates)),
    )
    op.create_index("ix_machine_samples_minute", "machine_samples", ["minute"])
    op.create_table(
        "queue_samples",
        text("queue", 200, primary_key=True),
        moment("minute", primary_key=True),
        *map(big, ("ready", "deferred", "running")),
    )
    op.create_index("ix_queue_samples_minute", "queue_samples", ["minute"])


def _sightings() -> None:
    op.create_table(
        "worker_sightings",
        text("worker", 200, primary_key=True),
        text("host", 200),
        number("pid"),
        moment("started_at"),
        moment("seen_at"),
        moment("left_at", nullable=True),
        real("cpu_percent"),
        big("memory_bytes"),
        number("slots"),
    )
    op.create_index("ix_worker_sightings_seen_at", "worker_sightings", ["seen_at"])


def _alerts() -> None:
    op.create_table(
        "alerts",
        row_id(),
        text("rule", 100),
        text("subject", 200),
        choice("severity", "severity", "warning critical"),
        text("line"),
        real("value"),
        moment("raised_at"),
        moment("seen_at"),
        moment("told_at"),
        number("told"),
        text("acknowledged_by", 200),
        moment("acknowledged_at", nullable=True),
        moment("resolved_at", nullable=True),
    )
    op.create_index("ix_alerts_resolved_at", "alerts", ["resolved_at"])


def _failures() -> None:
    op.create_table(
        "failures",
        row_id(),
        text("run_id", 200),
        text("job", 200),
        text("queue", 200),
        choice("ending", "ending", "succeeded retrying snoozed cancelled released parked dead"),
        number("attempt"),
        moment("failed_at"),
        text("worker", 200),
        text("kind", 400),
        text("message"),
        text("arguments"),
        text("traceback"),
    )
    op.create_index("ix_failures_run_id", "failures", ["run_id"])
    op.create_index("ix_failures_failed_at", "failures", ["failed_at"])
