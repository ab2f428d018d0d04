from collections import Counter
from functools import reduce

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.text.frequency import (
    CELLS_A_LINE,
    Sketch,
    cells_reach,
    digest_repeated,
    estimate,
    frequent_lines,
    in_lines,
    line_may_reach,
    merge,
    shingles,
    text_hashes,
    times,
    update,
)
from stillwatch.text.shingles import END, ORDER, START
from stillwatch.text.tokens import tokenize
from tests.text import reference


def slow_shingles(text: str) -> list[int]:
    words = [reference.word_hash(w) for w in reference.words(text)]
    if not words:
        return []
    marked = [START] * (ORDER - 1) + words + [END] * (ORDER - 1)
    out = []
    for order in (ORDER, ORDER - 1):
        for i in range(len(marked) - order + 1):
            h = marked[i]
            for w in marked[i + 1 : i + order]:
                h = reference.combine(h, w)
            out.append(h)
    return out + words


def true_counts(values: list[str | None]) -> Counter[int]:
    distinct = {tuple(reference.word_hash(w) for w in reference.words(v or "")): v or "" for v in values}
    counts: Counter[int] = Counter()
    for words, text in distinct.items():
        if words:
            counts.update(set(slow_shingles(text)))
    return counts


@settings(deadline=None)
@given(reference.arrays())
def test_counts_equal_exact_ones(case):
    values, array = case
    sketch = update(Sketch.empty(12), array)
    expected = true_counts(values)
    found = [h for row in shingles(array) for h in row.tolist()]
    assert set(found) == set(expected)
    got = estimate(sketch, np.array(list(expected), np.uint64)).tolist()
    # A sketch is never below the truth, and this large a one is hardly ever above it.
    assert all(g >= e for g, e in zip(got, expected.values(), strict=True))
    assert sum(g > e for g, e in zip(got, expected.values(), strict=True)) <= 1 + len(expected) // 20


@settings(deadline=None)
@given(st.lists(reference.texts, max_size=15), st.data())
def test_order_and_repetition_do_not_matter(values, data):
    shuffled = data.draw(st.permutations(values))
    one = update(Sketch.empty(8), pa.array(values, pa.string()))
    other = Sketch.empty(8)
    for value in shuffled:
        update(other, pa.array([value]))
    assert (one.cells == other.cells).all()
    assert one.n_texts == other.n_texts
    assert np.array_equal(one.repeated(1)[0], other.repeated(1)[0])
    assert np.array_equal(one.repeated(1)[1], other.repeated(1)[1])


@settings(deadline=None)
@given(st.lists(reference.texts, max_size=15, unique_by=lambda t: tuple(map(str.lower, reference.words(t)))))
def test_merged_parts_equal_the_whole(values):
    half = len(values) // 2
    left = update(Sketch.empty(8), pa.array(values[:half], pa.string()))
    right = update(Sketch.empty(8), pa.array(values[half:], pa.string()))
    whole = update(Sketch.empty(8), pa.array(values, pa.string()))
    both = merge(left, right)
    if both.n_texts == left.n_texts + right.n_texts:
        assert (both.cells == whole.cells).all()
    assert both.n_texts == whole.n_texts
    assert np.array_equal(both.repeated(1)[0], whole.repeated(1)[0])
    assert np.array_equal(both.repeated(1)[1], whole.repeated(1)[1])


def test_a_text_in_both_parts_is_known_to_be_one():
    part = update(Sketch.empty(8), pa.array(["one two three", "four five"]))
    both = merge(part, part)
    assert both.n_texts == 2
    assert both.repeated(2)[1].tolist() == [2, 2]


def test_sketches_of_different_size_do_not_merge():
    with pytest.raises(ValueError, match="number of lines"):
        merge(Sketch.empty(8), Sketch.empty(9))


def test_cells_saturate():
    sketch = Sketch.empty(8)
    sketch.cells[:] = 0xFFFFFFFF
    update(sketch, pa.array(["one two"]))
    assert (sketch.cells == 0xFFFFFFFF).all()
    assert (merge(sketch, sketch).cells == 0xFFFFFFFF).all()


def test_growth_keeps_every_text():
    values = [f"text number {i}" for i in range(9000)]
    sketch = Sketch.empty(10)
    for i in range(0, 9000, 1000):
        update(sketch, pa.array(values[i : i + 1000]))
    assert sketch.n_texts == 9000
    hashes = text_hashes(tokenize(pa.array(values)))
    assert sketch.repeated(1)[0].tolist() == sorted(hashes.tolist())


def test_a_text_hash_combines_the_words_in_order():
    # More words than the numbers of 16 bits that bring texts of a length together, and texts left over.
    counts = [3, 0, 65_600, 1, 65_535, 2, 66_000, 7, 65_536, 40, 5]
    tokens = tokenize(pa.array([" ".join(f"w{i % 11}" for i in range(n)) for n in counts]))
    expected = [
        reduce(reference.combine, row.tolist(), 0) for row in np.split(tokens.hashes, tokens.offsets[1:-1])
    ]
    assert text_hashes(tokens).tolist() == expected


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.sampled_from(["one two three", "One two, three", "", "four"])), max_size=40
    )
)
def test_repeated_texts_count_as_if_one_by_one(values):
    array = pa.array(values, pa.string())
    alone = update(Sketch.empty(8), array)
    together = update(update(Sketch.empty(8), digest_repeated(array[:7])), digest_repeated(array[7:]))
    assert (together.cells == alone.cells).all()
    assert (together.n_texts, together.n_counted) == (alone.n_texts, alone.n_counted)
    assert [a.tolist() for a in together.repeated(1)] == [a.tolist() for a in alone.repeated(1)]


def test_a_restored_sketch_goes_on_counting():
    values = [f"text number {i % 70}" for i in range(100)]
    whole = update(Sketch.empty(8), pa.array(values))
    first = update(Sketch.empty(8), pa.array(values[:50]))
    again = update(Sketch.restore(first.cells.copy(), *first.repeated(1)), pa.array(values[50:]))
    assert (again.cells == whole.cells).all()
    assert [a.tolist() for a in again.repeated(1)] == [a.tolist() for a in whole.repeated(1)]


@settings(deadline=None)
@given(st.lists(reference.texts, max_size=30), st.integers(1, 3))
def test_a_sample_counts_only_texts_whose_hash_ends_in_zeros(values, keep_bits):
    array = pa.array(values, pa.string())
    hashes = text_hashes(tokenize(array))
    chosen = [v for v, h in zip(values, hashes.tolist(), strict=True) if h and h % (1 << keep_bits) == 0]
    sample = update(Sketch.empty(8, keep_bits), array)
    alone = update(Sketch.empty(8), pa.array(chosen, pa.string()))
    assert (sample.cells == alone.cells).all()
    assert sample.n_counted == alone.n_texts
    # How often a text came is known of every text all the same.
    every = update(Sketch.empty(8), array)
    assert sample.n_texts == every.n_texts
    assert times(sample, hashes).tolist() == [hashes.tolist().count(h) if h else 0 for h in hashes.tolist()]


def test_sketches_of_different_samples_do_not_merge():
    with pytest.raises(ValueError, match="same sample"):
        merge(Sketch.empty(8), Sketch.empty(8, keep_bits=1))


@settings(deadline=None)
@given(st.lists(reference.texts, max_size=30), st.integers(1, 4))
def test_marked_lines_tell_what_a_count_reaches(values, least):
    array = pa.array(values, pa.string())
    sketch = update(Sketch.empty(6), array)
    lines = frequent_lines(sketch, least)
    hashes = np.array([h for row in shingles(array) for h in row.tolist()], np.uint64)
    found = [bool(cells_reach(lines, h, sketch.line_bits)) for h in hashes]
    assert found == (estimate(sketch, hashes) >= least).tolist()
    # The coarser marks pass over none of them.
    assert all(line_may_reach(lines, h, sketch.line_bits) for h in hashes[np.array(found, np.bool_)])


@given(st.integers(1, 10_000))
def test_a_line_of_a_sketch_is_in_one_line_of_the_cache(n_bytes):
    memory = in_lines(n_bytes)
    assert memory.ctypes.data % (4 * CELLS_A_LINE) == 0
    assert len(memory) == n_bytes and not memory.any()


def test_merged_sketches_are_in_lines_too():
    left, right = (update(Sketch.empty(8), pa.array([text])) for text in ("one two three", "four"))
    assert merge(left, right).cells.ctypes.data % (4 * CELLS_A_LINE) == 0
