"""A start that fails or hangs ends the process: with a code that says so, and one line."""

import pytest

from tests.life.home import Home
from tests.plugins.cases import Case


@pytest.mark.case(8)
@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ("Raising", "LookupError: nothing to open here"),
        ("Hanging", "it could not be opened within 2 s"),
        pytest.param("Blocking", "does not react", marks=pytest.mark.tier("T2")),
    ],
)
async def test_a_start_that_does_not_succeed_ends_in_one_line(
    home: Home, settings: str, line: str, case: Case
) -> None:
    worker = home.worker(f"tests.life.starts.{settings}")

    assert await worker.exit_code() == 1
    (said,) = worker.said().splitlines()
    case.says(
        f"a start that is {settings.lower()}",
        steward=f"exit code 1 and one line: {said}",
    )
    assert line in said
