"""Write the next step: the difference between the rows in code and the steps so far."""

import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import create_engine

from app.storage.migrations import alembic_config, every_table, revisions, upgrade


def write_step(message: str) -> None:
    """Compare the rows with a new database that has taken every step."""
    every_table()
    number = f"{len(revisions()) + 1:04}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "steward.db"
        if revisions():
            upgrade(path)
        with create_engine(f"sqlite:///{path}").connect() as connection:
            config = alembic_config(connection)
            command.revision(config, message, autogenerate=True, rev_id=number)


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004
        sys.exit('usage: python -m app.storage.migrations "What changes"')
    write_step(sys.argv[1])
