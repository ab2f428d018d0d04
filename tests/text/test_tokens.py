import sys

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.text.tokens import kind_of, lower, tokenize
from tests.text import reference


@settings(deadline=None)
@given(reference.arrays())
def test_tokens_equal_the_slow_version(case):
    values, array = case
    tokens = tokenize(array, spans=True)
    for i, value in enumerate(values):
        row = slice(tokens.offsets[i], tokens.offsets[i + 1])
        expected = reference.words(value or "")
        spans = zip(tokens.starts[row], tokens.stops[row], strict=True)
        assert [bytes(tokens.view.data[a:b]).decode() for a, b in spans] == expected
        assert tokens.hashes[row].tolist() == [reference.word_hash(w) for w in expected]
    same_without_spans(array, tokens)


def same_without_spans(array, tokens):
    """Without spans another kernel finds the tokens, two texts at a time."""
    found = tokenize(array)
    assert found.offsets.tolist() == tokens.offsets.tolist()
    assert found.hashes.tolist() == tokens.hashes.tolist()


def test_every_code_point_is_classed_as_documented():
    wrong = [c for c in range(sys.maxunicode + 1) if (not 0xD800 <= c < 0xE000 and c % 7 == 0) or c < 0x3400]
    wrong = [c for c in wrong if kind_of.py_func(c) != reference.kind(chr(c))]
    assert wrong == []


def test_folding_is_unicodes_own_where_promised():
    for c in range(0x10000):
        if lower.py_func(c) != c:
            assert chr(lower.py_func(c)) == chr(c).lower() or c in (0x3A2, 0xD7)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=12), max_size=6))
def test_bytes_that_are_not_utf8_are_survived(rows):
    offsets = np.cumsum([0] + [len(r) for r in rows]).astype(np.int32)
    array = pa.Array.from_buffers(
        pa.string(), len(rows), [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(b"".join(rows))]
    )
    tokens = tokenize(array, spans=True)
    bounds = np.repeat(tokens.view.stops, tokens.counts)
    assert (tokens.starts < tokens.stops).all()
    assert (tokens.stops <= bounds).all()
    same_without_spans(array, tokens)


def test_a_megabyte_and_a_single_character():
    long = "слово word 漢" * 60_000
    tokens = tokenize(pa.array([long, "x", "漢", "", None]))
    assert tokens.counts.tolist() == [len(reference.words(long)), 1, 1, 0, 0]
    assert len(np.unique(tokens.hashes[: tokens.offsets[1]])) == 3
    same_without_spans(tokens.view, tokenize(tokens.view, spans=True))


def test_texts_of_uneven_lengths_in_both_halves():
    values = ["a b", "", None, "c" * 70, "d e f g " * 40, "漢字 h", "i", "ß" * 9, "j k"]
    for turned in range(len(values)):
        array = pa.array(values[turned:] + values[:turned])
        same_without_spans(array, tokenize(array, spans=True))


def test_a_later_batch_leaves_the_tokens_of_an_earlier_one():
    first = tokenize(pa.array(["one two three"] * 50))
    before = first.hashes.copy()
    tokenize(pa.array(["quite other words"] * 500))
    assert (first.hashes == before).all()


def test_punctuation_parts_words_and_case_does_not_matter():
    a, b, c = (
        tokenize(pa.array([t])).hashes.tolist()
        for t in ("Don't STOP—now!", "don t stop\nnow", "dont stop now")
    )
    assert a == b
    assert a != c


def test_hashes_are_fixed_for_ever():
    # Stored signatures and shipped weights depend on this value.
    assert tokenize(pa.array(["Stillwatch"])).hashes.tolist() == [reference.word_hash("stillwatch")]
    assert reference.word_hash("stillwatch") == 0x4C6DCCA26A92AFA2
