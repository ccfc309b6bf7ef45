"""`health` and `check`: the exit code tells, and the line names the setting."""

import pytest

from tests.cli.command import Command


def test_health_is_good_while_steward_runs(started_steward: Command) -> None:
    done = started_steward("health", "--json")

    told = done.json()
    parts = {each["part"]: each["level"] for each in told["parts"]}
    assert {parts["database"], parts["redis"], parts["workers"]} == {"healthy"}
    providers = ("ai", "mail", "calendar", "notes", "sms")
    assert {parts[each] for each in providers} == {"not_configured"}
    assert done.code == (1 if told["overall"] == "unhealthy" else 0)


def test_without_a_worker_health_is_bad(steward: Command) -> None:
    done = steward("health")

    assert done.code == 1
    assert "nobody serves" in done.out
    assert "not configured  no account; `steward check notes` leads to one" in done.out
    assert done.out.endswith("Steward is unhealthy.\n")


@pytest.mark.parametrize(
    ("service", "line"),
    [
        ("mail", "outgoing mail stays in"),
        ("calendar", "the folder calendar can be read (0 files)"),
        ("notes", "Notion is not configured"),
        ("ai", "rules, no model configured"),
        ("redis", "Redis is fit to keep runs"),
    ],
)
def test_what_works_is_told(steward: Command, service: str, line: str) -> None:
    done = steward("check", service)

    assert (done.code, done.err) == (0, "")
    assert line in done.out


def test_the_check_of_the_calendar_tells_where_its_folder_is(steward: Command) -> None:
    assert str(steward.home / "calendar") in steward("check", "calendar").out


@pytest.mark.parametrize(
    ("service", "settings", "setting"),
    [
        (
            "mail",
            {"STEWARD_MAIL__SMTP__HOST": "127.0.0.1", "STEWARD_MAIL__SMTP__PORT": "1"},
            "STEWARD_MAIL__SMTP__HOST",
        ),
        (
            "calendar",
            {"STEWARD_CALENDAR__FEEDS": '["http://ann:hunter2@127.0.0.1:1/private.ics"]'},
            "STEWARD_CALENDAR__FEEDS",
        ),
        (
            "calendar",
            {
                "STEWARD_CALENDAR__CALDAV__URL": "http://127.0.0.1:1/",
                "STEWARD_CALENDAR__CALDAV__USERNAME": "ann",
                "STEWARD_CALENDAR__CALDAV__PASSWORD": "hunter2",
            },
            "STEWARD_CALENDAR__CALDAV__URL",
        ),
        (
            "notes",
            {
                "STEWARD_NOTES__NOTION__TOKEN": "ntn_hunter2",
                "STEWARD_NOTES__NOTION__DATABASE": "d" * 32,
                "STEWARD_NOTES__NOTION__ADDRESS": "http://127.0.0.1:1",
            },
            "STEWARD_NOTES__NOTION__ADDRESS",
        ),
    ],
    ids=["mail", "calendar", "caldav", "notes"],
)
def test_what_fails_is_one_line_that_names_the_setting(
    steward: Command, service: str, settings: dict[str, str], setting: str
) -> None:
    done = steward("check", service, STEWARD_MAIL__SMTP__PASSWORD="hunter2", **settings)

    assert done.code == 1
    assert setting in done.line
    assert "hunter2" not in done.out + done.err


def test_a_container_asks_for_its_own_workers(started_steward: Command, steward: Command) -> None:
    alive, nobody = started_steward("health", "--worker", "--json"), steward("health", "--worker")

    assert (alive.code, [each["level"] for each in alive.json()]) == (0, ["healthy"])
    assert (nobody.code, nobody.out) == (1, "No worker of this machine lives.\n")
