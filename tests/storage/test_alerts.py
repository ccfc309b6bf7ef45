"""An alert is raised once, told again when nobody sees to it, and over when it is over."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from app.engine import ManualClock, days, hours, minutes, seconds
from app.storage.alerts import Alert, Alerts, Breach, Severity, UnknownAlert
from app.storage.database import Database

HOT = Breach(rule="cpu", subject="here", severity=Severity.WARNING, value=95, line="it is hot")


@pytest.fixture
def alerts(database: Database, clock: ManualClock) -> Alerts:
    return Alerts(database, now=clock.now)


@pytest.fixture
def found(database: Database, alerts: Alerts) -> "Finding":
    return Finding(database, alerts)


class Finding:
    """Settles what was found, a transaction at a time."""

    def __init__(self, database: Database, alerts: Alerts) -> None:
        self._database, self._alerts = database, alerts

    async def __call__(self, *breaches: Breach) -> Sequence[Alert]:
        async with self._database.write() as session:
            told, _ = await self._alerts.settle(session, breaches)
        return told


async def test_an_alert_is_told_when_it_is_raised_and_not_with_every_look(
    found: Finding, alerts: Alerts, clock: ManualClock
) -> None:
    (told,) = await found(HOT)
    clock.advance(minutes(1))

    assert await found(HOT) == []
    (alert,) = await alerts.list(active=True)
    assert (alert.id, alert.told) == (told.id, 1)
    assert alert.seen_at - alert.raised_at >= timedelta(minutes=1)


async def test_subjects_of_one_rule_are_alerts_of_their_own(found: Finding) -> None:
    cold = Breach(rule="cpu", subject="there", severity=Severity.WARNING, value=91, line="warm")

    assert len(await found(HOT, cold)) == 2


async def test_an_alert_is_over_when_it_is_not_found_any_more(
    found: Finding, alerts: Alerts
) -> None:
    await found(HOT)

    await found()

    assert await alerts.list(active=True) == ()
    (alert,) = await alerts.list()
    assert not alert.is_active


@pytest.mark.parametrize(("away", "again"), [(299, False), (301, True)])
async def test_what_comes_back_within_the_cooldown_is_the_same_alert(
    found: Finding, alerts: Alerts, clock: ManualClock, away: int, again: bool
) -> None:
    await found(HOT)
    await found()
    clock.advance(seconds(away))

    told = await found(HOT)

    assert bool(told) is again
    assert len(await alerts.list()) == 1 + again
    assert len(await alerts.list(active=True)) == 1


async def test_what_nobody_sees_to_is_told_again_after_an_hour(
    found: Finding, clock: ManualClock
) -> None:
    (first,) = await found(HOT)
    clock.advance(minutes(59))
    assert await found(HOT) == []
    clock.advance(minutes(2))

    (again,) = await found(HOT)

    assert (again.id, again.told) == (first.id, 2)


async def test_what_somebody_sees_to_is_told_no_more(
    found: Finding, alerts: Alerts, clock: ManualClock
) -> None:
    (alert,) = await found(HOT)

    seen = await alerts.acknowledge(alert.id, by="Ann")
    clock.advance(hours(5))

    assert await found(HOT) == []
    assert seen.acknowledged_by == "Ann"
    assert seen.acknowledged_at is not None


async def test_who_acknowledged_first_stays(
    found: Finding, alerts: Alerts, clock: ManualClock
) -> None:
    (alert,) = await found(HOT)
    first = await alerts.acknowledge(alert.id, by="Ann")
    clock.advance(minutes(1))

    again = await alerts.acknowledge(alert.id, by="Bob")

    assert (again.acknowledged_by, again.acknowledged_at) == ("Ann", first.acknowledged_at)


async def test_an_alert_that_never_was_can_not_be_acknowledged(alerts: Alerts) -> None:
    with pytest.raises(UnknownAlert, match="there is no alert 7"):
        await alerts.acknowledge(7, by="Ann")


async def test_the_past_is_listed_by_when_it_began_and_forgotten_after_a_month(
    found: Finding, alerts: Alerts, clock: ManualClock
) -> None:
    await found(HOT)
    await found()
    clock.advance(days(29))
    assert (await alerts.prune(), len(await alerts.list())) == (0, 1)
    assert await alerts.list(since=clock.now() - hours(24)) == ()
    clock.advance(days(2))

    assert (await alerts.prune(), await alerts.list()) == (1, ())


async def test_what_is_active_is_never_forgotten(
    found: Finding, alerts: Alerts, clock: ManualClock
) -> None:
    await found(HOT)
    clock.advance(days(400))

    assert await alerts.prune() == 0
