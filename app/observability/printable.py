"""Text from elsewhere that may be shown: nothing in it steers a terminal or begins a line.

A subject or an error message can hold escape sequences that move the cursor, retitle the window or
hide what follows; marks that turn the direction of writing do the same to the eye.
"""

import re
import unicodedata

_SEQUENCE = re.compile(
    r"""
      \x1b [\[] [0-?]* [\ -/]* [@-~]?               # CSI: colours, the cursor
    | \x9b [0-?]* [\ -/]* [@-~]?                    # the same in one character
    | (?: \x1b [\]PX^_] | [\x90\x98\x9d-\x9f] )     # OSC, DCS and their kind: titles, links
      [^\x07\x1b\x9c]* (?: \x07 | \x1b\\ | \x9c )?
    | \x1b .?                                       # any other
    """,
    re.VERBOSE,
)
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def printable(text: str) -> str:
    """The text on one line, without control characters and what belongs to them."""
    if text.isascii() and text.isprintable():
        return text
    seen = "".join(map(_shown, _SEQUENCE.sub("", text)))
    return " ".join(seen.split(" ")).strip()


def _shown(character: str) -> str:
    if character.isspace():
        return " "
    return "" if unicodedata.category(character) in _UNSEEN else character
