"""Arguments that an error may quote: each text among them, its words, and how Python writes them.

A mail has thousands of words, and an error may repeat them all. So a text is gone through once, and
not once for each of them: what begins like one of them, with its first characters, is compared.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, cast

_BLANK = "***"
_BEGIN: Final = 4  # characters; shorter texts are parts of anything
_LONGEST = 10_000  # characters of a text as a whole; errors quote less
_MANY = 50  # lengths of texts that begin alike: then all that begins so is blanked, to its end
_END = re.compile(r"\s|\Z")


class Quoted:
    """Blanks these texts wherever they stand."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Texts of less than four characters stay."""
        self._texts = frozenset(each for each in texts if len(each) >= _BEGIN)
        self._lengths: dict[str, set[int]] = {}
        for each in self._texts:
            self._lengths.setdefault(each[:_BEGIN], set()).add(len(each))

    def blanked(self, text: str) -> str:
        """The text, with `***` in the place of each; of those that overlap, in the place of all."""
        parts, shown = list[str](), 0
        for start in range(len(text) - _BEGIN + 1):
            end = self._end_of(text, start)
            if end and start >= shown:
                parts += (text[shown:start], _BLANK)
            shown = max(shown, end)
        return "".join((*parts, text[shown:]))

    def _end_of(self, text: str, start: int) -> int:
        """Where the longest that begins here ends; 0 when none does."""
        lengths = self._lengths.get(text[start : start + _BEGIN], ())
        if len(lengths) > _MANY:
            return _end_of_word(text, start)
        ends = (start + each for each in lengths if text[start : start + each] in self._texts)
        return max(ends, default=0)


def texts_in(value: object) -> Iterator[str]:
    """Every text in an argument that an error may quote."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        match value:
            case str():
                yield from _forms(value)
            case bytes():
                waiting.append(value.decode("utf-8", "replace"))
            case list():
                waiting += cast("list[object]", value)
            case dict():
                waiting += chain.from_iterable(cast("dict[object, object]", value).items())
            case _:
                pass


def _forms(text: str) -> Iterator[str]:
    for each in {text, *text.split()}:
        if len(each) <= _LONGEST:
            yield from (each, repr(each)[1:-1], ascii(each)[1:-1])


def _end_of_word(text: str, start: int) -> int:
    found = _END.search(text, start)
    return found.start() if found else len(text)
