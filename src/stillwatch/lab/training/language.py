"""Whether a template's fixed text is English, to report errors by language. Never a classifier's input."""

import re
import unicodedata
from collections import Counter

from stillwatch.lab.training.slots import without_slots

ENGLISH, OTHER, NONE = "english", "other", "none"

# Words that other languages written in Latin letters hardly share.
_COMMON = frozenset(
    [
        "the",
        "of",
        "to",
        "and",
        "are",
        "for",
        "that",
        "this",
        "you",
        "your",
        "it",
        "with",
        "be",
        "from",
        "which",
        "what",
        "if",
        "was",
        "have",
        "has",
        "will",
        "should",
        "their",
        "following",
        "answer",
        "sentence",
        "given",
        "based",
        "only",
        "each",
        "please",
        "write",
        "how",
        "does",
        "using",
        "must",
        "not",
        "there",
        "who",
        "is",
        "by",
        "do",
        "these",
        "same",
        "think",
        "they",
        "mean",
        "two",
    ]
)


def language_of(system: str | None, template: str) -> str:
    """`english`, `other`, or `none` where fewer than four words of fixed text are left to tell by."""
    words = re.findall(r"[^\W\d_]+", without_slots(f"{system or ''}\n{template}").lower())
    letters = Counter("".join(words))
    latin = sum(n for letter, n in letters.items() if unicodedata.name(letter, "").startswith("LATIN"))
    if latin < 0.7 * letters.total():
        return OTHER
    if len(words) < 4:
        return NONE
    return ENGLISH if sum(word in _COMMON for word in words) >= 0.1 * len(words) else OTHER
