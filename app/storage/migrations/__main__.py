"""Write the next step: the difference between the rows in code and the steps so far."""

import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import URL, create_engine

from app.storage.migrations import alembic_config, every_table, revisions, upgrade


def write_step(message: str) -> None:
    """Compare the rows with a new database that has taken every step."""
    every_table()
    number = f"{len(revisions()) + 1:04}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "steward.db"
        upgrade(path)
        with create_engine(URL.create("sqlite", database=str(path))).connect() as connection:
            config = alembic_config(connection)
            command.revision(config, message, autogenerate=True, rev_id=number)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [message]:
            write_step(message)
        case _:
            sys.exit('usage: python -m app.storage.migrations "What changes"')
