"""The tables' history, as numbered alembic revisions, and what brings a file up to date."""

from pathlib import Path

from sqlalchemy import create_engine

from app.storage.base import Base


def upgrade(path: Path) -> None:
    """Bring the tables of this file up to date; blocking."""
    engine = create_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    engine.dispose()
