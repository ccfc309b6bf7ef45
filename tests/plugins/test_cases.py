"""The lines of the cases in pytest's summary."""

import re
from pathlib import Path

from tests.plugins.running import pytest_in

TESTS = """
import pytest

@pytest.mark.case(13)
def test_late(case) -> None:
    case.says("a restart", arq="dies", steward="0.2 s")

@pytest.mark.case(2)
def test_early(case) -> None:
    case.says("a storm", steward="0 lost")
    case.says("a lull", steward="0 bored", number=44)

@pytest.mark.case(1)
def test_failing(case) -> None:
    case.says("a kill", steward="all lost")
    assert False
"""
LINES = [
    "case 2: a storm | arq: not tried | Steward: 0 lost",
    "case 13: a restart | arq: dies | Steward: 0.2 s",
    "case 44: a lull | arq: not tried | Steward: 0 bored",
]


def test_they_stand_by_number_and_what_failed_claims_nothing(tmp_path: Path) -> None:
    done = pytest_in(tmp_path, TESTS)

    assert _lines(done.stdout) == LINES


def test_they_come_from_the_processes_of_xdist_too(tmp_path: Path) -> None:
    done = pytest_in(tmp_path, TESTS, "-n2")

    assert _lines(done.stdout) == LINES


def test_a_line_of_no_case_is_a_mistake(tmp_path: Path) -> None:
    done = pytest_in(tmp_path, "def test_it(case) -> None:\n    case.says('x', steward='y')\n")

    assert "has no mark of a case" in done.stdout
    assert done.returncode == 1


def _lines(said: str) -> list[str]:
    return [line for line in said.splitlines() if re.match(r"case \d", line)]
