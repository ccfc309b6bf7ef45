"""`remind`: words become a task, for the only user or the one named."""

import pytest

from app.storage.database import Database
from app.storage.users import Users
from tests.cli.command import Command


def test_a_reminder_is_stored_and_its_run_is_due_on_time(steward: Command) -> None:
    made = steward("remind", "in 3 hours to call Ann", "--json").json()
    (run,) = steward("runs", "--json").json()

    assert (made["title"], made["schedule"]) == ("call Ann", "once")
    assert (run["id"], run["job"], run["status"]) == (made["run_id"], "ai.run_task", "deferred")
    assert run["due_at"] == made["next_run_at"]


def test_words_need_no_quotes_and_may_recur(steward: Command) -> None:
    made = steward("remind", "every", "day", "at", "9", "to", "drink", "water", "--json").json()

    assert (made["title"], made["schedule"]) == ("drink water", "daily")


def test_where_it_is_told_may_be_chosen(steward: Command) -> None:
    steward("remind", "in 3 hours to call Ann", "--by", "email, in_app")
    (task,) = steward("tasks", "--json").json()
    wrong = steward("remind", "in 3 hours to call Bob", "--by", "pigeon")

    assert task["channels"] == ["email", "in_app"]
    assert wrong.code == 2
    assert wrong.line == ("steward: --by: 'pigeon' is none of in_app, email, sms, slack, webhook")


@pytest.mark.case(47)
@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "say what and when"),
        (["blah"], "names no time"),
        (["in 5 minutes"], "say what of, too: “in 5 minutes to call Ann”"),
        (["on", "2020-01-01", "to", "call", "Ann"], ""),
        (["in 3 seconds to $(id)\x1b[31m", "--user", "7"], "there is no user 7"),
    ],
    ids=["nothing", "no time", "no words", "gone by", "stranger"],
)
def test_what_is_not_understood_is_one_line(steward: Command, words: list[str], line: str) -> None:
    done = steward("remind", *words)

    assert (done.code, done.out) == (1 if "--user" in words else 2, "")
    assert line in done.line
    assert "\x1b" not in done.err


async def test_with_several_users_one_must_be_named(steward: Command) -> None:
    steward("remind", "in 1 hour to exist")
    async with Database.open(steward.home / "steward.db") as db:
        bob = await Users(db).add(name="Bob", address="bob@example.org")

    nobody = steward("remind", "in 3 hours to call Ann")
    somebody = steward("remind", "in 3 hours to call Ann", "--user", str(bob.id))

    assert nobody.code == 2
    assert nobody.line == "steward: there are 2 users: say which one, with --user ID"
    assert somebody.code == 0
