"""The tables of calendars: where events come from, the events, and when each of them happens."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base
from app.storage.users import UserRow

_DIGEST = 64  # characters of a SHA-256


class CalendarSourceRow(Base):
    """A folder or feed that a user's events come from, and what it was like when last read."""

    __tablename__ = "calendar_sources"
    __table_args__ = (UniqueConstraint("user_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(UserRow.id, ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    etag: Mapped[str] = mapped_column(String(1_000))
    last_modified: Mapped[str] = mapped_column(String(100))
    digest: Mapped[str] = mapped_column(String(_DIGEST))
    view: Mapped[str] = mapped_column(String(200))
    """Which days' occurrences are stored, and in which zone they were worked out."""
    read_at: Mapped[datetime]


class CalendarEventRow(Base):
    """An event, or a series of them, under the UID its source gives it."""

    __tablename__ = "calendar_events"
    __table_args__ = (UniqueConstraint("source_id", "uid"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int] = mapped_column(
        ForeignKey(CalendarSourceRow.id, ondelete="CASCADE"), index=True
    )
    uid: Mapped[str] = mapped_column(String(255))
    title: Mapped[str]
    place: Mapped[str]
    notes: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    all_day: Mapped[bool]
    zone: Mapped[str] = mapped_column(String(100))
    rule: Mapped[str]
    is_cancelled: Mapped[bool]
    sequence: Mapped[int]
    digest: Mapped[str] = mapped_column(String(_DIGEST))
    """Of what the source says about the event: another one means that it was changed."""
    listed: Mapped[str] = mapped_column(String(_DIGEST))
    """Of its occurrences: they also change with the days in view."""


class CalendarOccurrenceRow(Base):
    """One time that an event happens."""

    __tablename__ = "calendar_occurrences"

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[int] = mapped_column(
        ForeignKey(CalendarEventRow.id, ondelete="CASCADE"), index=True
    )
    starts_at: Mapped[datetime] = mapped_column(index=True)
    ends_at: Mapped[datetime]
    all_day: Mapped[bool]
    title: Mapped[str]
    place: Mapped[str]
