"""One line for each case of a fault: what was done, what stock arq does, what Steward did.

A test marked `@pytest.mark.case(13)` asks for `case` and says its line at its end; all of them are
in pytest's summary, by the number of their case, also those of the processes that xdist starts.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from operator import itemgetter

import pytest

_PROPERTY = "steward case"
_UNTRIED = "not tried"

Said = tuple[int, str]
"""The case's number, and its line."""


class Case:
    """The case that a test proves."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def says(self, done: str, *, steward: str, arq: str = _UNTRIED, number: int = 0) -> None:
        """Record what was done, and what came of it here and with stock arq.

        `number` tells which, where a test is marked with several cases.
        """
        number = number or self._number()
        line = f"case {number}: {done} | arq: {arq} | Steward: {steward}"
        self._item.user_properties.append((_PROPERTY, (number, line)))

    def _number(self) -> int:
        mark = self._item.get_closest_marker("case")
        assert mark, f"{self._item.nodeid} says a case's line and has no mark of a case"
        return int(mark.args[0])


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Case:
    """Where a test says the line of its case."""
    return Case(request.node)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the lines of the tests that passed, in order."""
    reports: list[pytest.TestReport] = terminalreporter.getreports("passed")
    if said := sorted(_all_said(reports), key=itemgetter(0)):
        terminalreporter.section("cases: what was done | stock arq | Steward")
        for _, line in said:
            terminalreporter.write_line(line)


def _all_said(reports: Iterable[pytest.TestReport]) -> Iterator[Said]:
    for name, value in chain.from_iterable(report.user_properties for report in reports):
        match value:
            case (int(number), str(line)) if name == _PROPERTY:
                yield number, line
            case _:
                pass
