"""Brief answers of the simulated model, and drafts that a request quotes."""

import numpy as np

from stillwatch.lab.texts.book import Book, Scope
from stillwatch.lab.texts.recipes import Places
from stillwatch.lab.texts.vocabulary import people, shipped

_SECTIONS = {
    "plain": "plain",
    "code": "code",
    "short": "short",
    "reasoning": "reasoning",
    "rubric": "grading",
    "judging": "grading",
    "agentic_coding": "code",
    "coding": "code",
    "tool_use": "code",
    "data_analysis": "reasoning",
    "rewriting": "plain",
    "generation": "plain",
    "summary": "plain",
    "translation": "plain",
}
KINDS = tuple(_SECTIONS)
"""Kinds of answers; Rows.answer holds places in it."""
_DRAFTS = {
    "agentic_coding": "code",
    "tool_use": "code",
    "ci": "code",
    "reasoning": "reasoning",
    "rubric": "reasoning",
    "data_analysis": "reasoning",
}


def kind(name: str) -> int:
    """Place of a kind in KINDS; that of "plain" for a use without a kind of its own."""
    return KINDS.index(name) if name in _SECTIONS else 0


class Answers:
    """Programs of answers and drafts."""

    def __init__(self, book: Book) -> None:
        self._sections: dict[str, Scope] = {}
        for section, rules in shipped("answers").items():
            if section == "shared":
                continue
            several = ["{sentence}" + " {sentence}" * more for more in range(1, 6)]
            merged = {**people(), **shipped("answers")["shared"], **rules, "draft": several}
            self._sections[section] = book.scope(merged)

        # Compiled now: answers are asked of a book that is already frozen.
        self._sentences = np.array(
            [self._sections[s].program("sentence") for s in _SECTIONS.values()], np.int32
        )

    def programs(self) -> Places:
        """Program of one sentence of each kind, in the order of KINDS; render_until makes answers of it."""
        return self._sentences

    def draft(self, capability: str) -> int:
        """Program of a draft answer, as requests for grading or for hidden reasoning quote it."""
        return self._sections[_DRAFTS.get(capability, "plain")].program("draft")
