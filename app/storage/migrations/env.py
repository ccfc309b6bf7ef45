"""Run by alembic on the connection it is given: take the missing steps, or compare for a new."""

import logging
from typing import Any, Literal

from alembic import context

from app.storage.base import Base, Json, UtcDateTime


def _as_plain_types(_kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Steps don't use our own types: what they did yesterday must not change tomorrow."""
    match item:
        case UtcDateTime():
            return "sa.DateTime(timezone=True)"
        case Json():
            return "sa.JSON()"
        case _:
            return False


logging.getLogger("alembic").setLevel(logging.WARNING)
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite changes a table by making another
    render_item=_as_plain_types,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
