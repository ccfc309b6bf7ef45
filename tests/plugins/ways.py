"""`--way=WAY`: every server of the tests is reached so, and holds no keys but Steward's.

What can't be reached that way says so, `@pytest.mark.not_by("resp2", why="...")`, and is left out
then; what names no way, by each.
"""

import os

import pytest

VARIABLE = "TESTS_WAY"
WAYS = ("socket", "tls", "db", "resp2", "resp3", "redis")
_COUNTED = ("passed", "failed", "error", "skipped")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the option."""
    group = parser.getgroup("steward")
    group.addoption("--way", choices=WAYS, help="come to every server so")


def pytest_configure(config: pytest.Config) -> None:
    """Let every process of the tests know of it."""
    config.addinivalue_line("markers", "not_by(*ways, why): is left out by these, or by each")
    if way := config.getoption("--way"):
        os.environ[VARIABLE] = way


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what can't come so."""
    if way := config.getoption("--way"):
        out = [item for item in items if way in _left_out_by(item)]
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


def _left_out_by(item: pytest.Item) -> set[str]:
    return {way for mark in item.iter_markers("not_by") for way in mark.args or WAYS}


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what came of it, in one line."""
    if way := config.getoption("--way"):
        stats = terminalreporter.stats
        counts = [f"{len(stats[word]):,} {word}" for word in _COUNTED if word in stats]
        terminalreporter.write_line(f"way {way}: {', '.join(counts)}")
