"""No test is told that a loop runs around it when none does.

For as long as a fixture of the session lives that is a coroutine's, anyio's plugin says in the main
thread that asyncio runs there. Who asks sniffio (it comes with the extra `llm`) believes it, and a
test that runs a loop of its own would be refused, depending on which tests came before.
"""

import sys

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup() -> None:
    """Before each fixture."""
    _forget()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call() -> None:
    """Before each test."""
    _forget()


def _forget() -> None:
    sniffio = sys.modules.get("sniffio")
    if sniffio is not None:
        sniffio.current_async_library_cvar.set(None)
