"""Hashes of what a template keeps of a text and of what it does not, and the content vector of the latter."""

from typing import Any

import numpy as np
from numba import njit, uint64

from stillwatch.text.frequency import bits_of, count_of, fetch_line
from stillwatch.text.hashing import combine
from stillwatch.text.shingles import longest_row

DIMENSIONS = 64
"""Length of the content vector: as many as a hash has bits."""
SLOT_MARK = 0x534C4F54
# Powers of two: words whose weights, and counts whose logarithms, are kept at hand. 65,536 words take 0.5 MB.
_WORDS = 65_536
_COUNTS = 4096
_UPPER = 0xFFFFFFFF00000000


@njit(nogil=True, cache=True)
def describe(offsets, hashes, counted, kept, out):  # type: ignore[no-untyped-def]
    """Hash and project every text.

    Args:
        offsets, hashes: of `Tokens`.
        counted: (`Sketch.cells`, `Sketch.n_counted`).
        kept: bool [n_tokens], which words the template keeps.
        out: (skeleton, kept_share, item, content) of `skeleton.Skeletons`, all 0; written.
    """
    skeleton, kept_share, item, content = out
    longest = longest_row(offsets)
    weights = np.empty(longest, np.float32)
    remembered = _memory(longest)
    sums = np.empty(DIMENSIONS, np.float32)
    for row in range(len(offsets) - 1):
        first, last = offsets[row], offsets[row + 1]
        if first == last:
            continue
        _weigh(hashes[first:last], counted, remembered, weights)
        shape, task, n_kept = _describe_text(hashes, kept, first, last, weights, sums)
        kept_share[row] = n_kept / (last - first)
        if n_kept > 0:
            skeleton[row] = max(shape, uint64(1))
        if n_kept < last - first:
            item[row] = max(task, uint64(1))
            _quantise(sums, content[row])


@njit(nogil=True, cache=True)
def _describe_text(hashes, kept, first, last, weights, sums):  # type: ignore[no-untyped-def]
    """Hash of the words that are kept, with a mark at each slot; hash of the others; how many are kept. Sum the others
    into `sums`.
    """
    shape, task = uint64(0), uint64(0)
    n_kept = 0
    sums[:] = np.float32(0.0)
    for j in range(first, last):
        if kept[j]:
            if j > first and not kept[j - 1]:
                shape = combine(shape, uint64(SLOT_MARK))
            shape = combine(shape, hashes[j])
            n_kept += 1
        else:
            task = combine(task, hashes[j])
            _project(hashes[j], weights[j - first], sums)
    if not kept[last - 1]:
        shape = combine(shape, uint64(SLOT_MARK))
    return shape, task, n_kept


@njit(nogil=True, cache=True)
def _memory(longest):  # type: ignore[no-untyped-def]
    """What `_weigh` keeps from text to text, and its room for texts of so many words.

    Returns:
        words, (counts, their weights), (places of words not at hand, their counts). A word takes 8 bytes: the upper
        half of its hash, and the bits of its weight. Its place tells 16 bits more of the hash: of two million
        different words hardly ever two are taken for one.
    """
    words = np.full(_WORDS, _UPPER, np.uint64)  # no word's, or of one in four thousand million
    by_count = np.full(_COUNTS, -1, np.int64), np.empty(_COUNTS, np.float32)
    return words, by_count, (np.empty(longest, np.int64), np.empty(longest, np.int64))


@njit(nogil=True, cache=True)
def _weigh(hashes, counted, remembered, weights):  # type: ignore[no-untyped-def]
    """Weight of each word of a text, kept or not.

    Most words are at hand. The others are gathered first and then looked up without a branch between, so that the
    processor overlaps the cache misses.
    """
    cells, n_texts = counted
    words, (numbers, logarithms), (missing, counts) = remembered
    bits = bits_of(cells)
    n: Any = 0
    for j in range(len(hashes)):
        word = words[hashes[j] & uint64(_WORDS - 1)]
        weights[j] = np.uint32(word).view(np.float32)
        missing[n] = j
        n += np.int64((word ^ hashes[j]) & uint64(_UPPER) != uint64(0))
    for q in range(n):
        fetch_line(cells, hashes[missing[q]], bits)
    for q in range(n):
        counts[q] = max(count_of(cells, hashes[missing[q]], bits), 1)
    for q in range(n):
        # The same counts come again and again, and a logarithm takes longer than all else that a word needs.
        place = counts[q] & (_COUNTS - 1)
        if numbers[place] != counts[q]:
            numbers[place] = counts[q]
            logarithms[place] = _weight(n_texts, counts[q])
        h, weight = hashes[missing[q]], logarithms[place]
        weights[missing[q]] = weight
        words[h & uint64(_WORDS - 1)] = (h & uint64(_UPPER)) | uint64(np.float32(weight).view(np.uint32))


@njit(nogil=True, cache=True)
def _weight(n_texts, count):  # type: ignore[no-untyped-def]
    """Logarithm of inverse document frequency."""
    return np.float32(max(np.log((n_texts + 1.0) / count), 0.0))


@njit(nogil=True, cache=True)
def _project(h, weight, sums):  # type: ignore[no-untyped-def]
    """Add the weight where the hash has a bit, and subtract it elsewhere; without a branch, so as one vector."""
    for d in range(DIMENSIONS):
        sums[d] += weight if (h >> uint64(d)) & uint64(1) else -weight


@njit(nogil=True, cache=True)
def _quantise(sums, out):  # type: ignore[no-untyped-def]
    largest = np.float32(0.0)
    for d in range(DIMENSIONS):
        largest = max(largest, abs(sums[d]))
    if largest > 0:
        for d in range(DIMENSIONS):
            out[d] = np.int8(np.rint(sums[d] * np.float32(127.0) / largest))
