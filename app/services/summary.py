"""The sentences of a text that matter most, picked as they stand: nothing is made up.

A sentence earns its place by the words the whole text keeps coming back to, and by words that ask
for something: a decision, a deadline, money. Greetings and thanks are left out.
"""

import math
import re
from collections import Counter

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")
_WORD = re.compile(r"[^\W\d_]{3,}")
_CUES = re.compile(
    r"\b(need|needs|must|please|decide|decision|deadline|due|urgent|important|confirm|approve|pay|"
    r"invoice|budget|before|until|by \d|tomorrow|today|(mon|tues|wednes|thurs|fri|satur|sun)day)\b"
    r"|[€$£]\s?\d|\?",
    re.IGNORECASE,
)
_COURTESIES = re.compile(
    r"\s*(hi|hello|hey|dear|good (morning|afternoon|evening)|thanks|thank you|best|kind|regards|"
    r"cheers|sincerely|(i )?hope (you|this|all))\b",
    re.IGNORECASE,
)
_EVERYWHERE = frozenset(
    {"the", "and", "for", "you", "are", "was", "were", "with", "that", "this", "have", "has", "had"}
    | {"not", "but", "all", "from", "will", "would", "can", "could", "our", "your", "their", "his"}
    | {"her", "its", "they", "them", "there", "here", "what", "which", "who", "been", "about"}
)
_SHORT_COURTESY = 6  # words: a longer sentence that begins "Thanks" may say something
_CUE_WEIGHT = 3.0  # as much as three words the text is about
_LONGEST_TEXT = 100_000  # characters looked at


def summarize(text: str, *, sentences: int = 3) -> str:
    """The text in at most so many of its own sentences, in their order."""
    found = [each.strip() for each in _SENTENCE_END.split(text[:_LONGEST_TEXT]) if each.strip()]
    worth = [each for each in found if not _is_courtesy(each)] or found
    themes = Counter(word for each in worth for word in set(_words(each)))
    by_weight = sorted(range(len(worth)), key=lambda n: (-_weight(worth[n], themes), n))
    return " ".join(worth[n] for n in sorted(by_weight[:sentences]))


def _is_courtesy(sentence: str) -> bool:
    begins_so = _COURTESIES.match(sentence) is not None
    return begins_so and len(sentence.split()) <= _SHORT_COURTESY


def _weight(sentence: str, themes: Counter[str]) -> float:
    """How much it says, for its length: a list of everything is no summary of anything."""
    words = _words(sentence)
    if not words:
        return 0.0
    common = sum(themes[word] - 1 for word in set(words))
    return common / math.sqrt(len(words)) + _CUE_WEIGHT * len(_CUES.findall(sentence))


def _words(sentence: str) -> list[str]:
    words = (word.lower() for word in _WORD.findall(sentence))
    return [word.rstrip("s") for word in words if word not in _EVERYWHERE]  # offers: an offer
