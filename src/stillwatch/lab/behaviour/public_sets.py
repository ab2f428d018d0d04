"""Public sets of questions that everybody knows, so that strangers who have nothing in common ask the same."""

import numpy as np

from stillwatch.lab.behaviour.clocks import Ints
from stillwatch.lab.stage import Stage, sequence_of
from stillwatch.lab.texts.grammar import Dice
from stillwatch.lab.texts.templates import Template

PUBLIC_SETS = 8


def public_benchmark(stage: Stage, number: int) -> list[Template]:
    """The formats of a public benchmark: the same set and items for all populations of a world."""
    return stage.texts.benchmark(public_dice(stage, "benchmarks", number))


def public_dice(stage: Stage, what: str, number: int = 0) -> Dice:
    """Draws that come out the same wherever something public is asked for."""
    return Dice(
        np.random.Generator(np.random.PCG64(sequence_of(stage.around.seed, f"public {what}", number)))
    )


def popular_sets(rng: np.random.Generator, count: int) -> Ints:
    """A benchmark for each of `count` users; popularity falls as 1, 1/2, 1/3 ... (assumed)."""
    weight = 1 / np.arange(1, PUBLIC_SETS + 1)
    return rng.choice(PUBLIC_SETS, count, p=weight / weight.sum())
