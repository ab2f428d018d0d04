"""Developers with projects of their own, and the coding agent that writes on their behalf.

A developer has one to three projects. A project has a stack, and identifiers in the style of its language,
made of two to four own nouns: files, functions, fields and classes differ from those of everybody else.
"""

import numpy as np

from stillwatch.lab.texts import answers
from stillwatch.lab.texts.book import Book, Key, Ref, Scope
from stillwatch.lab.texts.recipes import Recipes
from stillwatch.lab.texts.turns import Ints, Words, draws, openings, rank_within, scramble
from stillwatch.lab.texts.vocabulary import people, shipped

_CAMEL = frozenset(("ts", "tsx", "js", "kt", "go", "swift", "dart", "scala", "vue"))
_OWN = {
    "thing": (2, 4),
    "aspect": (4, 9),
    "verb": (5, 10),
    "suffix": (4, 8),
    "folder": (2, 4),
    "function": (10, 40),
    "field": (6, 18),
    "class": (6, 24),
    "file": (10, 24),
    "database": (1, 1),
}
_ASK, _TOOL, _FOLLOW, _TITLE, _SUMMARY = range(5)
_TITLED, _SUMMED, _LONG = 0.3, 0.08, 14


class Coding:
    """Programs of all stacks."""

    def __init__(self, book: Book) -> None:
        rules = {**shipped("coding")["project"], **shipped("coding")["task"]}
        stacks = list(zip(rules["stack"], rules["extension"], strict=False))
        self._programs = np.empty((5, len(stacks)), np.int32)
        for place, (stack, extension) in enumerate(stacks):
            words = {**people(), **rules, **_identifiers(extension in _CAMEL, extension), "stack": [stack]}
            self._programs[:, place] = _requests(book.scope(words, _OWN), words, book)

    def prompts(
        self, person: Ints, session: Ints, turn: Ints, seeds: Words, rng: np.random.Generator
    ) -> tuple[Recipes, Ints]:
        """See Library.coding."""
        size = len(session)
        place = np.arange(size)
        opened = openings(session)
        # The first of one to three projects gets most of the sessions.
        count = 1 + (scramble(seeds, 11) % np.uint64(3)).astype(np.int64)[person]
        project = (count * rng.random(size)[opened] ** 2).astype(np.int64)
        writer = scramble(seeds[person], project.astype(np.uint64))
        stack = (scramble(writer, 12) % np.uint64(self._programs.shape[1])).astype(np.int64)
        uniform = rng.random(size)
        step = np.where(uniform < 0.45, _TOOL, np.where(uniform < 0.85, _FOLLOW, _ASK))
        agent = rng.random(size)
        step[(turn == 1) & (agent < _TITLED)] = _TITLE
        step[(turn > _LONG) & (agent < _SUMMED)] = _SUMMARY
        step[place == opened] = _ASK
        draw = draws(rng, size)
        # A title quotes the first message of the session, a summary the last task of its developer.
        task = np.maximum.accumulate(np.where(step == _ASK, place, 0))
        recipes = Recipes.of(self._programs[step, stack], writer, draw[task], draw)
        kinds = np.array([answers.kind(k) for k in ("code", "code", "code", "short", "plain")])
        return recipes, kinds[step]


def sessions_of(person: Ints, session: Ints) -> Ints:
    """The running number of each turn's conversation within its person."""
    opened = openings(session)
    asks = np.flatnonzero(opened == np.arange(len(session)))
    number = np.zeros(len(session), np.int64)
    number[asks] = rank_within(person[asks])
    return number[opened]


def _requests(scope: Scope, words: dict[str, list[str]], book: Book) -> list[int]:
    quoted = {"message": Ref(scope.program("ask"), Key.QUOTE)}
    agent = [book.template(words[name][0], quoted) for name in ("title", "summary")]
    return [scope.program("ask"), scope.program("tool_result"), scope.program("follow"), *agent]


def _identifiers(camel: bool, extension: str) -> dict[str, list[str]]:
    """Functions, fields, classes and files of own nouns, as the language spells them."""
    if camel:
        functions, fields = ["{verb}{^thing}{^aspect}", "{verb}{^thing}"], ["{thing}{^aspect}"]
    else:
        functions, fields = ["{verb}_{thing}_{aspect}", "{verb}_{thing}"], ["{thing}_{aspect}"]
    return {
        "function": [functions[0], *functions],  # the longer ones are more common
        "field": fields,
        "class": ["{^thing}{^suffix}"],
        "file": ["{folder}/{thing}_{suffix}." + extension],
        "extension": [extension],
    }
