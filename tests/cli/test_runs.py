"""`runs`, `show`, `retry`, `cancel` and `dead`: what became of runs, on a started home."""

from collections.abc import Iterator
from typing import get_args

import pytest

from app.cli.options import Standing
from app.engine import Ending, RunStatus
from tests.cli.command import Command

SEND = "email.send_notification"
NOBODY = "999"


def _ended(steward: Command, run_id: str) -> dict[str, object]:
    """The run as `show` has it, once the history says that it is over."""
    while True:
        run: dict[str, object] = steward("show", run_id, "--json").json()
        if run["status"] in {"succeeded", "dead", "cancelled"} and "ended_at" in run:
            return run


@pytest.fixture
def dead_run(started_steward: Command) -> Iterator[str]:
    """A run that died: its user does not exist."""
    done = started_steward("enqueue", SEND, NOBODY, "Hi", "m", "--json").json()
    _ended(started_steward, done["id"])
    yield done["id"]
    started_steward("dead", "drop", "--all", "--yes")


def test_runs_lists_what_waits_and_what_is_over(started_steward: Command) -> None:
    over = started_steward("enqueue", SEND, "1", "Hi", "m", "--json").json()["id"]
    waits = started_steward("enqueue", SEND, "1", "Hi", "m", "--delay", "1h", "--json").json()["id"]
    _ended(started_steward, over)

    rows = {each["id"]: each for each in started_steward("runs", "--json").json()}
    waiting = started_steward("runs", "--status", "deferred", "--json").json()
    elsewhere = started_steward("runs", "--queue", "files", "--json").json()

    assert (rows[over]["status"], rows[waits]["status"]) == ("succeeded", "deferred")
    assert rows[over]["attempts"] == 1
    assert waits in {each["id"] for each in waiting}
    assert over not in {each["id"] for each in waiting}
    assert elsewhere == []


def test_a_run_that_did_nothing_says_so_beside_its_success(started_steward: Command) -> None:
    idle = started_steward("enqueue", "sms.process_sms_retries", "--json").json()["id"]
    _ended(started_steward, idle)

    rows = {each["id"]: each for each in started_steward("runs", "--json").json()}
    shown = started_steward("runs", "--status", "succeeded").out.splitlines()

    (line,) = (each for each in shown if idle in each)
    assert rows[idle]["status"] == "succeeded"
    assert rows[idle]["result_status"] == "not_configured"
    assert "succeeded  not_configured" in line


def test_help_and_refusal_name_every_status_that_a_run_can_have(steward: Command) -> None:
    every = {*RunStatus, *Ending} - {RunStatus.UNKNOWN}

    told = steward("runs", "--help", COLUMNS="400").out
    refused = steward("runs", "--status", "nonsense").line

    assert set(get_args(Standing)) == every
    assert {each for each in every if each not in told} == set()
    assert {each for each in every if each not in refused} == set()


@pytest.mark.parametrize("status", get_args(Standing))
def test_runs_of_any_status_can_be_asked_for(started_steward: Command, status: str) -> None:
    rows = started_steward("runs", "--status", status, "--json").json()

    assert {each["status"] for each in rows} <= {status}


def test_show_tells_what_went_wrong(started_steward: Command, dead_run: str) -> None:
    facts = started_steward("show", dead_run, "--json").json()
    short = started_steward("show", dead_run).out
    told = started_steward("show", dead_run, "--traceback").out

    (failed,) = facts["failed_attempts"]
    assert "with --traceback" in short
    assert "app/jobs/email.py" not in short
    assert "with --traceback" not in told
    assert f"bytes kept; `steward retry {dead_run}`" in short
    assert (facts["status"], facts["job"], failed["number"]) == ("dead", SEND, 1)
    assert "there is no user 999" in failed["error"]
    assert "app/jobs/email.py" in told


def test_show_tells_the_result(started_steward: Command) -> None:
    run_id = started_steward("enqueue", "files.cleanup_temp_files", "--json").json()["id"]
    _ended(started_steward, run_id)

    result = started_steward("show", run_id, "--json").json()["result"]

    assert (result["status"], result["removed"]) == ("success", 0)


def test_a_cancelled_run_never_starts(started_steward: Command) -> None:
    run_id = started_steward("enqueue", SEND, "1", "Hi", "m", "--delay", "1h", "--json").json()[
        "id"
    ]

    done = started_steward("cancel", run_id)
    again = started_steward("cancel", run_id)
    unknown = started_steward("cancel", "nope")

    assert unknown.line == "steward: there is no run 'nope'"
    assert (done.code, done.out) == (0, f"{run_id} is cancelled.\n")
    assert again.code == 1
    assert again.line == f"steward: {run_id} can't be cancelled: it is cancelled"


def test_a_dead_letter_is_listed_and_retried_as_a_new_run(
    started_steward: Command, dead_run: str
) -> None:
    (listed,) = started_steward("dead", "--json").json()
    (retried,) = started_steward("retry", dead_run, "--json").json()
    new = _ended(started_steward, retried["new_id"])

    assert (listed["id"], listed["attempts"]) == (dead_run, 1)
    assert (new["parent"], new["status"]) == (dead_run, "dead")


def test_a_group_of_dead_letters_is_retried_and_dropped(
    started_steward: Command, dead_run: str
) -> None:
    (group,) = started_steward("dead", "groups", "--json").json()
    of_it = started_steward("dead", "--group", group["group"], "--json").json()
    (retried,) = started_steward("dead", "retry", "--group", group["group"], "--json").json()
    _ended(started_steward, retried["new_id"])
    unsure = started_steward("dead", "drop", "--group", group["group"])
    sure = started_steward("dead", "drop", "--group", group["group"], "--yes", "--json").json()
    gone = started_steward("dead", "retry", "--group", group["group"])

    assert (group["job"], group["letters"]) == (SEND, 1)
    assert [each["id"] for each in of_it] == [dead_run]
    assert unsure.code == 2
    assert [each["id"] for each in sure] == [retried["new_id"]]
    assert (gone.code, gone.out) == (1, "")
    assert "dead groups" in gone.line


def test_dropping_needs_a_yes(started_steward: Command, dead_run: str) -> None:
    unsure = started_steward("dead", "drop", dead_run)
    left = started_steward("dead", "--json").json()
    sure = started_steward("dead", "drop", dead_run, "--yes", "--json").json()

    assert unsure.code == 2
    assert "--yes" in unsure.line
    assert [each["id"] for each in left] == [dead_run]
    assert [each["done"] for each in sure] == ["dropped"]
    assert started_steward("dead").out == "There are no dead letters.\n"


@pytest.mark.parametrize(
    "words", [["dead"], ["dead", "retry"], ["dead", "drop", "--yes"]], ids=" ".join
)
def test_a_group_without_a_name_is_not_all_of_them(
    started_steward: Command, words: list[str]
) -> None:
    refused = started_steward(*words, "--group", "")

    assert refused.code == 2
    assert "--group needs" in refused.line


@pytest.mark.case(47)
@pytest.mark.parametrize(
    "words",
    [
        ["show", "nothing"],
        ["show", "$(id)"],
        ["retry", "nothing"],
        ["cancel", "no; thing"],
        ["dead", "retry", "nothing"],
        ["dead", "drop", "nothing", "--yes"],
        ["show", "a\x1b[31mb\nc"],
    ],
    ids=repr,
)
def test_an_unknown_id_is_one_harmless_line(started_steward: Command, words: list[str]) -> None:
    done = started_steward(*words)

    assert (done.code, done.out) == (1, "")
    assert done.line.startswith("steward: ")
    assert done.line.isprintable()


def test_what_a_stranger_wrote_cannot_steer_the_terminal(started_steward: Command) -> None:
    subject = "\x1b]0;owned\x07\x1b[2Jnot_an_int"
    started_steward("enqueue", "ai.create_reminder", "1", subject, "2020-01-01T00:00:00Z", "--json")
    while not (letters := started_steward("dead", "--json").json()):
        pass

    told = "".join(
        started_steward(*words).out for words in (["dead"], ["runs"], ["show", letters[0]["id"]])
    )
    started_steward("dead", "drop", "--all", "--yes")

    assert "\x1b" not in told
    assert "\x07" not in told


def test_looking_at_an_unused_home_makes_no_database(steward: Command) -> None:
    done = steward("runs")

    assert (done.code, done.out) == (0, "No runs.\n")
    assert not (steward.home / "steward.db").exists()
