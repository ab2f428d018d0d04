"""Brief answers of the simulated model, and drafts that a request quotes."""

from functools import cache

import numpy as np

from stillwatch.lab.texts.corpus import answer_sentences
from stillwatch.lab.texts.grammar import Dice

# An answer to each kind of request: section of corpus/answers.toml, fewest and most sentences.
_SHAPES = {
    "plain": ("plain", 3, 9),
    "code": ("code", 2, 9),
    "short": ("short", 1, 1),
    "reasoning": ("reasoning", 4, 15),
    "rubric": ("grading", 3, 8),
    "judging": ("grading", 2, 6),
    "agentic_coding": ("code", 3, 12),
    "coding": ("code", 3, 9),
    "tool_use": ("code", 4, 9),
    "data_analysis": ("reasoning", 5, 12),
    "rewriting": ("plain", 3, 9),
    "generation": ("plain", 3, 9),
    "summary": ("plain", 1, 3),
    "translation": ("plain", 2, 5),
}
_BANK = 600


@cache
def _bank(section: str) -> tuple[str, ...]:
    """A fixed stock of sentences with `{topic}` open; the same in every world, so it tells nobody apart."""
    dice = Dice(np.random.Generator(np.random.PCG64(20260302)))
    grammar = answer_sentences(section)
    return tuple(grammar.text("sentence", dice) for _ in range(_BANK))


def answer(kind: str, prompt: str, dice: Dice, verbosity: float = 1.0) -> str:
    """An answer of this kind that names words of the prompt; `verbosity` multiplies its sentences."""
    section, fewest, most = _SHAPES.get(kind, _SHAPES["plain"])
    bank = _bank(section)
    wanted = dice.integer(fewest, most) * (verbosity if most > 1 else 1.0)
    # A dictionary keeps the order and drops what was said already.
    sentences = " ".join(dict.fromkeys(dice.pick(bank) for _ in range(max(1, round(wanted)))))
    begin = int(dice.uniform() * max(1, len(prompt) - 40))
    words = prompt[begin : begin + 60].split()
    topic = max(words[1:] or words or ["it"], key=len).strip(".,:;?!()[]{}\"'<>`")
    return sentences.replace("{topic}", topic or "it")


def side_text(kind: str, dice: Dice) -> str:
    """A draft answer, as requests for grading or for articulating hidden reasoning quote it."""
    section = (
        "code"
        if kind in ("agentic_coding", "coding", "tool_use")
        else "reasoning"
        if kind != "judging"
        else "plain"
    )
    topic = dice.pick(
        ("the total", "the first part", "x", "the remainder", "the result", "both sides", "the rate")
    )
    return " ".join(dice.pick(_bank(section)) for _ in range(dice.integer(2, 6))).replace("{topic}", topic)
