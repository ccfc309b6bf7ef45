"""What was typed wrongly is told in words that need no knowledge of the parser."""

import pytest
from cyclopts import CycloptsError

from app.cli import steward
from app.cli.misuse import misuse


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("dead nope", "`steward dead` has no use for 'nope' (steward dead --help)"),
        ("show", "`steward show` needs ID (steward show --help)"),
        ("tasks pause", "`steward tasks pause` needs ID (steward tasks pause --help)"),
        ("tasks show x", "ID is a whole number, not 'x' (steward tasks show --help)"),
        ("runs --limit", "--limit needs a value (steward runs --help)"),
        ("runs --limit abc", "--limit is a whole number, not 'abc' (steward runs --help)"),
        ("runs --limit 0", 'Invalid value "0" for --limit. Must be >= 1.'),
    ],
)
def test_a_misuse_says_what_to_type(typed: str, line: str) -> None:
    words = typed.split()

    with pytest.raises(CycloptsError) as refused:
        steward(words)(words, print_error=False, exit_on_error=False)

    assert misuse(refused.value) == line
