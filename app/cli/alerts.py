"""`steward alerts`: what is wrong, and who sees to it."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from app.cli.answer import Facts, show_facts, show_json, show_table
from app.cli.failures import NotDone
from app.cli.options import Json, Limit
from app.cli.past import looking_back

if TYPE_CHECKING:
    from app.storage.alerts import Alert

alerts = App(name="alerts")

_COLUMNS = ("id", "severity", "rule", "line", "raised_at", "state", "by")
_LONGEST_NAME = 200

Active = Annotated[bool, Parameter(name="--active", negative=(), help="Only what is so now.")]
AlertId = Annotated[int, Parameter(name="ID", help="Its number, as `alerts` shows it.")]
By = Annotated[str | None, Parameter(help="Who sees to it; else who is logged in.")]


@alerts.default
@alerts.command(name="list")
async def list_alerts(*, active: Active = False, limit: Limit = 50, json: Json = False) -> None:
    """List alerts, the latest first."""
    from app.storage.alerts import Alerts

    async with looking_back() as database:
        found = await Alerts(database).list(active=active, limit=limit)
    rows = [*map(_facts, found)]
    if json:
        show_json(rows)
    else:
        show_table(rows, _COLUMNS, empty="There are no alerts.")


@alerts.command(name="ack")
async def acknowledge(alert_id: AlertId, /, *, by: By = None, json: Json = False) -> None:
    """Say that somebody sees to it; it is not told again. Safe to repeat: who was first stays."""
    from getpass import getuser

    from app.storage.alerts import Alerts, UnknownAlert

    name = (by or getuser()).strip()[:_LONGEST_NAME]
    async with looking_back() as database:
        try:
            facts = _facts(await Alerts(database).acknowledge(alert_id, by=name))
        except UnknownAlert as error:
            raise NotDone(str(error)) from None
    if json:
        show_json(facts)
    else:
        show_facts(facts)


def _facts(alert: "Alert") -> Facts:
    seen_to = "acknowledged" if alert.acknowledged_at else "active"
    return {
        "id": alert.id,
        "severity": alert.severity.value,
        "rule": alert.rule,
        "subject": alert.subject,
        "line": alert.line,
        "value": alert.value,
        "state": seen_to if alert.is_active else "over",
        "raised_at": alert.raised_at,
        "seen_at": alert.seen_at,
        "resolved_at": alert.resolved_at,
        "told": alert.told,
        "by": alert.acknowledged_by,
        "acknowledged_at": alert.acknowledged_at,
    }
