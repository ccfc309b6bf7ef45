"""What runs wrote down tells which were lost, which ran twice, and how quickly they came."""

import os
import struct
from pathlib import Path

import pytest

from benchmark.marks import WARM_UP, Mark, Marks, begun, rate, wrong_with
from probe import DONE, RECORD, START


def marks(*runs: int) -> list[Mark]:
    """A beginning of each of these runs, a second apart."""
    return [Mark(float(when), run, 0, START) for when, run in enumerate(runs)]


@pytest.mark.parametrize(
    ("runs", "wrong"),
    [
        ([0, 1, 2], ""),
        ([2, 0, 1], ""),
        ([0, 2], "1 lost"),
        ([], "3 lost"),
        ([0, 1, 2, 1], "1 doubled"),
        ([0, 0, 0], "2 lost, 2 doubled"),
    ],
)
def test_each_of_three_runs_must_have_begun_once(runs: list[int], wrong: str) -> None:
    assert wrong_with(marks(*runs), wanted=3) == wrong


def test_of_a_drain_that_was_not_watched_to_its_end_only_doubles_can_be_seen() -> None:
    assert wrong_with(marks(5, 9), wanted=None) == ""
    assert wrong_with(marks(5, 9, 5), wanted=None) == "1 doubled"


def test_a_run_that_began_and_is_done_is_one() -> None:
    both = [Mark(0.0, 0, 0, START), Mark(0.1, 0, 0, DONE)]

    assert wrong_with(both, wanted=1) == ""
    assert begun(both) == both[:1]


def test_the_rate_is_from_the_first_mark_to_the_last() -> None:
    assert rate(marks(0, 1, 2, 3)) == 1.0
    assert rate(marks(0)) == rate([]) == 0.0


def test_marks_are_read_in_the_order_of_time_without_the_warm_up(tmp_path: Path) -> None:
    found = Marks(tmp_path / "marks")
    records = [(2.0, 1, 0, START), (1.0, 0, 1, START), (0.5, WARM_UP, 0, START)]
    found.file.write_bytes(b"".join(RECORD.pack(*each) for each in records) + b"half")

    assert found.count() == 3
    assert found.read() == [Mark(1.0, 0, 1, START), Mark(2.0, 1, 0, START)]


def test_a_record_is_small_enough_for_one_write() -> None:
    assert RECORD.size == struct.calcsize("<dIHH") < os.sysconf("SC_PAGE_SIZE")
