"""How each user can be reached beside the application and by mail, and how they don't want to be.

A way is an address of one user on one channel: nobody's notification goes to another's. A row
without an address is a preference alone. The addresses of Slack are secrets, as is what webhooks
are signed with: neither is shown or logged.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import ForeignKey, String, UniqueConstraint, false, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base
from app.storage.database import Database
from app.storage.users import UserRow

_LONGEST_ADDRESS = 2_000
_LONGEST_SECRET = 400
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")  # E.164
_WEB = re.compile(r"https?://[!-~]+", re.IGNORECASE)


class Channel(StrEnum):
    """A way to reach a user."""

    IN_APP = "in_app"
    EMAIL = "email"
    SMS = "sms"
    SLACK = "slack"
    WEBHOOK = "webhook"


class InvalidWay(ValueError):
    """This can't be an address on its channel."""


class WayRow(Base):
    """A way as the database keeps it."""

    __tablename__ = "ways"
    __table_args__ = (UniqueConstraint("user_id", "channel"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(UserRow.id, ondelete="CASCADE"))
    channel: Mapped[Channel]
    address: Mapped[str] = mapped_column(String(_LONGEST_ADDRESS))
    """Empty where there is none, or it is kept elsewhere, as that of mail is."""
    secret: Mapped[str] = mapped_column(String(_LONGEST_SECRET))
    wanted: Mapped[bool]
    notices: Mapped[bool] = mapped_column(server_default=false())
    mail_notices: Mapped[bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a user can be reached on one channel."""

    channel: Channel
    address: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    """What a webhook is signed with."""
    is_wanted: bool = True
    notices: bool = False
    """Whether they are told here what Steward noticed, beside in the application."""
    mail_notices: bool | None = None
    """The same of important mail; None is as the other notices, but never by mail."""

    def __post_init__(self) -> None:
        """Raises `InvalidWay`, which does not repeat what is wrong: it may be a secret."""
        if self.address and not _fits(self.channel, self.address):
            raise InvalidWay(
                f"{self.channel}: {_SHAPES.get(self.channel, 'it has no address here')}"
            )
        if len(self.secret) > _LONGEST_SECRET:
            raise InvalidWay(f"{self.channel}: a secret has up to {_LONGEST_SECRET} characters")

    @property
    def tells_of_mail(self) -> bool:
        """Whether they are told here of important mail: by mail only if they ask for it."""
        if self.mail_notices is not None:
            return self.mail_notices
        return self.notices and self.channel is not Channel.EMAIL


_SHAPES = {
    Channel.SMS: "a phone number must be like +4915112345678",
    Channel.SLACK: "its address must begin with https://",
    Channel.WEBHOOK: "its address must begin with https://",
}


class Ways:
    """The ways in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, user_id: int) -> dict[Channel, Way]:
        """This user's ways; nobody else's."""
        async with self._database.read() as session:
            return await self.read(session, user_id)

    async def read(self, session: AsyncSession, user_id: int) -> dict[Channel, Way]:
        """The same within a transaction."""
        rows = await session.scalars(select(WayRow).filter_by(user_id=user_id))
        return {row.channel: _way(row) for row in rows}

    async def wants(self, user_id: int, channel: Channel) -> bool:
        """Whether this user may be told things on a channel: yes, unless they said no."""
        way = (await self.of(user_id)).get(channel)
        return way is None or way.is_wanted

    async def put(self, user_id: int, *ways: Way) -> None:
        """Reach a user in these ways from now on; their other ones stay as they are."""
        async with self._database.write() as session:
            for way in ways:
                place = {"user_id": user_id, "channel": way.channel}
                row = await session.scalar(select(WayRow).filter_by(**place))
                if row is None:
                    row = WayRow(**place)
                    session.add(row)
                row.address, row.secret, row.wanted = way.address, way.secret, way.is_wanted
                row.notices, row.mail_notices = way.notices, way.mail_notices


def _fits(channel: Channel, address: str) -> bool:
    match channel:
        case Channel.SMS:
            return _PHONE.fullmatch(address) is not None
        case Channel.SLACK | Channel.WEBHOOK:
            return len(address) <= _LONGEST_ADDRESS and _WEB.fullmatch(address) is not None
        case _:
            return False


def _way(row: WayRow) -> Way:
    return Way(
        channel=row.channel,
        address=row.address,
        secret=row.secret,
        is_wanted=row.wanted,
        notices=row.notices,
        mail_notices=row.mail_notices,
    )
