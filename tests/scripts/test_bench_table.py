"""The table says what was measured: medians, extremes, and what went wrong before anything else."""

import pytest

from benchmark import table
from benchmark.measured import Cost, Measured
from benchmark.report import ASIDE, Report
from benchmark.sizes import QUICK
from tests.scripts.bench import rows

ROW, OTHER = "drain, one worker, /s", "its CPU, %"


def report(*ours: Measured, theirs: Measured | None = None) -> Report:
    """Some rounds of ours, and one of somebody else's."""
    return Report(
        command="scripts/bench",
        machine="2 cores",
        server="Valkey 9",
        versions={"arq": "0.28"},
        sizes=QUICK,
        contestants=["ours", "theirs"],
        rows=[ROW, OTHER],
        aside_rows=["floor"],
        rounds={
            "ours": list(ours),
            "theirs": [theirs or Measured()],
            ASIDE: [Measured(figures={"floor": 5.0})],
        },
    )


def drained(rate: float) -> Measured:
    """A round in which this was the rate."""
    return Measured(figures={ROW: rate})


def test_a_cell_has_the_median_and_the_lowest_and_highest_round() -> None:
    found = report(drained(1000), drained(4000), drained(3000), theirs=drained(12.345))

    assert rows(table.results(found))[ROW] == ["3,000 (1,000..4,000)", "12.3"]


def test_what_was_not_measured_is_a_dash_and_what_was_noted_a_word() -> None:
    found = report(Measured(notes={ROW: "stands still"}))

    shown = rows(table.results(found))

    assert (shown[ROW], shown[OTHER]) == (["stands still", "-"], ["-", "-"])


def test_one_bad_round_of_many_is_what_its_row_says() -> None:
    found = report(drained(1000), Measured(faults={ROW: "2 lost"}), drained(1000))

    assert rows(table.results(found))[ROW][0] == "**2 lost**"
    assert found.has_faults


def test_a_cost_has_its_median_in_every_part() -> None:
    costs = [
        Cost(own_us=each, redis_us=2.5, commands=1.0, traffic=300.0) for each in (10.0, 12.0, 50.0)
    ]
    found = report(*(Measured(costs={ROW: each}) for each in costs))

    shown = rows(table.costs(found))

    assert shown["drain, one worker"] == ["12.0 + 2.50 µs, 1.00 commands, 300 B", "-"]
    assert "its CPU" not in shown


def test_what_is_measured_beside_the_contest_has_its_own_table() -> None:
    assert rows(table.asides(report(drained(1))))["floor"] == ["5.00"]


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (0.123, "0.12"), (12.34, "12.3"), (1234567, "1,234,567")]
)
def test_a_number_has_three_digits_that_matter(value: float, shown: str) -> None:
    assert table.number(value) == shown


def test_the_conditions_tell_the_rounds_the_machine_and_the_versions() -> None:
    said = table.conditions(report(drained(1), drained(2)))

    assert said.startswith("Medians of 2 rounds (lowest..highest). 2 cores, Valkey 9 without")
    assert said.endswith("arq 0.28.")
