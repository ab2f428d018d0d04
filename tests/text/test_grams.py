import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.text.grams import GRAMS, WIDTH, signatures_of
from stillwatch.text.tokens import tokenize
from tests.text import reference


def _number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 4


def _gram(words: list[str]) -> int:
    """A run of words, in which every number is alike, unless there are but numbers."""
    masked = not all(map(_number, words))
    first, *rest = (
        0x4E554D424552 if masked and _number(word) else reference.word_hash(word) for word in words
    )
    for h in rest:
        first = reference.combine(first, h)
    return first


def _slow(words: list[str], kept: list[bool]) -> list[int]:
    starts = [i for i in range(len(words) - WIDTH + 1) if all(kept[i : i + WIDTH])]
    grams = [_gram(words[i : i + WIDTH]) for i in starts]
    edges = (grams[0] if grams and kept[0] else 0), (grams[-1] if grams and kept[-1] else 0)
    return [*edges, *sorted(set(grams))[:GRAMS]]


_numbered = st.lists(st.sampled_from(["bill", "hours", "q3", "18", "007", "12345", "2026"]), max_size=12)


@settings(deadline=None)
@given(reference.arrays(), st.randoms(use_true_random=False))
def test_edges_and_smallest_shingles_of_the_wanted_texts(case, random):
    values, array = case
    tokens = tokenize(array)
    kept = np.array([random.random() < 0.8 for _ in tokens.hashes], np.bool_)
    wanted = np.array([random.random() < 0.5 for _ in values], np.bool_)
    found = signatures_of(tokens, kept, wanted).to_pylist()
    for row, value in enumerate(values):
        own = kept[tokens.offsets[row] : tokens.offsets[row + 1]].tolist()
        slow = _slow(reference.words(value or ""), own)
        expected = np.array(slow, "<u8").tobytes() if wanted[row] else None
        assert found[row] == expected


@settings(deadline=None)
@given(_numbered, st.randoms(use_true_random=False))
def test_numbers_beside_words_are_alike(words, random):
    tokens = tokenize(pa.array([" ".join(words)]))
    kept = np.array([random.random() < 0.9 for _ in words], np.bool_)
    found = signatures_of(tokens, kept, np.ones(1, np.bool_))
    assert found[0].as_py() == np.array(_slow(words, kept.tolist()), "<u8").tobytes()


def test_of_a_long_text_as_many_as_there_is_room_for():
    tokens = tokenize(pa.array([" ".join(f"w{i}" for i in range(500))]))
    packed = signatures_of(tokens, np.ones(500, np.bool_), np.ones(1, np.bool_))
    assert len(packed[0].as_py()) == 8 * (2 + GRAMS)
