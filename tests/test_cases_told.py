"""Every fault that Steward promises to survive has a test that says its line in the summary."""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
PROMISED = {*range(1, 47), *range(55, 65), 67} - {29, 30, 32, 36}


def test_each_promised_case_has_a_test_that_says_its_line() -> None:
    told = {number for path in TESTS.rglob("test_*.py") for number in _told(path)}

    assert PROMISED - told == set()


def _told(path: Path) -> Iterator[int]:
    tree = ast.parse(path.read_text())
    everywhere = [*_marks(tree.body)]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            marks = [*_marks(node.decorator_list)] or everywhere
            yield from (_number(call) or marks[0] for call in _lines(node))


def _marks(nodes: list[ast.expr] | list[ast.stmt]) -> Iterator[int]:
    """The numbers of `pytest.mark.case(number)`, in decorators or in `pytestmark`."""
    for node in nodes:
        if isinstance(node, ast.expr | ast.Assign):
            for each in ast.walk(node):
                match each:
                    case ast.Call(ast.Attribute(attr="case"), [ast.Constant(int(number))]):
                        yield number
                    case _:
                        pass


def _lines(test: ast.AST) -> Iterator[ast.Call]:
    for each in ast.walk(test):
        match each:
            case ast.Call(ast.Attribute(ast.Name("case"), "says")):
                yield each
            case _:
                pass


def _number(line: ast.Call) -> int | None:
    """The case it names itself, where the test is marked with several."""
    for word in line.keywords:
        if word.arg == "number" and isinstance(word.value, ast.Constant):
            return int(str(word.value.value))
    return None
