"""The tree of errors."""

import re

from app.engine import errors

_LINE = re.compile(r"^([│├└─ ]*)([A-Z]\w+)  +")


def drawn() -> dict[str, str]:
    """Each class of the drawing, with the one it hangs under."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := _LINE.match(line):
            depth = len(found[1]) // 4
            path[depth:] = [found[2]]
            parents[found[2]] = path[depth - 1] if depth else ""
    return parents


def test_the_drawn_tree_is_the_real_one() -> None:
    real = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
    ours = {n: kind for n, kind in real.items() if kind.__module__ == errors.__name__}
    told = drawn()

    assert told.keys() == ours.keys()
    for name, parent in told.items():
        base = ours[name].__bases__[0]
        assert base.__name__ == parent or (not parent and base.__module__ == "builtins"), name


def test_every_error_says_when_it_is_raised() -> None:
    assert all(getattr(errors, name).__doc__ for name in drawn())
