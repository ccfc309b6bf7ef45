"""`enqueue`: words become a job's arguments, or a line that names what is wrong."""

import pytest

from tests.cli.command import Command

SEND = "email.send_notification"


def test_a_run_waits_in_its_queue(idle_steward: Command) -> None:
    done = idle_steward("enqueue", SEND, "1", "Hi", "message=See you", "--json").json()
    run = idle_steward("show", done["id"], "--json").json()

    assert (done["is_new"], done["queue"], done["status"]) == (True, "email", "queued")
    assert (run["id"], run["job"], run["status"]) == (done["id"], SEND, "queued")


def test_what_it_is_told_comes_true(started_steward: Command) -> None:
    run_id = started_steward("enqueue", SEND, "1", "$(id); rm -rf /", "`x`", "--json").json()["id"]
    while (run := started_steward("show", run_id, "--json").json())["status"] != "succeeded":
        assert run["status"] in {"queued", "running"}

    (mail,) = (started_steward.home / "mail" / "outbox" / "cur").iterdir()
    assert "Subject: $(id); rm -rf /" in mail.read_text()


def test_a_delayed_run_is_deferred(idle_steward: Command) -> None:
    done = idle_steward("enqueue", SEND, "1", "Hi", "m", "--delay", "1h30m", "--json").json()

    assert done["status"] == "deferred"


def test_a_moment_is_meant_in_the_owners_zone(idle_steward: Command) -> None:
    words = ("enqueue", SEND, "1", "Hi", "m", "--at", "2035-06-01T12:00", "--json")
    done = idle_steward(*words, STEWARD_OWNER__TIMEZONE="Europe/Vilnius").json()
    run = idle_steward("show", done["id"], "--json").json()

    assert run["due_at"] == "2035-06-01T09:00:00+00:00"


def test_a_key_refuses_a_second_run(idle_steward: Command) -> None:
    first = idle_steward("enqueue", SEND, "1", "Hi", "m", "--key", "once", "--json").json()
    second = idle_steward("enqueue", SEND, "1", "Hi", "m", "--key", "once", "--json").json()

    assert second == {**first, "is_new": False}


@pytest.mark.case(47)
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["email.send_notificatoin"], "did you mean email.send_notification"),
        ([SEND, "one", "Hi", "m"], "user_id: Expected `int`, got `str`"),
        ([SEND, "1", "Hi", "m", "--delay", "5", "--at", "2035-01-01"], "--delay or --at, not both"),
        (["files.cleanup_temp_files", "--delay", "1" * 34 + "x"], "--delay: write 90, 90s"),
    ],
    ids=["job", "argument", "options", "delay"],
)
def test_what_cannot_be_meant_is_one_line_and_nothing_is_written(
    steward: Command, words: list[str], line: str
) -> None:
    done = steward("enqueue", *words)

    assert (done.code, done.out) == (2, "")
    assert line in done.line
    assert not steward.home.exists()
