"""A table on a terminal, in which nothing is cut: an id that can't be copied is of no use.

Sentences are wrapped; a word, a number or a moment never is. Where a table is wider than the
terminal, columns that say nothing are left out; after that the last ones stand beneath their row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

UNKNOWN = "-"

_MOMENT = len("2026-12-24 18:00:00")  # what has spaces and is longer is a sentence
_SENTENCE = 20  # the least width for one
_WORD = 40  # the longest word that is kept whole in one
_GAP = 2
_FIRM = "\u00a0"  # a space at which no line ends


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cells: tuple[str, ...]

    @property
    def says_nothing(self) -> bool:
        return all(each == UNKNOWN for each in self.cells)

    @property
    def is_prose(self) -> bool:
        return any(" " in each and len(each) > _MOMENT for each in self.cells)

    def width(self) -> int:
        """Of its longest cell, all on one line."""
        from rich.cells import cell_len

        return max(map(cell_len, (self.title, *self.cells)))

    def least(self) -> int:
        """How narrow it may become: a setting's name in a sentence is to be copied, too."""
        from rich.cells import cell_len

        if not self.is_prose:
            return self.width()
        longest = max(cell_len(word) for text in (self.title, *self.cells) for word in text.split())
        return min(self.width(), max(_SENTENCE, min(longest, _WORD)))


def draw(
    titles: Sequence[str], cells: Sequence[Sequence[str]], *, width: int | None = None
) -> None:
    """Print the table, on a terminal of this width, or of the one there is."""
    from rich.console import Console

    width = width or Console().width
    columns = [_Column(*each) for each in zip(titles, zip(*cells, strict=True), strict=True)]
    if _whole(each.width() for each in columns) > width:
        columns = [each for each in columns if not each.says_nothing] or columns
    above, below = _parted(columns, width)
    widths = _shared(above, width)
    console = Console(width=max(width, _whole(widths)))
    if not below:
        console.print(_table(above, widths, range(len(cells)), show_header=True))
        return
    for row in range(len(cells)):
        console.print(_table(above, widths, [row], show_header=row == 0))
        for line in _beneath(below, row, width):
            console.print(line, soft_wrap=True, markup=False, highlight=False)


def _parted(columns: Sequence[_Column], width: int) -> tuple[Sequence[_Column], Sequence[_Column]]:
    """The columns that stand side by side, as many as there is room for, and the others."""
    count = len(columns)
    while count > 1 and _whole(each.least() for each in columns[:count]) > width:
        count -= 1
    return columns[:count], columns[count:]


def _table(
    columns: Sequence[_Column], widths: Sequence[int], rows: Iterable[int], *, show_header: bool
) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, _GAP - 1, 0, 0),
        show_header=show_header,
    )
    for column, its in zip(columns, widths, strict=True):
        table.add_column(column.title, width=its, no_wrap=not column.is_prose, overflow="fold")
    for row in rows:
        table.add_row(*(Text(each.cells[row]) for each in columns))
    return table


def _beneath(columns: Sequence[_Column], row: int, width: int) -> Sequence[str]:
    """What has no room beside the rest, each with its title; only sentences are wrapped."""
    told = list[str]()
    for each in columns:
        if (cell := each.cells[row]) != UNKNOWN:
            whole = cell if each.is_prose else cell.replace(" ", _FIRM)
            told.append(f"{each.title.replace(' ', _FIRM)}{_FIRM}{whole}")
    indent = " " * _GAP
    lines = wrap(
        indent.join(told),
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_FIRM, " ") for line in lines]


def _shared(columns: Sequence[_Column], width: int) -> list[int]:
    """A width for each column: what is left beyond the least goes to the first sentences."""
    widths = [each.least() for each in columns]
    for place, column in enumerate(columns):
        left = max(0, width - _whole(widths))
        widths[place] = min(column.width(), widths[place] + left)
    return widths


def _whole(widths: Iterable[int]) -> int:
    every = [*widths]
    return sum(every) + _GAP * (len(every) - 1)
