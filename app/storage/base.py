"""What every table is built on: names for constraints, and columns that can't hold nonsense.

class TaskRow(Base):
    __tablename__ = "tasks"
    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[Status]                  # a StrEnum: the database refuses any other value
    config: Mapped[dict[str, Any]]          # JSON; None is NULL
    next_run_at: Mapped[datetime | None]    # aware, in UTC; a naive one is refused
"""

from datetime import UTC, datetime
from enum import Enum, StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, MetaData
from sqlalchemy import Enum as Choice
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

_NAMES = {  # SQLite can only drop or change a constraint that has a name
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware on the way in, UTC on the way out; a naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn a moment into UTC; raises `ValueError` for one without a zone."""
        del dialect
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError(f"{value.isoformat()} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the stored moment its zone back, which SQLite does not keep."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Json(TypeDecorator[Any]):
    """Any JSON value; None is NULL. Replace the value to change it: edits inside are not seen."""

    impl = JSON(none_as_null=True)
    cache_ok = True


def _values(kind: type[Enum]) -> list[str]:
    return [str(member.value) for member in kind]


_CHOICE = Choice(  # text that a CHECK constraint holds to the members' values
    StrEnum, native_enum=False, create_constraint=True, values_callable=_values, length=40
)


_NUMBER = Integer().with_variant(BigInteger(), "postgresql")  # 64 bits, as any of SQLite's


class Base(DeclarativeBase):
    """Base of every row."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: _NUMBER,
        datetime: UtcDateTime(),
        StrEnum: _CHOICE,
        dict[str, Any]: Json(),
        list[str]: Json(),
    }
