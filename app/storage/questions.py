"""What Steward asks its database all day, and how many rows there are: to tell how that fares."""

from typing import Final

from sqlalchemy import func, select

from app.storage.migrations import every_table

USUAL: Final = (
    "SELECT * FROM ai_tasks WHERE status = 'active' AND next_run_at <= CURRENT_TIMESTAMP"
    " ORDER BY next_run_at LIMIT 50",
    "SELECT * FROM runs ORDER BY ended_at DESC, id LIMIT 50",
    "SELECT status, count(*) FROM runs GROUP BY status",
    "SELECT * FROM notices WHERE user_id = 1 ORDER BY id DESC LIMIT 50",
    "SELECT * FROM health_checks ORDER BY id DESC LIMIT 1",
)


def counts() -> dict[str, str]:
    """For each table of ours the question how many rows it has."""
    tables = every_table().sorted_tables
    return {each.name: str(select(func.count()).select_from(each)) for each in tables}
