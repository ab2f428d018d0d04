import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.text.grams import GRAMS, WIDTH, signatures_of
from stillwatch.text.tokens import tokenize
from tests.text import reference


def _chain(words: list[int]) -> int:
    h = words[0]
    for w in words[1:]:
        h = reference.combine(h, w)
    return h


def _slow(words: list[int], kept: list[bool]) -> list[int]:
    starts = [i for i in range(len(words) - WIDTH + 1) if all(kept[i : i + WIDTH])]
    grams = [_chain(words[i : i + WIDTH]) for i in starts]
    edges = (grams[0] if grams and kept[0] else 0), (grams[-1] if grams and kept[-1] else 0)
    return [*edges, *sorted(set(grams))[:GRAMS]]


@settings(deadline=None)
@given(reference.arrays(), st.randoms(use_true_random=False))
def test_edges_and_smallest_shingles_of_the_wanted_texts(case, random):
    values, array = case
    tokens = tokenize(array)
    kept = np.array([random.random() < 0.8 for _ in tokens.hashes], np.bool_)
    wanted = np.array([random.random() < 0.5 for _ in values], np.bool_)
    found = signatures_of(tokens, kept, wanted).to_pylist()
    for row, value in enumerate(values):
        words = [reference.word_hash(w) for w in reference.words(value or "")]
        own = kept[tokens.offsets[row] : tokens.offsets[row + 1]].tolist()
        expected = np.array(_slow(words, own), "<u8").tobytes() if wanted[row] else None
        assert found[row] == expected


def test_of_a_long_text_as_many_as_there_is_room_for():
    tokens = tokenize(pa.array([" ".join(f"w{i}" for i in range(500))]))
    packed = signatures_of(tokens, np.ones(500, np.bool_), np.ones(1, np.bool_))
    assert len(packed[0].as_py()) == 8 * (2 + GRAMS)
