"""`--rights`: servers give the tests no more rights than README says that Steward needs.

What is about more than that says so, `@pytest.mark.more_rights("why")`, and is left out then.
"""

import os
import sys
import tempfile
from pathlib import Path

import pytest

_PATH = "PYTHONPATH"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the option."""
    group = parser.getgroup("steward")
    group.addoption("--rights", action="store_true", help="have no more rights than README says")


def pytest_configure(config: pytest.Config) -> None:
    """Let every process of the tests find a Valkey with these users."""
    config.addinivalue_line("markers", "more_rights(why): needs more, and is left out without")
    if config.getoption("--rights"):
        _limit(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about more than Steward needs."""
    if config.getoption("--rights"):
        beyond = [item for item in items if item.get_closest_marker("more_rights")]
        config.hook.pytest_deselected(items=beyond)
        items[:] = [item for item in items if item not in beyond]


def _limit(config: pytest.Config) -> None:
    from app.local.binary import find_binary
    from tests.rights import VARIABLE, make_shim

    if VARIABLE not in os.environ:  # else by whoever started this process
        folder = tempfile.TemporaryDirectory(prefix="rights-")
        config.add_cleanup(folder.cleanup)
        os.environ[VARIABLE] = shim = str(make_shim(Path(folder.name), find_binary()))
        os.environ[_PATH] = os.pathsep.join(filter(None, [shim, os.environ.get(_PATH)]))
    sys.path.insert(0, os.environ[VARIABLE])
