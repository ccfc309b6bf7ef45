"""`alerts`, `metrics`, `failures` and `advise`: what was kept is told, as text, JSON and CSV."""

import csv
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest

from tests.cli.command import Command
from tests.plugins.cases import Case

NOW = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
NO_FAILURE = "No such attempt has failed.\n"
RUNS = [  # job, status, seconds it took
    *(("tests.quick", "succeeded", number) for number in (1, 2, 3, 4)),
    ("tests.quick", "dead", 10),
    ("=HYPERLINK(1)", "succeeded", 1),
]


def fill(connection: sqlite3.Connection) -> None:
    for number, (job, status, took) in enumerate(RUNS):
        ended = NOW - timedelta(minutes=5)
        connection.execute(
            "INSERT INTO runs VALUES (?, ?, ?, 'email', ?, 1, ?, ?, 'w1', '', '', '', '', NULL)",
            (
                f"run-{number}",
                str(ended - timedelta(seconds=took + 1)),
                job,
                status,
                str(ended - timedelta(seconds=took)),
                str(ended),
            ),
        )
    connection.execute(
        "INSERT INTO alerts (rule, subject, severity, line, value, raised_at, seen_at, told_at,"
        " told, acknowledged_by) VALUES ('cpu', 'here', 'warning', 'it is hot', 95,"
        " ?, ?, ?, 1, '')",
        (str(NOW), str(NOW), str(NOW)),
    )
    for word in ("disk is full", "line is dead"):
        connection.execute(
            "INSERT INTO failures (run_id, job, queue, ending, attempt, failed_at, worker, kind,"
            " message, arguments, traceback) VALUES ('run-4', 'tests.quick', 'email', 'dead', 1, ?,"
            " 'w1', 'OSError', ?, 'text of 7', ?)",
            (str(NOW), word, f"Traceback ...\n  \x1b[31mOSError: {word}\n"),
        )
    connection.execute(
        "INSERT INTO worker_sightings VALUES ('=w1', 'here', 7, ?, ?, NULL, 12.5, 104857600, 100)",
        (str(NOW), str(NOW)),
    )
    for ago in range(60):
        minute = NOW.replace(second=0) - timedelta(minutes=ago)
        connection.execute(
            "INSERT INTO machine_samples VALUES ('here', ?, 4, 95, 40, 50, 0.2, 0, 0, 0, 0)",
            (str(minute),),
        )


@pytest.fixture(scope="module")
def watched_steward(idle_steward: Command) -> Command:
    """A home in which something has happened."""
    assert idle_steward("check", "ai").code == 0  # which makes the database
    with closing(sqlite3.connect(idle_steward.home / "steward.db")) as connection, connection:
        fill(connection)
    return idle_steward


def test_metrics_are_exact_and_printed_as_json(watched_steward: Command) -> None:
    told = watched_steward("metrics", "--json", "--since", "1h").json()

    quick = next(each for each in told["jobs"] if each["job"] == "tests.quick")
    assert (quick["runs"], quick["success_rate"], quick["samples"]) == (5, 80, 5)
    assert (quick["average"], quick["p50"], quick["p90"], quick["most"]) == (4, 3, 7.6, 10)
    assert quick["wait_average"] == 1


def test_metrics_for_people_have_units(watched_steward: Command) -> None:
    lines = watched_steward("metrics", "--since", "1h").out.splitlines()

    (quick,) = (each for each in lines if each.startswith("tests.quick"))
    assert quick.split()[:7] == ["tests.quick", "5", "80.0", "4.0", "s", "3.0", "s"]


@pytest.mark.case(63)
def test_metrics_as_csv_hold_no_formula(watched_steward: Command, case: Case) -> None:
    done = watched_steward("metrics", "--csv")

    first, second, worker = csv.DictReader(StringIO(done.out))
    assert [each["kind"] for each in (first, second, worker)] == ["job", "job", "worker"]
    assert first["job"] == "'=HYPERLINK(1)"
    assert (second["job"], float(second["p50"]), second["pid"]) == ("tests.quick", 3, "")
    assert (worker["job"], worker["worker"], worker["pid"]) == ("", "'=w1", "7")
    case.says("2 formulas as names in metrics as CSV", steward="both are text to a spreadsheet")


def test_csv_says_of_workers_what_json_does(watched_steward: Command) -> None:
    (told,) = watched_steward("metrics", "--json").json()["workers"]
    *_, row = csv.DictReader(StringIO(watched_steward("metrics", "--csv").out))

    assert (told["cpu_percent"], told["memory_mb"]) == (12.5, 100)
    assert {name: row[name].lstrip("'") for name in told} == {
        name: "" if value is None else str(value) for name, value in told.items()
    }


def test_metrics_are_of_the_time_that_is_asked_for(watched_steward: Command) -> None:
    assert watched_steward("metrics", "--since", "60s").out.startswith("No run is over yet.")
    assert watched_steward("metrics", "--since", "soon").line.startswith("steward: --since: write")
    assert watched_steward("metrics", "--json", "--csv").code == 2


def test_an_alert_is_listed_and_acknowledged(watched_steward: Command) -> None:
    (alert,) = watched_steward("alerts", "--active", "--json").json()
    assert (alert["rule"], alert["line"], alert["state"]) == ("cpu", "it is hot", "active")

    seen = watched_steward("alerts", "ack", str(alert["id"]), "--by", "Ann", "--json").json()

    assert (seen["state"], seen["by"]) == ("acknowledged", "Ann")
    assert "acknowledged  Ann" in watched_steward("alerts").out
    assert watched_steward("alerts", "ack", "99").line == "steward: there is no alert 99"


def test_failures_are_found_by_words(watched_steward: Command) -> None:
    (found,) = watched_steward("failures", "disk", "full", "--json").json()
    assert (found["run_id"], found["message"]) == ("run-4", "disk is full")

    traces = watched_steward("failures", "--trace").out

    assert "run-4 tests.quick(text of 7)" in traces
    assert "OSError: line is dead" in traces
    assert "\x1b" not in traces
    for options in ((), ("--trace",)):
        assert watched_steward("failures", "nothing", *options).out == NO_FAILURE


def test_advice_comes_from_the_samples(watched_steward: Command) -> None:
    (machine,) = watched_steward("advise", "--json").json()

    assert (machine["host"], machine["samples"], machine["bottleneck"]) == ("here", 60, "cpu")
    assert machine["recommendations"][0]["priority"] == "high"
    assert machine["concurrency"] == 80  # a fifth less than 100
    assert "STEWARD_WORKER__CONCURRENCY" in watched_steward("advise").out


def test_there_is_nothing_to_look_at_before_the_first_start(steward: Command) -> None:
    for command in ("alerts", "metrics", "failures", "advise"):
        done = steward(command)

        assert (done.code, done.line) == (
            1,
            "steward: there is no database yet: start Steward once",
        )
    assert not (steward.home / "steward.db").exists()
