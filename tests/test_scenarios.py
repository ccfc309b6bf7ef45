"""The page of old scenarios: each of the 120 is there once, and names a test that there is."""

import ast
import re
from collections import Counter
from pathlib import Path

PAGE = Path(__file__).with_name("scenarios.md")
ROOT = Path(__file__).parents[1]
SIZES = {
    "ai_scheduler": 23,
    "ai_tasks": 13,
    "ai_tasks_simplified": 10,
    "celery_app": 23,
    "email_tasks": 10,
    "email_tasks_simplified": 10,
    "file_tasks": 10,
    "maintenance_tasks": 11,
    "sync_tasks": 10,
}
"""How many scenarios each old file had."""
ROW = re.compile(r"\| (\w+) \| (.*?) ?\|")


def rows() -> list[tuple[str, str, str]]:
    """Every row: the old file, the old name, the new test."""
    found, file = list[tuple[str, str, str]](), ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            file = line.split()[1]
        elif (row := ROW.fullmatch(line)) and row[1] != "old":
            found.append((file, row[1], row[2]))
    return found


def names_in(path: Path) -> set[str]:
    """The names of the tests that stand in a file."""
    tree = ast.parse(path.read_text() if path.exists() else "")
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    named = (each.name for each in ast.walk(tree) if isinstance(each, functions))
    return {name for name in named if name.startswith("test_")}


def test_each_old_scenario_has_one_row() -> None:
    found = rows()

    assert Counter(file for file, _, _ in found) == SIZES
    assert Counter(found).most_common(1)[0][1] == 1
    assert len({(file, old) for file, old, _ in found}) == sum(SIZES.values()) == 120


def test_each_row_names_a_test_that_there_is() -> None:
    named = [new.partition("::") for _, _, new in rows() if new]
    there = {file: names_in(ROOT / file) for file in {file for file, _, _ in named}}

    assert [f"{file}::{test}" for file, _, test in named if test not in there[file]] == []


def test_no_row_is_empty() -> None:
    assert [f"{file}: {old}" for file, old, new in rows() if not new] == []
