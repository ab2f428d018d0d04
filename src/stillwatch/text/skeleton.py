"""What a template keeps of a text (its skeleton), and what is left of the text without it (the task).

Prompts of one template with long slots share few of their words, so they are compared by what the template
keeps. Which words those are is read off the document frequencies of word shingles (`frequency.Sketch`):

1. *Ties.* Two neighbouring words are tied when the words on one side all but determine the word on the other:
   of the texts with the same `ORDER` - 1 words before it (or after it), at least `Settings.tie` go on (or
   begin) alike, and at least `Settings.texts` distinct texts do. At the edge of a slot the continuations
   scatter and the tie breaks, however frequent the template is; an absolute threshold would keep every
   frequent opening of a slot.
2. *Runs.* Tied words form runs; those shorter than `Settings.run` words are phrases of the language, not
   templates.
3. *Levels.* A word's level is the largest number of texts that tie it. A template's words reach the same
   level, while an item that stands in several templates, or in several slots, stays below: words under
   `Settings.level` of the level of the runs that open or close the text are dropped.

The skeleton is the hash of the kept words with a mark at each slot. A text without a skeleton that is
repeated word for word (a viral prompt, a cron job) is all skeleton, with an empty task.

Misses: templates of fewer than `Settings.run` words between slots; templates in fewer than `Settings.texts`
distinct texts. Evaded by rewording the template for every request.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit, uint64

from stillwatch.text.frequency import (
    ORDER,
    Sketch,
    count_of,
    frequent_lines,
    may_reach,
    shingle_text,
    text_hashes,
    times,
)
from stillwatch.text.hashing import combine
from stillwatch.text.tokens import Tokens, tokenize

DIMENSIONS = 64
"""Length of the content vector."""
GRAMS = 64
"""Most shingles kept to compare two skeletons."""
WIDTH = 3
"""Words of these shingles: shorter than those that are counted, so that a changed word breaks few of them."""
SLOT_MARK = 0x534C4F54
_LOGARITHMS = 4096  # counts whose logarithm is looked up
# A run in this many times as many texts as the template is boilerplate that the slots bring along.
_COMMON = 0.1


class Settings(NamedTuple):
    """When words count as a template's.

    Attributes:
        texts: fewest distinct texts that share a shingle of a template.
        tie: smallest share of continuations that ties two words.
        run: fewest words of a run; the edge of the text counts as one.
        level: smallest share of the template's level that a run must reach.
        trim: smallest share of its own run's level that a word must reach.
        repeats: how often a text without a skeleton must come, word for word, to be a template by itself.
        words: fewest words of such a text.
    """

    texts: int = 10
    tie: float = 0.5
    run: int = 5
    level: float = 0.3
    trim: float = 0.02
    repeats: int = 20
    words: int = 8


@dataclass(frozen=True)
class Skeletons:
    """Skeletons and tasks of n texts.

    Attributes:
        skeleton: uint64 [n], hash of what the template keeps; 0 = no template.
        kept: bool [n_tokens], whether a token belongs to the template.
        kept_share: float32 [n], share of the tokens that do.
        item: uint64 [n], hash of the other tokens; 0 = none are left.
        content: int8 [n, 64], random-sign projection of the other tokens' hashes, weighted by the logarithm
            of inverse document frequency; cosines between rows approximate those between the weighted word
            counts.
        n_tokens: int32 [n].
        text_hash: uint64 [n], hash of all tokens; 0 = no words.
        grams: uint64 [n, GRAMS], the smallest hashes of the skeleton's shingles of WIDTH words, ascending.
        edges: uint64 [n, 2], hashes of its first and last shingle, 0 where the skeleton does not reach that
            edge.
        n_grams: int64 [n], how many of the GRAMS places are used.
    """

    skeleton: npt.NDArray[np.uint64]
    kept: npt.NDArray[np.bool_]
    kept_share: npt.NDArray[np.float32]
    item: npt.NDArray[np.uint64]
    content: npt.NDArray[np.int8]
    n_tokens: npt.NDArray[np.int32]
    text_hash: npt.NDArray[np.uint64]
    grams: npt.NDArray[np.uint64]
    edges: npt.NDArray[np.uint64]
    n_grams: npt.NDArray[np.int64]


def skeletons(
    texts: pa.Array | pa.ChunkedArray | Tokens,
    sketch: Sketch,
    settings: Settings | None = None,
    lines: npt.NDArray[np.uint16] | None = None,
) -> Skeletons:
    """Separate template and task in every text; null texts have neither.

    Args:
        texts: Arrow strings, or their tokens.
        sketch: document frequencies of the whole dataset, these texts included.
        settings: thresholds.
        lines: `frequency.frequent_lines(sketch, settings.texts)`, for who has many batches of texts.
    """
    tokens = texts if isinstance(texts, Tokens) else tokenize(texts)
    settings = settings or Settings()
    n = len(tokens)
    hashes = text_hashes(tokens)
    verbatim = (times(sketch, hashes) >= settings.repeats) & (tokens.counts >= settings.words)
    out = Skeletons(
        np.zeros(n, np.uint64),
        np.zeros(len(tokens.hashes), np.bool_),
        np.zeros(n, np.float32),
        np.zeros(n, np.uint64),
        np.zeros((n, DIMENSIONS), np.int8),
        tokens.counts.astype(np.int32),
        hashes,
        np.zeros((n, GRAMS), np.uint64),
        np.zeros((n, 2), np.uint64),
        np.zeros(n, np.int64),
    )
    counted = sketch.cells, frequent_lines(sketch, settings.texts) if lines is None else lines
    _keep(tokens.offsets, tokens.hashes, counted, tuple(settings), verbatim, out.kept)
    _describe(
        tokens.offsets,
        tokens.hashes,
        sketch.cells,
        sketch.n_counted,
        out.kept,
        (out.skeleton, out.kept_share, out.item, out.content, out.grams, out.edges, out.n_grams),
    )
    return out


def mask(
    text: str,
    sketch: Sketch,
    settings: Settings | None = None,
    lines: npt.NDArray[np.uint16] | None = None,
) -> str:
    """The text with `…` in place of what its template does not keep; "" for a text without a template.

    Args:
        text: any text.
        sketch: see `skeletons`; so with `settings` and `lines`.
    """
    tokens = tokenize(pa.array([text], pa.large_string()), spans=True)
    kept = skeletons(tokens, sketch, settings, lines).kept
    if not kept.any():
        return ""
    data = text.encode()
    base = int(tokens.view.starts[0])
    out: list[str] = []
    position, in_slot = 0, False
    for start, stop, keep in zip(
        (tokens.starts - base).tolist(), (tokens.stops - base).tolist(), kept, strict=True
    ):
        if keep:
            between = data[position:start].decode()
            out.append(" " if in_slot and between.strip() == "" else between)
            out.append(data[start:stop].decode())
        elif not in_slot:
            out.append(data[position:start].decode() + "…")
        in_slot = not keep
        position = stop
    return "".join(out) + ("" if in_slot else data[position:].decode())


@njit(nogil=True, cache=True)
def _line_bits(cells):  # type: ignore[no-untyped-def]
    bits = 0
    while (16 << bits) < len(cells):
        bits += 1
    return bits


@njit(nogil=True, cache=True)
def _sort(values, n):  # type: ignore[no-untyped-def]
    """Heap sort of values[:n] in place; numpy's sort would take longer to compile than all of this module."""
    end = n
    root = n // 2
    while end > 1:
        if root > 0:
            root -= 1
        else:
            end -= 1
            values[0], values[end] = values[end], values[0]
        parent, moving = root, values[root]
        child = 2 * parent + 1
        while child < end:
            if child + 1 < end and values[child + 1] > values[child]:
                child += 1
            if values[child] <= moving:
                break
            values[parent] = values[child]
            parent = child
            child = 2 * parent + 1
        values[parent] = moving


@njit(nogil=True, cache=True)
def _tie_text(full_counts, context_counts, n, least, share, ties, levels):  # type: ignore[no-untyped-def] # noqa: PLR0913, PLR0917
    """Tie neighbouring words: ties[j] joins word j - 1 (or the start) to word j (or the end)."""
    pad = ORDER - 1
    for j in range(n + 1):
        strongest = 0
        # Full shingle j ends at word j; shingle j + pad - 1 begins at word j - 1.
        if full_counts[j] >= least and full_counts[j] >= share * context_counts[j]:
            strongest = full_counts[j]
        i = j + pad - 1
        if full_counts[i] >= least and full_counts[i] >= share * context_counts[i + 1]:
            strongest = max(strongest, full_counts[i])
        ties[j] = strongest > 0
        if j > 0:
            levels[j - 1] = max(levels[j - 1], strongest)
        if j < n:
            levels[j] = strongest


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
        while e < n and ties[e] and levels[e] > 0:
            e += 1
        opens, closes = j == 0 and ties[0], e == n and ties[n]
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
    _sort(scratch, n)
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


@njit(nogil=True, cache=True)
def _keep(offsets, hashes, counted, settings, verbatim, kept):  # type: ignore[no-untyped-def]
    cells, lines = counted
    least, share, shortest, level, trim, _, _ = settings
    bits = _line_bits(cells)
    longest = 0
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    full = np.empty(longest + ORDER, np.uint64)
    context = np.empty(longest + ORDER, np.uint64)
    full_counts = np.empty(longest + ORDER, np.int64)
    context_counts = np.empty(longest + ORDER, np.int64)
    levels = np.empty(longest + 1, np.int64)
    ties = np.empty(longest + 1, np.bool_)
    bounds = np.empty((longest + 1, 4), np.int64)
    scratch = np.empty(longest + 1, np.int64)
    for row in range(len(offsets) - 1):
        first, last = offsets[row], offsets[row + 1]
        n = last - first
        if n == 0:
            continue
        shingle_text(hashes, first, last, full, context)
        # All look-ups first, so that the processor overlaps their cache misses; counts that are too small, and contexts
        # of shingles that are too rare themselves, stay 0.
        for i in range(n + ORDER - 1):
            full_counts[i] = -1 if may_reach(lines, full[i], bits) else 0
        for i in range(n + ORDER - 1):
            if full_counts[i]:
                full_counts[i] = count_of(cells, full[i], bits)
        for i in range(n + ORDER):
            before, here = i > 0 and full_counts[i - 1] > 0, i < n + ORDER - 1 and full_counts[i] > 0
            context_counts[i] = count_of(cells, context[i], bits) if before or here else 0
        _tie_text(full_counts, context_counts, n, least, share, ties, levels)
        runs = _prune_runs(ties, levels, n, shortest, bounds)
        if runs > 0:
            _drop_outliers(levels, bounds, runs, (level, trim), scratch)
            runs = _prune_runs(ties, levels, n, shortest, bounds)
        for j in range(n):
            kept[first + j] = levels[j] > 0 or (runs == 0 and verbatim[row])


@njit(nogil=True, cache=True)
def _gram_list(hashes, kept, first, last, bag):  # type: ignore[no-untyped-def]
    """Hashes of all shingles of WIDTH words that are wholly kept; return their number."""
    m = 0
    width = WIDTH
    streak = 0
    for j in range(first, last):
        streak = streak + 1 if kept[j] else 0
        if streak >= width:
            h = hashes[j - width + 1]
            for q in range(j - width + 2, j + 1):
                h = combine(h, hashes[q])
            bag[m] = h
            m += 1
    return m


@njit(nogil=True, cache=True)
def _smallest(bag, m, out):  # type: ignore[no-untyped-def]
    """Write the smallest distinct values of bag[:m] in ascending order; return their number."""
    _sort(bag, m)
    used = 0
    for i in range(m):
        if used < len(out) and (i == 0 or bag[i] != bag[i - 1]):
            out[used] = bag[i]
            used += 1
    return used


@njit(nogil=True, cache=True)
def _project(h, weight, sums):  # type: ignore[no-untyped-def]
    """Add the weight where the hash has a bit, and subtract it elsewhere; without a branch, so as one vector."""
    for d in range(DIMENSIONS):
        sums[d] += weight * np.float32(np.int64((h >> uint64(d)) & uint64(1)) * 2 - 1)


@njit(nogil=True, cache=True)
def _weight(n_texts, count):  # type: ignore[no-untyped-def]
    """Logarithm of inverse document frequency."""
    return np.float32(max(np.log((n_texts + 1.0) / count), 0.0))


@njit(nogil=True, cache=True)
def _quantise(sums, out):  # type: ignore[no-untyped-def]
    largest = np.float32(0.0)
    for d in range(DIMENSIONS):
        largest = max(largest, abs(sums[d]))
    if largest > 0:
        for d in range(DIMENSIONS):
            out[d] = np.int8(np.rint(sums[d] * np.float32(127.0) / largest))


@njit(nogil=True, cache=True)
def _count_others(hashes, kept, first, last, sketch, counts):  # type: ignore[no-untyped-def]
    """How often each word came that is not kept; by themselves, so that the processor overlaps their cache misses."""
    cells, bits = sketch
    for j in range(first, last):
        counts[j - first] = 0 if kept[j] else count_of(cells, hashes[j], bits)


@njit(nogil=True, cache=True)
def _describe(offsets, hashes, cells, n_texts, kept, out):  # type: ignore[no-untyped-def]
    skeleton, kept_share, item, content, grams, edges, n_grams = out
    bits = _line_bits(cells)
    longest = 1
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    bag = np.empty(longest, np.uint64)
    counts = np.empty(longest, np.int64)
    sums = np.empty(DIMENSIONS, np.float32)
    weights = np.empty(_LOGARITHMS, np.float32)
    for count in range(_LOGARITHMS):
        weights[count] = _weight(n_texts, max(count, 1))
    for row in range(len(offsets) - 1):
        first, last = offsets[row], offsets[row + 1]
        if first == last:
            continue
        shape, task = uint64(0), uint64(0)
        n_kept = 0
        sums[:] = np.float32(0.0)
        _count_others(hashes, kept, first, last, (cells, bits), counts)
        for j in range(first, last):
            if kept[j]:
                if j > first and not kept[j - 1]:
                    shape = combine(shape, uint64(SLOT_MARK))
                shape = combine(shape, hashes[j])
                n_kept += 1
            else:
                task = combine(task, hashes[j])
                count = max(counts[j - first], 1)
                _project(hashes[j], weights[count] if count < _LOGARITHMS else _weight(n_texts, count), sums)
        if not kept[last - 1]:
            shape = combine(shape, uint64(SLOT_MARK))
        kept_share[row] = n_kept / (last - first)
        if n_kept < last - first:
            item[row] = max(task, uint64(1))
        _quantise(sums, content[row])
        if n_kept == 0:
            continue
        skeleton[row] = max(shape, uint64(1))
        m = _gram_list(hashes, kept, first, last, bag)
        if m > 0:
            edges[row, 0] = bag[0] if kept[first] else uint64(0)
            edges[row, 1] = bag[m - 1] if kept[last - 1] else uint64(0)
        n_grams[row] = _smallest(bag, m, grams[row])
