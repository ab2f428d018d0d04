"""How fast texts are written from recipes, against the Python grammar that reads the same rules.

CPU time of one core; the kernel is compiled before, the Python grammar is parsed before.
"""

import time
from typing import Any

import numpy as np

from stillwatch.lab.texts.corpus import Library
from stillwatch.lab.texts.grammar import Dice, Grammar
from stillwatch.lab.texts.recipes import Recipes
from stillwatch.lab.texts.render import render
from stillwatch.lab.texts.vocabulary import people, shipped, texts

TEXTS = 200_000
BY_PYTHON = 4_000


def _kernel(library: Library, recipes: Recipes) -> tuple[float, float]:
    """Texts and bytes a second, the best of three."""
    frozen = library.book.frozen()
    render(frozen, recipes.take(np.arange(100)))
    best, size = float("inf"), 0
    for _ in range(3):
        start = time.process_time()
        array = render(frozen, recipes)
        best = min(best, time.process_time() - start)
        size = len(array.buffers()[2])
    return len(recipes) / best, size / best


def _python(grammar: Grammar, rule: str) -> tuple[float, float]:
    dice = Dice(np.random.default_rng(1))
    start = time.process_time()
    written = [grammar.text(rule, dice) for _ in range(BY_PYTHON)]
    seconds = time.process_time() - start
    return BY_PYTHON / seconds, sum(len(text.encode()) for text in written) / seconds


def main() -> None:
    library = Library()
    draws = np.arange(TEXTS)
    chat: Any = shipped("chat")
    rules = {
        "question in a chat": (
            {**people(), **chat["shared"], **chat["topic"]["travel"]},
            "ask",
        ),
        "problem": ({**people(), **shipped("problems")["maths"]}, "item"),
        "product review": (texts(), "review"),
        "teacher template": ({**people(), **shipped("teacher")["reasoning"]}, "template"),
    }
    print("| text | kernel, texts/s | kernel, MB/s | Python, texts/s | Python, MB/s | ratio |")
    print("|---|---|---|---|---|---|")
    for name, (words, rule) in rules.items():
        program = library.book.scope(words).program(rule)
        fast = _kernel(library, Recipes.of(program, 0, 0, draws))
        slow = _python(Grammar.of(words), rule)
        figures = f"{fast[0]:,.0f} | {fast[1] / 1e6:.0f} | {slow[0]:,.0f} | {slow[1] / 1e6:.1f}"
        print(f"| {name} | {figures} | {fast[0] / slow[0]:.0f} |", flush=True)
    dice = Dice(np.random.default_rng(1))
    graded = library.teacher("rubric", dice).prompts(draws, draws)
    texts_a_second, bytes_a_second = _kernel(library, graded)
    print(f"| rubric grading, filled | {texts_a_second:,.0f} | {bytes_a_second / 1e6:.0f} | | | |")


if __name__ == "__main__":
    main()
