"""`steward notices`: what Steward told its users in the application."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from app.cli.answer import Facts, show_facts, show_json, show_table
from app.cli.failures import NotDone
from app.cli.options import Json, Limit
from app.cli.past import looking_back

if TYPE_CHECKING:
    from app.storage.notifications import Notice

notices = App(name="notices")

_COLUMNS = ("id", "told_at", "user", "title", "body")

User = Annotated[
    int | None, Parameter(name="--user", help="Only this user's, by their number; else all.")
]
NoticeId = Annotated[int, Parameter(name="ID", help="Its number, as `notices` shows it.")]


@notices.default
@notices.command(name="list")
async def list_notices(*, user: User = None, limit: Limit = 50, json: Json = False) -> None:
    """List reminders and other notices that were told in the application, the latest first."""
    from app.storage.notifications import Notices

    async with looking_back() as database:
        found = await Notices(database).latest(user_id=user, limit=limit)
    rows = [*map(_facts, found)]
    if json:
        show_json(rows)
    else:
        lines: list[Facts] = [{**row, "body": _first_line(str(row["body"]))} for row in rows]
        show_table(lines, _COLUMNS, empty="Nobody was told anything in the application yet.")


@notices.command(name="show")
async def show_notice(notice_id: NoticeId, /, *, json: Json = False) -> None:
    """Show one notice, whole."""
    from app.storage.notifications import Notices, UnknownNotice

    async with looking_back() as database:
        try:
            facts = _facts(await Notices(database).get(notice_id))
        except UnknownNotice as error:
            raise NotDone(str(error)) from None
    if json:
        show_json(facts)
    else:
        show_facts(facts)


def _facts(notice: "Notice") -> Facts:
    return {
        "id": notice.id,
        "told_at": notice.created_at,
        "user": notice.user_id,
        "title": notice.title,
        "body": notice.body,
    }


def _first_line(text: str) -> str:
    first, more, _ = text.partition("\n")
    return f"{first} ..." if more else first
