"""Name what was skipped, and with STEWARD_TEST_REQUIRE=all take a skip for a failure.

Some tests need a system package, such as a real IMAP server, and skip where it is missing. On a
laptop that is right; where everything is installed on purpose, a skipped test is a promise that
nobody checked.
"""

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge one test's report."""
    return _judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Judge a whole file that skips itself."""
    return _judged((yield))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the skipped tests right above pytest's closing line."""
    skipped: list[pytest.TestReport | pytest.CollectReport] = terminalreporter.getreports("skipped")
    for report in skipped:
        terminalreporter.write_line(f"skipped: {report.nodeid} ({_reason(report)})")


def _judged(report: Report) -> Report:
    expected_to_fail = hasattr(report, "wasxfail")
    if report.skipped and not expected_to_fail and os.environ.get("STEWARD_TEST_REQUIRE") == "all":
        report.longrepr = f"skipped, but STEWARD_TEST_REQUIRE=all: {_reason(report)}"
        report.outcome = "failed"
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    match report.longrepr:
        case (_, _, str(reason)):
            return reason.removeprefix("Skipped: ")
        case other:
            return str(other)
