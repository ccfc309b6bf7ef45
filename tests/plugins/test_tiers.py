"""What `--tier` and `--seed` promise."""

from pathlib import Path

from tests.plugins.running import pytest_in

TESTS = """
import pytest

def test_always(tier: str, seed: int) -> None:
    print(f"in {tier} with {seed}, {tier.of(2, 10)} times")

@pytest.mark.tier("T2")
def test_sometimes() -> None:
    assert False

@pytest.mark.tier("T3")
def test_at_night() -> None:
    assert False
"""


def test_what_belongs_to_a_higher_tier_is_deselected_not_skipped(tmp_path: Path) -> None:
    done = pytest_in(tmp_path, TESTS, "-s")

    assert "in T1 with 7, 2 times" in done.stdout
    assert "1 passed, 2 deselected" in done.stdout
    assert done.returncode == 0


def test_a_higher_tier_runs_all_of_those_below(tmp_path: Path) -> None:
    done = pytest_in(tmp_path, TESTS, "-s", "--tier=T2", "--seed=3")

    assert "in T2 with 3, 10 times" in done.stdout
    assert "1 failed, 1 passed, 1 deselected" in done.stdout


def test_sizes_stay_as_they_are_above_the_last_one(tmp_path: Path) -> None:
    done = pytest_in(tmp_path, TESTS, "-s", "--tier=T3")

    assert "in T3 with 7, 10 times" in done.stdout
    assert "2 failed, 1 passed" in done.stdout


def test_the_same_tests_are_left_out_by_processes_of_xdist(tmp_path: Path) -> None:
    done = pytest_in(tmp_path, TESTS, "-n2", "--tier=T2")

    assert "1 failed, 1 passed" in done.stdout
