"""Tables on a terminal: whole ids, wrapped sentences."""

import pytest

from app.cli.table import draw

RUN = "maintenance.cleanup_expired_cache@20261130T040000Z"
ERROR = "OSError: there is no room left on the device that the cache lies on"


def test_what_can_be_copied_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    draw(("id", "job", "when"), [(RUN, RUN[:33], "2026-11-30 18:28:00")], width=60)

    title, _, row, *beneath = capsys.readouterr().out.splitlines()
    assert (title.strip(), row.strip()) == ("id", RUN)
    assert beneath == [f"  job {RUN[:33]}", "  when 2026-11-30 18:28:00"]


def test_columns_for_which_there_is_no_room_stand_beneath_their_row(
    capsys: pytest.CaptureFixture[str],
) -> None:
    titles = ("id", "status", "when", "took", "job", "error")
    rows = [
        (RUN, "succeeded", "2026-11-30 18:28:00", "1.2 s", RUN[:33], "-"),
        ("run-2", "dead", "2026-11-30 18:28:01", "3 min 20 s", "tests.work", ERROR),
    ]

    draw(titles, rows, width=80)
    narrow = capsys.readouterr().out.splitlines()
    draw(titles, rows, width=250)
    wide = capsys.readouterr().out.splitlines()

    assert max(map(len, narrow)) <= 80
    assert narrow[0].split() == ["id", "status"]
    assert narrow[2].split() == [RUN, "succeeded"]
    assert narrow[3] == f"  when 2026-11-30 18:28:00  took 1.2 s  job {RUN[:33]}"
    assert narrow[4].split() == ["run-2", "dead"]
    assert " ".join(narrow[5:]).endswith(ERROR.rpartition(" ")[2])
    assert len(wide) == 4


def test_a_sentence_is_wrapped_where_the_terminal_ends(capsys: pytest.CaptureFixture[str]) -> None:
    draw(("id", "error"), [(RUN, ERROR)], width=80)

    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert " ".join(each[len(RUN) :].strip() for each in lines[2:]) == ERROR
    assert "…" not in "".join(lines)


@pytest.mark.parametrize(("width", "titles"), [(80, ["id", "error"]), (40, ["id"])])
def test_a_column_that_says_nothing_is_the_first_to_go(
    width: int, titles: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    draw(("id", "error"), [("run-1" * 8, "-"), ("run-2", "-")], width=width)

    assert capsys.readouterr().out.splitlines()[0].split() == titles


def test_a_setting_in_a_sentence_is_kept_whole(capsys: pytest.CaptureFixture[str]) -> None:
    advice = "lower STEWARD_WORKER__CONCURRENCY, or add a machine with a worker"

    draw(("what", "action"), [("the machine is busy all the time", advice)] * 2, width=50)

    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 50
    assert sum("STEWARD_WORKER__CONCURRENCY," in each for each in lines) == 2
