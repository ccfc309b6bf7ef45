"""Tables on a terminal: whole ids, wrapped sentences."""

import pytest

from app.cli.table import draw

RUN = "maintenance.cleanup_expired_cache@20261130T040000Z"
ERROR = "OSError: there is no room left on the device that the cache lies on"


def test_what_can_be_copied_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    draw(("id", "job", "when"), [(RUN, RUN[:33], "2026-11-30 18:28:00")], width=60)

    title, _, row = capsys.readouterr().out.splitlines()
    assert title.split() == ["id", "job", "when"]
    assert row.split() == [RUN, RUN[:33], "2026-11-30", "18:28:00"]


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
