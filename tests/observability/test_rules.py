"""Each rule fires at its threshold and not below it, over its window, in its unit."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.observability.breaches import breaches
from app.observability.rules import RULES, DuplicateRule, Rule, by_mail, refuse_duplicates
from app.observability.seen import RunShare, Seen
from app.services.alert_report import Channel
from app.storage.alerts import Severity
from app.storage.health import PastCheck
from app.storage.run_times import ScheduledDeath
from app.storage.samples import MachineSample, QueueSample
from app.storage.sightings import Sighting

NOW = datetime(2026, 11, 30, 12, 0, 1, tzinfo=UTC)
NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RULE = {rule.name: rule for rule in RULES}


def seen(
    *,
    failed: int = 0,
    total: int = 0,
    machines: Sequence[MachineSample] = (),
    queues: Sequence[QueueSample] = (),
    dead: Sequence[Sighting] = (),
) -> Seen:
    share = {"email": RunShare(failed=failed, total=total)}
    return Seen(now=NOW, runs=lambda _: share, machines=machines, queues=queues, dead=dead)


def domains(**shares: tuple[int, int]) -> Seen:
    """What failed of how many runs, in each of these."""
    runs = {name: RunShare(failed=few, total=all) for name, (few, all) in shares.items()}
    return Seen(now=NOW, runs=lambda _: runs)


def broken(what: Seen) -> list[tuple[str, str]]:
    return [(each.rule, each.subject) for each in breaches(RULES, what)]


def machine(ago: int, *, cpu: float = 0, memory: float = 0, host: str = "here") -> MachineSample:
    return MachineSample(
        host=host,
        minute=NOON - ago * MINUTE,
        cores=2,
        cpu_percent=cpu,
        memory_percent=memory,
        disk_percent=0,
        load_per_core=0,
        read_rate=0,
        write_rate=0,
        receive_rate=0,
        send_rate=0,
    )


def queue(ago: int, ready: int, *, name: str = "email") -> QueueSample:
    minute = NOON - ago * MINUTE
    return QueueSample(queue=name, minute=minute, ready=ready, deferred=10_000, running=10_000)


def sighting(ago: timedelta) -> Sighting:
    return Sighting(
        worker="w1",
        host="here",
        pid=7,
        started_at=NOW - timedelta(days=1),
        seen_at=NOW - ago,
        cpu_percent=1,
        memory_bytes=1,
        slots=10,
    )


def test_the_default_rules_are_those_of_the_replaced_system_and_three_more() -> None:
    told = {
        name: (rule.threshold, rule.window // MINUTE, rule.severity, Channel.MAIL in rule.channels)
        for name, rule in RULE.items()
    }

    warning, critical = Severity.WARNING, Severity.CRITICAL
    assert told == {
        "failure-rate": (10, 15, warning, False),
        "failure-rate-high": (25, 15, critical, True),
        "memory": (90, 5, warning, False),
        "cpu": (90, 5, warning, False),
        "queue": (100, 5, warning, False),
        "worker-died": (1, 15, warning, False),
        "schedule-dead": (1, 180, critical, True),
        "unhealthy": (1, 135, critical, True),
    }
    assert all(Channel.LOG in rule.channels for rule in RULES)


@pytest.mark.parametrize(
    ("failed", "total", "rules"),
    [
        (0, 1_000, []),
        (99, 1_000, []),
        (100, 1_000, ["failure-rate"]),
        (249, 1_000, ["failure-rate"]),
        (250, 1_000, ["failure-rate", "failure-rate-high"]),
        (2, 9, []),  # too few to be a share of anything
        (3, 9, ["failure-rate", "failure-rate-high"]),
        (1, 10, ["failure-rate"]),
        (0, 0, []),
    ],
)
def test_failures_are_a_share_of_the_runs(failed: int, total: int, rules: list[str]) -> None:
    assert [rule for rule, _ in broken(seen(failed=failed, total=total))] == rules


def test_the_line_tells_numbers_and_no_placeholder() -> None:
    (breach,) = breaches(RULES, seen(failed=3, total=24))

    assert breach.line == "email: 3 of 24 runs failed in 15 minutes: 12.5 %"
    assert breach.value == 12.5


def test_a_domain_that_is_dead_is_named_however_many_runs_of_others_go_well() -> None:
    found = domains(ai=(0, 900), email=(4, 4), sync=(2, 2))

    assert broken(found) == [("failure-rate", "email"), ("failure-rate-high", "email")]


def test_failures_spread_over_the_domains_are_told_of_all_of_them() -> None:
    (breach,) = breaches(RULES, domains(ai=(2, 9), email=(1, 9), sync=(0, 2)))

    assert (breach.rule, breach.subject) == ("failure-rate", "")
    assert breach.line == "3 of 20 runs failed in 15 minutes: 15.0 %"


def test_a_schedule_whose_run_is_a_dead_letter_is_named_for_a_while() -> None:
    def died(ago: timedelta) -> Seen:
        one = ScheduledDeath(
            job="sync.sync_notion_pages",
            run_id="sync.sync_notion_pages@20261130T100000Z",
            ended_at=NOW - ago,
            error="LoginRefused",
        )
        return replace(seen(), given_up=[one])

    (breach,) = breaches(RULES, died(timedelta(hours=3)))
    assert (breach.rule, breach.subject) == ("schedule-dead", "sync.sync_notion_pages")
    assert "20261130T100000Z is a dead letter (LoginRefused)" in breach.line
    assert broken(died(timedelta(hours=3, minutes=1))) == []


def test_what_the_latest_health_check_found_unhealthy_is_told_in_its_words() -> None:
    def checked(ago: timedelta, *levels: str) -> Seen:
        parts = [{"name": each, "level": each, "line": "it is so"} for each in levels]
        report = {"parts": parts}
        check = PastCheck(checked_at=NOW - ago, overall=levels[-1], report=report)
        return replace(seen(), health=check)

    lately, old = timedelta(minutes=135), timedelta(minutes=136)
    (breach,) = breaches(RULES, checked(lately, "healthy", "degraded", "unhealthy"))
    assert (breach.rule, breach.line) == ("unhealthy", "unhealthy: it is so")
    assert broken(checked(lately, "healthy", "degraded")) == []
    assert broken(checked(old, "unhealthy")) == []


def test_what_goes_by_mail_can_be_chosen_by_how_bad_it_is() -> None:
    none, every = by_mail(RULES, frozenset()), by_mail(RULES, frozenset(Severity))

    assert not any(Channel.MAIL in each.channels for each in none)
    assert all(each.channels.count(Channel.MAIL) == 1 for each in every)
    assert by_mail(RULES, {Severity.CRITICAL}) == RULES
    assert all(Channel.LOG in each.channels for each in (*none, *every))


@pytest.mark.parametrize(
    ("percent", "fires"), [(0.9, False), (89.9, False), (90.0, True), (100.0, True)]
)
def test_memory_and_processors_are_in_percent_of_a_hundred(percent: float, fires: bool) -> None:
    memory = seen(machines=[machine(ago, memory=percent) for ago in range(6)])
    cpu = seen(machines=[machine(ago, cpu=percent) for ago in range(6)])

    assert broken(memory) == ([("memory", "here")] if fires else [])
    assert broken(cpu) == ([("cpu", "here")] if fires else [])


def test_a_peak_within_the_window_is_no_alert() -> None:
    samples = [machine(ago, cpu=100) for ago in range(6)]
    samples[3] = machine(3, cpu=89)

    assert broken(seen(machines=samples)) == []


def test_samples_must_reach_back_over_the_whole_window() -> None:
    assert broken(seen(machines=[machine(ago, cpu=100) for ago in range(5)])) == []


def test_old_samples_say_nothing_about_now() -> None:
    assert broken(seen(machines=[machine(ago, cpu=100) for ago in range(4, 20)])) == []


def test_each_machine_is_judged_by_itself() -> None:
    samples = [machine(ago, cpu=100, host="one") for ago in range(6)]
    samples += [machine(ago, cpu=10, host="two") for ago in range(6)]

    assert broken(seen(machines=samples)) == [("cpu", "one")]


@pytest.mark.parametrize(("ready", "fires"), [(99, False), (100, True)])
def test_a_queue_counts_what_is_ready(ready: int, fires: bool) -> None:
    depths = [queue(ago, ready) for ago in range(6)]

    assert broken(seen(queues=depths)) == ([("queue", "email")] if fires else [])


def test_every_queue_that_is_too_long_is_named() -> None:
    depths = [queue(ago, 500, name=name) for ago in range(6) for name in ("ai", "sync")]

    assert broken(seen(queues=depths)) == [("queue", "ai"), ("queue", "sync")]


def test_a_backlog_needs_no_failure_to_be_found() -> None:
    depths = [queue(ago, 500) for ago in range(6)]

    assert broken(seen(failed=0, total=0, queues=depths)) == [("queue", "email")]


def test_a_worker_that_died_is_named_for_a_while() -> None:
    assert broken(seen(dead=[sighting(timedelta(minutes=15))])) == [("worker-died", "w1")]
    assert broken(seen(dead=[sighting(timedelta(minutes=16))])) == []


def test_two_rules_of_one_name_are_refused() -> None:
    twin = Rule(name="cpu", measure=RULE["cpu"].measure, threshold=1, window=timedelta(minutes=1))

    with pytest.raises(DuplicateRule, match="two rules are called cpu"):
        refuse_duplicates([*RULES, twin])


def test_a_rule_of_ones_own_is_heeded() -> None:
    low = Rule(name="busy", measure=RULE["cpu"].measure, threshold=50, window=timedelta(minutes=2))
    samples = [machine(ago, cpu=60) for ago in range(3)]

    assert [each.rule for each in breaches([low], seen(machines=samples))] == ["busy"]
