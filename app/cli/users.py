"""`steward users`: the people Steward works for, beside the owner, whom the settings name."""

from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import App, Parameter

from app.cli.answer import show_json, show_table
from app.cli.channels import AS_NOTICES, NoticeWays, notice_facts
from app.cli.failures import Misused, NotDone
from app.cli.options import Json, Yes

if TYPE_CHECKING:
    from app.context import Services
    from app.storage.users import User

T = TypeVar("T")

users = App(name="users")

UserId = Annotated[int, Parameter(name="ID", help="The number of the user, as `users` shows it.")]
Address = Annotated[str, Parameter(name="ADDRESS", help="Their mail address.")]
Name = Annotated[str | None, Parameter(help="What they are called.")]
Zone = Annotated[str | None, Parameter(help="Their time zone, such as Europe/Berlin.")]
Quiet = Annotated[str | None, Parameter(help='Such as 22:00-07:30; "" for none.')]
Mail = Annotated[bool | None, Parameter(name="--mail", help="Whether they want mail.")]

Notices = Annotated[
    str | None,
    Parameter(
        help="Where they are told what Steward noticed, beside in the application, with commas "
        'between: email, sms, slack, webhook; "" for nowhere else.'
    ),
]
MailNotices = Annotated[
    str | None,
    Parameter(
        help=f'The same of important mail; "{AS_NOTICES}" for where notices go, but not by mail.'
    ),
]

_COLUMNS = (
    *("id", "name", "address", "timezone", "mail", "quiet_hours", "notices", "mail_notices"),
    *("active", "owner"),
)


@users.default
@users.command(name="list")
async def list_users(*, json: Json = False) -> None:
    """List everybody, the oldest first; who is not active gets nothing."""
    async with _opened() as services:
        owner = await services.users.owner()
        rows = [await _facts(services, each, owner) for each in await services.users.everybody()]
    _show(rows, as_json=json)


@users.command(name="add")
async def add_user(
    address: Address,
    /,
    *,
    name: Name = None,
    timezone: Zone = None,
    mail: Mail = None,
    quiet_hours: Quiet = None,
    notices: Notices = None,
    mail_notices: MailNotices = None,
    json: Json = False,
) -> None:
    """Add a user, in the owner's time zone unless you say another."""
    told = NoticeWays(notices, mail_notices)
    async with _opened() as services:
        owner = await services.users.owner()
        user = await _done(
            services.users.add(
                name=name or address.partition("@")[0],
                address=address,
                timezone=timezone or owner.timezone,
                wants_mail=mail is not False,
                quiet_hours=quiet_hours or "",
            )
        )
        rows = [await _told(services, user, owner, told)]
    _show(rows, as_json=json)


@users.command(name="change")
async def change_user(
    user_id: UserId,
    /,
    *,
    address: Annotated[str | None, Parameter(help="Their mail address.")] = None,
    name: Name = None,
    timezone: Zone = None,
    mail: Mail = None,
    quiet_hours: Quiet = None,
    notices: Notices = None,
    mail_notices: MailNotices = None,
    json: Json = False,
) -> None:
    """Change what you name of a user, and leave the rest."""
    from app.settings import read_settings

    given = (address, name, timezone, mail, quiet_hours, notices, mail_notices)
    if all(each is None for each in given):
        raise Misused(
            "say what to change: --address, --name, --timezone, --mail, --quiet-hours, --notices, "
            "--mail-notices"
        )
    if "" in (address, name, timezone):
        raise Misused("address, name and time zone can be changed, not taken away")
    told = NoticeWays(notices, mail_notices)
    async with _opened() as services:
        owner = await services.users.owner()
        if user_id == owner.id and (address or name or timezone):
            raise NotDone(
                "the owner's name, address and zone are settings: STEWARD_OWNER__NAME ..."
            )
        if user_id == owner.id and notices is not None and read_settings().notify.notices:
            raise NotDone("where the owner's notices go is a setting: STEWARD_NOTIFY__NOTICES")
        user = await _done(
            services.users.change(
                user_id,
                name=name,
                address=address,
                timezone=timezone,
                wants_mail=mail,
                quiet_hours=quiet_hours,
            )
        )
        rows = [await _told(services, user, owner, told)]
    _show(rows, as_json=json)


@users.command(name="deactivate")
async def deactivate_user(user_id: UserId, /, *, json: Json = False) -> None:
    """Stop working for a user; what is theirs is kept."""
    await _activate(user_id, active=False, as_json=json)


@users.command(name="activate")
async def activate_user(user_id: UserId, /, *, json: Json = False) -> None:
    """Work for a user again."""
    await _activate(user_id, active=True, as_json=json)


@users.command(name="delete")
async def delete_user(user_id: UserId, /, *, yes: Yes = False, json: Json = False) -> None:
    """Delete a user and all that is theirs: tasks, notices, events, mail records."""
    async with _opened() as services:
        owner = await services.users.owner()
        user = await _done(services.users.get(user_id))
        _refuse_owner(user_id, owner)
        if not yes:
            raise Misused(
                f"this deletes user {user_id}, {user.address}, with all that is theirs:"
                " say so with --yes"
            )
        await _done(services.users.delete(user_id))
    if json:
        show_json([{"id": user_id, "address": user.address, "status": "deleted"}])
    else:
        print(f"User {user_id}, {user.address}, is deleted.")


async def _activate(user_id: int, *, active: bool, as_json: bool) -> None:
    async with _opened() as services:
        owner = await services.users.owner()
        _refuse_owner(user_id, owner)
        user = await _done(services.users.change(user_id, active=active))
        rows = [await _facts(services, user, owner)]
    _show(rows, as_json=as_json)


def _refuse_owner(user_id: int, owner: "User") -> None:
    if user_id == owner.id:
        raise NotDone(f"user {user_id} is the owner, whose home this is")


@asynccontextmanager
async def _opened() -> "AsyncGenerator[Services]":
    from app.connection import open_client
    from app.context import open_services
    from app.settings import read_settings

    settings = read_settings()
    async with open_client(settings) as client, open_services(settings, client) as services:
        yield services


async def _done(asked: Awaitable[T]) -> T:
    """What was asked for; or what is wrong with it, in one line."""
    from app.storage.address import InvalidAddress
    from app.storage.users import InvalidUser, UnknownUser

    try:
        return await asked
    except (InvalidAddress, InvalidUser) as error:
        raise Misused(str(error)) from None
    except UnknownUser as error:
        raise NotDone(str(error)) from None


async def _told(
    services: "Services", user: "User", owner: "User", told: NoticeWays
) -> dict[str, object]:
    from app.storage.ways import Ways

    await told.put(Ways(services.database), user.id)
    return await _facts(services, user, owner)


async def _facts(services: "Services", user: "User", owner: "User") -> dict[str, object]:
    from app.storage.ways import Ways

    told = notice_facts(await Ways(services.database).of(user.id))
    return {
        "id": user.id,
        "name": user.name,
        "address": user.address,
        "timezone": user.timezone,
        "mail": user.wants_mail,
        "quiet_hours": str(user.quiet_hours or ""),
        **told,
        "active": user.active,
        "owner": user.id == owner.id,
    }


def _show(rows: list[dict[str, object]], *, as_json: bool) -> None:
    if as_json:
        show_json(rows)
    else:
        show_table(rows, _COLUMNS, empty="")
