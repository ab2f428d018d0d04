"""Sorts a campaign's tasks by topic with the detector's own vectors, as an attacker who read the source would."""

import numpy as np
import pyarrow as pa

from stillwatch.lab.baselines._vectors import embed
from stillwatch.lab.behaviour.clocks import Ints
from stillwatch.lab.texts.book import Book
from stillwatch.lab.texts.recipes import Recipes
from stillwatch.lab.texts.render import render
from stillwatch.text.frequency import Sketch, update
from stillwatch.text.tokens import tokenize

_SAMPLE = 4000
_BATCH = 50_000
_ROUNDS = 12


def topics(book: Book, prompts: Recipes, count: int, rng: np.random.Generator) -> Ints:
    """The topic of each prompt, 0..count-1: clusters of the words that are not the template's.

    Args:
        book: where the prompts are written down.
        prompts: any number; they are rendered in batches.
        count: topics wanted.
        rng: picks the sample that the clusters are made of.
    """
    frozen = book.frozen()
    batches = [
        prompts.take(np.arange(b, min(b + _BATCH, len(prompts)))) for b in range(0, len(prompts), _BATCH)
    ]
    sketch = Sketch.empty()
    for batch in batches[:4]:
        update(sketch, tokenize(render(frozen, batch).cast(pa.large_string())))
    vectors = [embed(tokenize(render(frozen, b).cast(pa.large_string())), sketch)[0] for b in batches]
    data = np.concatenate(vectors).astype(np.float64)
    sample = data[rng.permutation(len(data))[:_SAMPLE]]
    return _nearest(data, _centres(sample, min(count, len(sample))))


def _centres(sample: np.ndarray, count: int) -> np.ndarray:
    """k-means (Lloyd 1982) in whole numbers: sums of them are exact in any order, so every machine finds the same."""
    centres = sample[:count].copy()
    for _ in range(_ROUNDS):
        label = _nearest(sample, centres)
        for number in np.unique(label).tolist():
            centres[number] = np.round(sample[label == number].mean(axis=0) * 16) / 16
    return centres


def _nearest(data: np.ndarray, centres: np.ndarray) -> Ints:
    return np.asarray((data @ centres.T - 0.5 * (centres**2).sum(axis=1)).argmax(axis=1), np.int64)
