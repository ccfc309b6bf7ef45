"""The people Steward works for. One of them is the owner: whose home it is, and whose mailbox.

The owner is what the settings say. They are created at the first start; a later start with another
name, address or zone changes them, so that there is one place to look.
"""

from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import String, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.address import Address, parse_address
from app.storage.base import Base, UtcDateTime
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.quiet_hours import InvalidQuietHours, QuietHours

_LONGEST_NAME = 200


class UnknownUser(LookupError, ValueError):
    """There is no such user. A ValueError too, since no retry brings them into being."""


class InvalidUser(ValueError):
    """A name, address or time zone that can't be theirs."""


class UserRow(Base):
    """A user as the database keeps them."""

    __tablename__ = "users"
    __table_args__ = ({"sqlite_autoincrement": True},)  # a number is never another's again

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(_LONGEST_NAME))
    address: Mapped[str] = mapped_column(String(254))
    timezone: Mapped[str] = mapped_column(String(64))
    wants_mail: Mapped[bool]
    active: Mapped[bool]
    is_owner: Mapped[bool | None] = mapped_column(unique=True)
    """True or null, never false, so that the unique index lets one row be the owner's."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    quiet_from: Mapped[time | None]
    quiet_until: Mapped[time | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody Steward works for."""

    id: int
    name: str
    address: Address
    timezone: str
    wants_mail: bool
    active: bool
    created_at: datetime
    quiet_hours: QuietHours | None = None
    """In their own zone; what is not urgent waits until these are over."""


class Users:
    """The users in the database."""

    def __init__(self, database: Database, *, now: Now = utc_now) -> None:
        self._database = database
        self._now = now

    async def get(self, user_id: int) -> User:
        """The user with this id; raises `UnknownUser`."""
        async with self._database.read() as session:
            return _user(await _known(session, user_id))

    async def active(self) -> tuple[User, ...]:
        """Everybody Steward still works for, the oldest first."""
        return tuple(user for user in await self.everybody() if user.active)

    async def everybody(self) -> tuple[User, ...]:
        """All users, the oldest first."""
        async with self._database.read() as session:
            return tuple(map(_user, await session.scalars(select(UserRow).order_by(UserRow.id))))

    async def only(self) -> User:
        """The one active user; raises `UnknownUser` when there are none or several."""
        if len(found := await self.active()) == 1:
            return found[0]
        several = f"there are {len(found)} users: say which one"
        raise UnknownUser(several if found else "there is no user yet: start Steward once")

    async def owner(self) -> User:
        """Whose home this is; raises `UnknownUser` before the first start."""
        async with self._database.read() as session:
            if row := await session.scalar(select(UserRow).where(UserRow.is_owner.is_(True))):
                return _user(row)
        raise UnknownUser("this home has no owner yet: start Steward once")

    async def add(
        self,
        *,
        name: str,
        address: str,
        timezone: str = "UTC",
        wants_mail: bool = True,
        active: bool = True,
        quiet_hours: str = "",
    ) -> User:
        """A new user. Raises `InvalidUser` or `InvalidAddress`, naming what is wrong."""
        row = UserRow(
            **_checked(name, address, timezone),
            **_quiet(quiet_hours),
            wants_mail=wants_mail,
            active=active,
            created_at=self._now(),
        )
        async with self._database.write() as session:
            session.add(row)
            await session.flush()
            await _refuse_twin(session, row)
        return _user(row)

    async def ensure_owner(
        self, *, name: str, address: str, timezone: str, quiet_hours: str = ""
    ) -> User:
        """The owner, as given here: created, brought up to date, or as they were.

        Without quiet hours they keep those that they have.
        """
        given = dict[str, object](_checked(name, address, timezone))
        given |= _quiet(quiet_hours) if quiet_hours else {}
        async with self._database.write() as session:
            row = await session.scalar(select(UserRow).where(UserRow.is_owner.is_(True)))
            if row is None:
                row = UserRow(is_owner=True, wants_mail=True, active=True, created_at=self._now())
                session.add(row)
            for field, value in given.items():
                setattr(row, field, value)
        return _user(row)

    async def prefer(
        self,
        user_id: int,
        *,
        timezone: str | None = None,
        wants_mail: bool | None = None,
        quiet_hours: str | None = None,
    ) -> frozenset[str]:
        """Let it be as they like; None leaves it. Returns the names of what was changed.

        Raises `UnknownUser` or `InvalidUser`, and changes nothing then.
        """
        before, names = await self.get(user_id), ("timezone", "wants_mail", "quiet_hours")
        after = await self.change(
            user_id, timezone=timezone, wants_mail=wants_mail, quiet_hours=quiet_hours
        )
        return frozenset(each for each in names if getattr(before, each) != getattr(after, each))

    async def change(
        self,
        user_id: int,
        *,
        name: str | None = None,
        address: str | None = None,
        timezone: str | None = None,
        wants_mail: bool | None = None,
        quiet_hours: str | None = None,
        active: bool | None = None,
    ) -> User:
        """The user as they are from now on; None leaves a thing as it is.

        Raises `UnknownUser`, `InvalidUser` or `InvalidAddress`, and changes nothing then.
        """
        async with self._database.write() as session:
            row = await _known(session, user_id)
            given: dict[str, object] = {
                **_checked(name or row.name, address or row.address, timezone or row.timezone)
            }
            given |= {} if wants_mail is None else {"wants_mail": wants_mail}
            given |= {} if quiet_hours is None else _quiet(quiet_hours)
            given |= {} if active is None else {"active": active}
            for field, value in given.items():
                setattr(row, field, value)
            if address or active:
                await _refuse_twin(session, row)
        return _user(row)

    async def delete(self, user_id: int) -> None:
        """Forget a user and all that is theirs. Raises `UnknownUser`, also for the owner."""
        of_them = delete(UserRow).where(UserRow.id == user_id, UserRow.is_owner.is_(None))
        async with self._database.write() as session:
            gone = await session.scalar(of_them.returning(UserRow.id))
        if gone is None:
            raise UnknownUser(f"there is no user {user_id} that can be deleted")


async def _known(session: AsyncSession, user_id: int) -> UserRow:
    if row := await session.get(UserRow, user_id):
        return row
    raise UnknownUser(f"there is no user {user_id}")


async def _refuse_twin(session: AsyncSession, row: UserRow) -> None:
    """An address says whose preferences a file holds, so it is one active user's."""
    is_same = func.lower(UserRow.address) == row.address.lower()
    twins = select(UserRow.id).where(is_same, UserRow.active.is_(True), UserRow.id != row.id)
    if row.active and (twin := await session.scalar(twins)):
        raise InvalidUser(f"address is that of user {twin} already")


def _checked(name: str, address: str, timezone: str) -> dict[str, str]:
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidUser(f"name must be 1 to {_LONGEST_NAME} printable characters")
    try:
        ZoneInfo(timezone)
    except (LookupError, ValueError, OSError) as error:
        known = "a name such as Europe/Berlin"
        raise InvalidUser(f"timezone must be {known}, not {timezone[:80]!a}") from error
    return {"name": name, "address": parse_address(address), "timezone": timezone}


def _quiet(text: str) -> dict[str, time | None]:
    if not text:
        return {"quiet_from": None, "quiet_until": None}
    try:
        hours = QuietHours.parse(text)
    except InvalidQuietHours as error:
        raise InvalidUser(str(error)) from None
    return {"quiet_from": hours.begins, "quiet_until": hours.ends}


def _user(row: UserRow) -> User:
    return User(
        id=row.id,
        name=row.name,
        address=Address(row.address),
        timezone=row.timezone,
        wants_mail=row.wants_mail,
        active=row.active,
        created_at=row.created_at,
        quiet_hours=_quiet_hours(row),
    )


def _quiet_hours(row: UserRow) -> QuietHours | None:
    if row.quiet_from is None or row.quiet_until is None:
        return None
    return QuietHours(row.quiet_from, row.quiet_until)
