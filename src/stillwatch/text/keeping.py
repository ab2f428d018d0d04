"""Which words of a text its template keeps: the kernels behind `skeleton`, which explains ties, runs and levels."""

from typing import Any

import numpy as np
from numba import njit

from stillwatch.text.frequency import bits_of, count_of, may_reach
from stillwatch.text.shingles import ORDER, longest_row, shingle_scratch, shingle_text
from stillwatch.text.sorting import sort

# A run in this many times as many texts as the template is boilerplate that the slots bring along.
_COMMON = 0.1


@njit(nogil=True, cache=True)
def keep_words(offsets, hashes, counted, settings, verbatim, kept):  # type: ignore[no-untyped-def]
    """Mark the words that belong to a template.

    Args:
        offsets, hashes: of `Tokens`.
        counted: (`Sketch.cells`, its `frequent_lines` of `Settings.texts`).
        settings: `skeleton.Settings`, as a plain tuple.
        verbatim: bool [n], whether a text without a template is kept as a whole.
        kept: bool [n_tokens], False everywhere; written.
    """
    least, share, shortest, level, trim, _, _ = settings
    longest = longest_row(offsets)
    shingles = shingle_scratch(longest)
    frequent = np.empty(longest + ORDER, np.int64)
    ties = np.empty(longest + 1, np.int64)
    levels = np.empty(longest + 1, np.int64)
    bounds = np.empty((longest + 1, 4), np.int64)
    scratch = np.empty(longest + 1, np.int64)
    for row in range(len(offsets) - 1):
        first, last = offsets[row], offsets[row + 1]
        n = last - first
        if n == 0:
            continue
        shingle_text(hashes, first, last, shingles)
        m = _frequent_shingles(shingles, n, counted, frequent)
        runs = 0
        if m > 0:
            _tie_words(shingles, (frequent, m), n, counted, (least, share), ties)
            for j in range(n):
                levels[j] = max(ties[j], ties[j + 1])
            runs = _prune_runs(ties, levels, n, shortest, bounds)
        if runs > 0:
            _drop_outliers(levels, bounds, runs, (level, trim), scratch)
            runs = _prune_runs(ties, levels, n, shortest, bounds)
            for j in range(n):
                kept[first + j] = levels[j] > 0
        if runs == 0 and verbatim[row]:
            for j in range(first, last):
                kept[j] = True


@njit(nogil=True, cache=True)
def _frequent_shingles(shingles, n, counted, frequent):  # type: ignore[no-untyped-def]
    """Write the numbers of the full shingles that stand in enough texts; return how many.

    Most of a text's are rare, and which are cannot be predicted: every number is written, and only those that count
    move the place of the next one.
    """
    cells, lines = counted
    full = shingles[1]
    bits = bits_of(cells)
    m: Any = 0
    for i in range(n + ORDER - 1):
        frequent[m] = i
        m += np.int64(may_reach(lines, full[i], bits))
    return m


@njit(nogil=True, cache=True)
def _tie_words(shingles, frequent, n, counted, least, ties):  # type: ignore[no-untyped-def]
    """Tie neighbouring words: ties[j], of word j - 1 (or the start) and word j (or the end), is the number of texts
    that tie them, or 0.
    """
    cells, _ = counted
    _, full, context = shingles
    numbers, m = frequent
    texts, share = least
    bits = bits_of(cells)
    ties[: n + 1] = 0
    for q in range(m):
        i = numbers[q]
        count = np.int64(count_of(cells, full[i], bits))
        if count < texts:
            continue
        # Full shingle i ends at word i, and begins at word i - ORDER + 1.
        if i <= n and count >= share * count_of(cells, context[i], bits):
            ties[i] = max(ties[i], count)
        j = i - ORDER + 2
        if j >= 0 and count >= share * count_of(cells, context[i + 1], bits):
            ties[j] = max(ties[j], count)


@njit(nogil=True, cache=True)
def _prune_runs(ties, levels, n, shortest, bounds):  # type: ignore[no-untyped-def]
    """Set the level of words in short runs to 0; write (first, last + 1, edges) of the others, return their
    number.

    Edges: 1 where the run opens the text, 2 where it closes it, 3 both. An edge counts as one word.
    """
    m = 0
    j = 0
    while j < n:
        if levels[j] == 0:
            j += 1
            continue
        e = j + 1
        while e < n and ties[e] > 0 and levels[e] > 0:
            e += 1
        opens, closes = j == 0 and ties[0] > 0, e == n and ties[n] > 0
        if e - j + opens + closes < shortest:
            for q in range(j, e):
                levels[q] = 0
        else:
            bounds[m, 0], bounds[m, 1], bounds[m, 2] = j, e, opens + 2 * closes
            m += 1
        j = e
    return m


@njit(nogil=True, cache=True)
def _trim_run(levels, first, last, trim, scratch):  # type: ignore[no-untyped-def]
    """Drop words of a run that are far rarer than the rest of it; return the median level of the others."""
    n = last - first
    for j in range(n):
        scratch[j] = levels[first + j]
    sort(scratch, n)
    # What eight words reach is the run's level: a tied item may be longer than the template.
    lowest = trim * scratch[max(0, n - 8)]
    dropped = 0
    while scratch[dropped] < lowest:
        dropped += 1
    for j in range(first, last):
        if levels[j] < lowest:
            levels[j] = 0
    return scratch[(n + dropped) // 2]


@njit(nogil=True, cache=True)
def _drop_outliers(levels, bounds, m, shares, scratch):  # type: ignore[no-untyped-def]
    """Drop the words and runs that reach too few texts, or too many, to be of one template with the rest."""
    level, trim = shares
    anchor, best, anchored = 0, -1.0, False
    for r in range(m):
        first, last, edges = bounds[r, 0], bounds[r, 1], bounds[r, 2]
        middle = _trim_run(levels, first, last, trim, scratch)
        bounds[r, 3] = middle
        # Long and frequent: neither a long item in a few texts nor a short phrase in many may set the level.
        strength = np.sqrt(last - first) * np.log(max(middle, 1))
        if (edges > 0 and not anchored) or ((edges > 0) == anchored and strength > best):
            anchor, best, anchored = middle, strength, edges > 0
    for r in range(m):
        if bounds[r, 3] < level * anchor or bounds[r, 3] * _COMMON > anchor:
            for j in range(bounds[r, 0], bounds[r, 1]):
                levels[j] = 0
