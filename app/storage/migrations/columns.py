"""Columns as the steps write them.

A step that was released keeps its meaning: add here, but never change what one of these makes.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column

NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
"""A whole number of 64 bits, as SQLite's are."""


def row_id() -> Column[int]:
    """The number of a row, given by the database."""
    return Column("id", NUMBER, primary_key=True)


def text(
    name: str, length: int | None = None, *, nullable: bool = False, primary_key: bool = False
) -> Column[str]:
    """Text; no database enforces the length."""
    kind = sa.String(length).with_variant(sa.Text(), "postgresql")
    return Column(name, kind, nullable=nullable, primary_key=primary_key)


def number(name: str, *, nullable: bool = False) -> Column[int]:
    """A whole number."""
    return Column(name, NUMBER, nullable=nullable)


def raw(name: str) -> Column[bytes]:
    """Bytes."""
    return Column(name, sa.LargeBinary(), nullable=False)


def flag(name: str, *, nullable: bool = False) -> Column[bool]:
    """True or false."""
    return Column(name, sa.Boolean(), nullable=nullable)


def moment(name: str, *, nullable: bool = False, primary_key: bool = False) -> Column[datetime]:
    """A moment, in UTC."""
    return Column(name, sa.DateTime(timezone=True), nullable=nullable, primary_key=primary_key)


def json(name: str, *, nullable: bool = False) -> Column[Any]:
    """Any JSON value."""
    return Column(name, sa.JSON(), nullable=nullable)


def choice(name: str, check: str, values: str, *, nullable: bool = False) -> Column[str]:
    """One of these values: the CHECK constraint `ck_<table>_<check>` refuses any other."""
    kind = sa.Enum(
        *values.split(), name=check, native_enum=False, create_constraint=True, length=40
    )
    return Column(name, kind, nullable=nullable)


def belongs_to(table: str, name: str) -> Column[int]:
    """The row this one belongs to, and goes with."""
    return Column(name, NUMBER, sa.ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False)


def big(name: str) -> Column[int]:
    """A whole number beyond 2**31."""
    return Column(name, sa.BigInteger, nullable=False)


def real(name: str) -> Column[float]:
    """A number with a fraction, of eight bytes."""
    return Column(name, sa.Double, nullable=False)
