"""Which words of a text its template keeps: the kernels behind `skeleton`, which explains ties, runs and levels."""

from typing import Any

import numpy as np
from numba import njit

from stillwatch.text.frequency import bits_of, cells_reach, count_of, fetch_line, line_may_reach
from stillwatch.text.shingles import ORDER, longest_row, shingle_scratch, shingle_text
from stillwatch.text.sorting import sort

# A run in this many times as many texts as the template is boilerplate that the slots bring along.
_COMMON = 0.1
# Words of a full shingle between the first, which it ties forwards, and the last, which it ties backwards.
_BEFORE = ORDER - 2


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
    longest, rows = longest_row(offsets), len(offsets) - 1
    found, ahead, room = _room(longest), _room(longest), _judging_room(longest)
    n_found: Any = 0
    for row in range(rows + 1):
        # What the next text needs of the sketch is on its way while this one is judged.
        n_ahead: Any = 0
        if row < rows and offsets[row] < offsets[row + 1]:
            n_ahead = _find(hashes, offsets[row], offsets[row + 1], counted, ahead)
        if row > 0:
            first, last = offsets[row - 1], offsets[row]
            runs = 0
            if n_found > 0:
                runs = _judge(found, n_found, last - first, counted[0], settings, room)
            if runs > 0:
                levels = room[1]
                for j in range(last - first):
                    kept[first + j] = levels[j] > 0
            elif verbatim[row - 1]:
                kept[first:last] = True
        found, ahead, n_found = ahead, found, n_ahead


@njit(nogil=True, cache=True)
def _room(longest):  # type: ignore[no-untyped-def]
    """What `_find` writes of a text of at most so many words: (its shingles, the numbers of the frequent ones)."""
    return shingle_scratch(longest), np.empty(longest + ORDER, np.int64)


@njit(nogil=True, cache=True)
def _judging_room(longest):  # type: ignore[no-untyped-def]
    """(ties, levels, bounds, scratch) of a text of at most so many words."""
    return (
        np.empty(longest + 2 * ORDER, np.int64),
        np.empty(longest + 1, np.int64),
        np.empty((longest + 1, 4), np.int64),
        np.empty(longest + 1, np.int64),
    )


@njit(nogil=True, cache=True)
def _find(hashes, first, last, counted, room):  # type: ignore[no-untyped-def]
    """Write the shingles of a text, and the numbers of those that stand in enough texts; return how many do. The
    lines of the sketch that `_tie_words` looks up are asked for.
    """
    shingles, frequent = room
    cells, lines = counted
    _, full, context = shingles
    bits = bits_of(cells)
    shingle_text(hashes, first, last, shingles)
    m = _frequent_shingles(full[: last - first + ORDER - 1], lines, bits, frequent)
    for q in range(m):
        i = frequent[q]
        fetch_line(cells, full[i], bits)
        fetch_line(cells, context[i], bits)
        fetch_line(cells, context[i + 1], bits)
    return m


@njit(nogil=True, cache=True)
def _frequent_shingles(full, lines, bits, frequent):  # type: ignore[no-untyped-def]
    """Write the numbers of the full shingles that stand in enough texts; return how many.

    Most of a text's are rare, and which are cannot be predicted: every number is written, and only those that count
    move the place of the next one. So with the lines first, whose marks are few and near, then with the cells.
    """
    n: Any = 0
    for i in range(len(full)):
        frequent[n] = i
        n += np.int64(line_may_reach(lines, full[i], bits))
    m: Any = 0
    for q in range(n):
        i = frequent[q]
        frequent[m] = i
        m += np.int64(cells_reach(lines, full[i], bits))
    return m


@njit(nogil=True, cache=True)
def _judge(found, m, n, cells, settings, room):  # type: ignore[no-untyped-def]
    """Write the level of each of a text's n words, 0 where no template keeps it; return the number of runs."""
    _, share, shortest, level, trim, _, _ = settings
    tied, levels, bounds, scratch = room
    shingles, frequent = found
    _tie_words(shingles, frequent[:m], n, (cells, share), tied)
    ties = tied[_BEFORE:]
    for j in range(n):
        levels[j] = max(ties[j], ties[j + 1])
    runs = _prune_runs(ties, levels, n, shortest, bounds)
    if runs > 0:
        _drop_outliers(levels, bounds, runs, (level, trim), scratch)
        runs = _prune_runs(ties, levels, n, shortest, bounds)
    return runs


@njit(nogil=True, cache=True)
def _tie_words(shingles, frequent, n, counted, tied):  # type: ignore[no-untyped-def]
    """Tie neighbouring words: tied[_BEFORE + j], of word j - 1 (or the start) and word j (or the end), is the number of
    texts that tie them, or 0.

    Whether a shingle ties cannot be predicted either, and a wrong guess would wait for the sketch: what ties nothing
    adds 0, and what would tie marks to marks has room before and after the ties that are read.
    """
    cells, share = counted
    _, full, context = shingles
    bits = bits_of(cells)
    tied[: n + ORDER + _BEFORE] = 0
    for q in range(len(frequent)):
        i = frequent[q]
        count = np.int64(count_of(cells, full[i], bits))
        # Full shingle i ends at word i, which the words before it tie to them. It begins at word i - ORDER + 1, which
        # the words after it tie to them; that tie may stand there already, from the shingle that ends with it.
        tied[_BEFORE + i] = count * np.int64(count >= share * count_of(cells, context[i], bits))
        backward = count * np.int64(count >= share * count_of(cells, context[i + 1], bits))
        tied[i] = max(tied[i], backward)


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
