"""In how many distinct texts does a run of words stand? A count-min sketch over word shingles.

Count-min (Cormode, Muthukrishnan, J. Algorithms 2005): a shingle's count is the smallest of several cells, so
it is never too low and seldom much too high. Both cells of a shingle lie in one line of 64 bytes, as in
blocked Bloom filters (Putze, Sanders, Singler, WEA 2007), so that a look-up costs one cache miss. Cells
saturate instead of wrapping. Updates are plain additions (no conservative update), so that the result does
not depend on the order of texts, and sketches can be added.

Identical texts (the same tokens in the same order) count once: an exact table of their 64-bit hashes is kept,
with how often each came. A benchmark item that is sent ten thousand times is thus one text, and does not look
like a template.

A sketch that is too full finds every shingle frequent. Of more text than fits, a sample is counted: the texts whose
hash ends in `keep_bits` zeros, the same on every machine and in every order. Shares of continuations and relative
frequencies stay what they are; what a template needs in distinct texts grows by 2**keep_bits. How often each text
came is always known of all.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit, uint64

from stillwatch.prefetching import prefetch
from stillwatch.text.hashing import combine, slot_of
from stillwatch.text.shingles import ORDER, longest_row, shingle_scratch, shingle_text
from stillwatch.text.tokens import Tokens, tokenize

CELLS_A_LINE = 16
MAX_COUNT = 0xFFFFFFFF
_AHEAD = 16  # texts whose places in `Sketch.seen` are asked for


@dataclass
class Sketch:
    """Mergeable document frequencies of word shingles.

    Attributes:
        cells: uint32 [n_lines * 16].
        seen: uint64, open addressing with linear probing, 0 = free; the hashes of the distinct texts.
        repeats: uint32, how often the text in the same place of `seen` came.
        n_texts: distinct texts in `seen`.
        n_counted: those of them whose shingles are in `cells`.
        keep_bits: shingles are counted of texts whose hash ends in so many zeros.
        lines: count -> what `frequent_lines` gives for it, kept up to date (`keep_lines`).
    """

    cells: npt.NDArray[np.uint32]
    seen: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(1 << 12, np.uint64))
    repeats: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros(1 << 12, np.uint32))
    n_texts: int = 0
    n_counted: int = 0
    keep_bits: int = 0
    lines: dict[int, npt.NDArray[np.uint16]] = field(default_factory=dict)

    @classmethod
    def empty(cls, line_bits: int = 20, keep_bits: int = 0) -> "Sketch":
        """A sketch of 2**line_bits lines of 64 bytes; 20 (64 MB) serves some 20 million words in distinct
        texts.
        """
        return cls(in_lines(4 * CELLS_A_LINE << line_bits).view(np.uint32), keep_bits=keep_bits)

    @property
    def line_bits(self) -> int:
        """Base-2 logarithm of the number of lines."""
        return len(self.cells).bit_length() - 1 - (CELLS_A_LINE.bit_length() - 1)

    def repeated(self, least: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32]]:
        """Texts that came at least so often: their hashes in ascending order, and how often."""
        found = np.flatnonzero((self.seen != 0) & (self.repeats >= least))
        order = found[np.argsort(self.seen[found])]
        return self.seen[order], self.repeats[order]

    @classmethod
    def restore(
        cls, cells: npt.NDArray[np.uint32], texts: npt.NDArray[np.uint64], repeats: npt.NDArray[np.uint32]
    ) -> "Sketch":
        """A sketch that counts every text, from its cells and from what `repeated(1)` gave."""
        out = cls(cells)
        _reserve(out, len(texts))
        out.n_texts = out.n_counted = _insert_all(out.seen, out.repeats, texts, repeats)
        return out


@dataclass(frozen=True)
class Digest:
    """What `update` needs of n texts, and what can be worked out of each batch by itself.

    Attributes:
        tokens: of the texts.
        texts: uint64 [n], their `text_hashes`.
        times: uint32 [n], how often each came.
    """

    tokens: Tokens
    texts: npt.NDArray[np.uint64]
    times: npt.NDArray[np.uint32]


def digest(texts: pa.Array | pa.ChunkedArray | Tokens) -> Digest:
    """Tokens and hashes of texts."""
    tokens = texts if isinstance(texts, Tokens) else tokenize(texts)
    return Digest(tokens, text_hashes(tokens), np.ones(len(tokens), np.uint32))


def digest_repeated(texts: pa.Array | pa.ChunkedArray) -> Digest:
    """The same of texts that are sent word for word again and again: each distinct one is cut into tokens once."""
    counted = pc.value_counts(texts)
    tokens = tokenize(counted.field("values"))
    return Digest(tokens, text_hashes(tokens), counted.field("counts").to_numpy().astype(np.uint32))


def update(sketch: Sketch, texts: pa.Array | pa.ChunkedArray | Tokens | Digest) -> Sketch:
    """Count the texts that the sketch has not seen; changes and returns it. Texts without words do not
    count.
    """
    found = texts if isinstance(texts, Digest) else digest(texts)
    tokens = found.tokens
    _reserve(sketch, len(tokens))
    sample = np.uint64((1 << sketch.keep_bits) - 1)
    table = sketch.cells, sketch.seen, sketch.repeats
    new, counted = _count(tokens.offsets, tokens.hashes, (found.texts, found.times), sample, table)
    sketch.n_texts += new
    sketch.n_counted += counted
    for least, lines in sketch.lines.items():
        _mark_texts(tokens.offsets, tokens.hashes, sketch.cells, least, lines)
    return sketch


def merge(left: Sketch, right: Sketch) -> Sketch:
    """Add two sketches of equal size into a new one.

    Equal to one sketch of all texts when no text was folded into both; a text that was (its number is the
    difference of `n_texts`) is counted twice in the cells, so an engine should send equal texts to one part.

    Raises:
        ValueError: the sketches differ in size.
    """
    if len(left.cells) != len(right.cells) or left.keep_bits != right.keep_bits:
        raise ValueError("only sketches of the same number of lines and the same sample can be merged")
    cells = in_lines(left.cells.nbytes).view(np.uint32)
    np.add(left.cells, right.cells, out=cells)
    cells[cells < left.cells] = MAX_COUNT  # a sum that wrapped
    counted = left.n_counted + right.n_counted
    out = Sketch(cells, left.seen.copy(), left.repeats.copy(), left.n_texts, counted, left.keep_bits)
    _reserve(out, right.n_texts)
    out.n_texts += _insert_all(out.seen, out.repeats, right.seen, right.repeats)
    return out


def in_lines(n_bytes: int) -> npt.NDArray[np.uint8]:
    """Memory for cells, uint8 [n_bytes], all 0, with a line of a sketch in one line of the processor's cache: in an
    array that begins anywhere it may lie in two, so that a look-up misses twice.
    """
    line = 4 * CELLS_A_LINE
    memory = np.zeros(n_bytes + line, np.uint8)
    first = -memory.ctypes.data % line
    return memory[first : first + n_bytes]


def estimate(sketch: Sketch, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint32]:
    """Upper estimates of the document frequency of shingles, by their hash (see `shingles`)."""
    out = np.empty(len(hashes), np.uint32)
    _look_up(sketch.cells, np.ascontiguousarray(hashes, np.uint64), sketch.line_bits, out)
    return out


def shingles(texts: pa.Array | pa.ChunkedArray | Tokens) -> Iterator[npt.NDArray[np.uint64]]:
    """For each text the hashes of its shingles, marks included: all of `ORDER` words, all of one word
    less, and single words."""
    tokens = texts if isinstance(texts, Tokens) else tokenize(texts)
    for first, last in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True):
        if first < last:
            scratch = shingle_scratch(int(last - first))
            shingle_text(tokens.hashes, first, last, scratch)
            yield np.concatenate([*scratch[1:], tokens.hashes[first:last]])
        else:
            yield np.empty(0, np.uint64)


def frequent_lines(sketch: Sketch, least: int) -> npt.NDArray[np.uint16]:
    """Which cells count at least so much: one bit a cell, one number a line; then, which lines have such a cell: one
    bit a line. uint16 [n_lines + n_lines / 16].

    A sketch of much text is far larger than a processor's cache, and most shingles of a text are rare. These bits,
    a thirty-second of its size, tell them apart without a look at the sketch (`cells_reach`); and for nearly all of
    them the last ones suffice (`line_may_reach`), which stay in a cache of half a megabyte.
    """
    if least in sketch.lines:
        return sketch.lines[least]
    n_lines = len(sketch.cells) // CELLS_A_LINE
    out = np.zeros(n_lines + max(n_lines // CELLS_A_LINE, 1), np.uint16)
    _mark_lines(sketch.cells, least, out)
    return out


def keep_lines(sketch: Sketch, least: int) -> None:
    """From now on `update` keeps `frequent_lines` of this count up to date: for who adds few texts again and again.

    Counts only grow, so that an update sets marks of the cells that its texts touch, and never takes one away.
    """
    sketch.lines[least] = frequent_lines(sketch, least)


def contains(sketch: Sketch, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Whether texts, by their `text_hashes`, were counted before; False for a text without words."""
    out = np.zeros(len(hashes), np.bool_)
    _contained(sketch.seen, np.ascontiguousarray(hashes, np.uint64), out)
    return out


def times(sketch: Sketch, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint32]:
    """How often each text came, by its `text_hashes`; 0 for one that did not, or has no words."""
    out = np.zeros(len(hashes), np.uint32)
    _times(sketch.seen, sketch.repeats, np.ascontiguousarray(hashes, np.uint64), out)
    return out


def remember(sketch: Sketch, hashes: npt.NDArray[np.uint64]) -> None:
    """Take note of texts by their `text_hashes` alone, without their shingles; 0 is passed over."""
    distinct, counts = np.unique(hashes[hashes != 0], return_counts=True)
    _reserve(sketch, len(distinct))
    sketch.n_texts += _insert_all(
        sketch.seen, sketch.repeats, distinct.astype(np.uint64), counts.astype(np.uint32)
    )


def text_hashes(tokens: Tokens) -> npt.NDArray[np.uint64]:
    """Hash of each text's token sequence, uint64 [n]; 0 for a text without words."""
    out = np.zeros(len(tokens), np.uint64)
    # Numbers of 16 bits are sorted by their digits, in a small part of the time; longer texts may come in any order.
    lengths = np.minimum(tokens.counts, 0xFFFF).astype(np.uint16)
    offsets = tokens.offsets.view(np.uint64)
    _text_hashes(offsets, tokens.hashes, np.argsort(lengths, kind="stable"), out)
    return out


def _reserve(sketch: Sketch, more: int) -> None:
    needed = 2 * (sketch.n_texts + more)
    if needed > len(sketch.seen):
        size = 1 << (needed - 1).bit_length()
        larger, repeats = np.zeros(size, np.uint64), np.zeros(size, np.uint32)
        _insert_all(larger, repeats, sketch.seen, sketch.repeats)
        sketch.seen, sketch.repeats = larger, repeats


@njit(nogil=True, cache=True)
def _hash_on(h, hashes, first, last):  # type: ignore[no-untyped-def]
    """Hash of a token sequence, from that of the tokens before these."""
    for i in range(first, last):
        h = combine(h, hashes[i])
    return h


@njit(nogil=True, cache=True)
def _text_hashes(offsets, hashes, order, out):  # type: ignore[no-untyped-def]
    """Four texts at a time, as far as the shortest goes: a hash waits for the one before it, but not for the others'.

    `order` brings texts of about the same length together. 0 is for a text without words alone.
    """
    n = len(order)
    for k in range(0, n - 3, 4):
        a, b, c, d = order[k], order[k + 1], order[k + 2], order[k + 3]
        of_a, of_b, of_c, of_d = offsets[a], offsets[b], offsets[c], offsets[d]
        all_have = min(
            offsets[a + 1] - of_a, offsets[b + 1] - of_b, offsets[c + 1] - of_c, offsets[d + 1] - of_d
        )
        hash_a, hash_b, hash_c, hash_d = uint64(0), uint64(0), uint64(0), uint64(0)
        for i in range(all_have):
            hash_a = combine(hash_a, hashes[of_a + i])
            hash_b = combine(hash_b, hashes[of_b + i])
            hash_c = combine(hash_c, hashes[of_c + i])
            hash_d = combine(hash_d, hashes[of_d + i])
        out[a] = _hash_on(hash_a, hashes, of_a + all_have, offsets[a + 1])
        out[b] = _hash_on(hash_b, hashes, of_b + all_have, offsets[b + 1])
        out[c] = _hash_on(hash_c, hashes, of_c + all_have, offsets[c + 1])
        out[d] = _hash_on(hash_d, hashes, of_d + all_have, offsets[d + 1])
    for row in order[n - n % 4 :]:
        out[row] = _hash_on(uint64(0), hashes, offsets[row], offsets[row + 1])
    for row in range(n):
        if out[row] == uint64(0) and offsets[row + 1] > offsets[row]:
            out[row] = uint64(1)


@njit(nogil=True, cache=True)
def _contained(seen, hashes, out):  # type: ignore[no-untyped-def]
    for i in range(len(hashes)):
        out[i] = hashes[i] != uint64(0) and seen[slot_of(seen, hashes[i])] == hashes[i]


@njit(nogil=True, cache=True)
def _times(seen, repeats, hashes, out):  # type: ignore[no-untyped-def]
    for i in range(len(hashes)):
        if hashes[i] != uint64(0):
            slot = slot_of(seen, hashes[i])
            out[i] = repeats[slot] if seen[slot] == hashes[i] else 0


@njit(nogil=True, cache=True)
def _insert_all(seen, repeats, others, other_repeats):  # type: ignore[no-untyped-def]
    n = 0
    for i in range(len(others)):
        if others[i] != uint64(0):
            slot = slot_of(seen, others[i])
            if seen[slot] == uint64(0):
                seen[slot] = others[i]
                n += 1
            repeats[slot] += other_repeats[i]
    return n


@njit(nogil=True, cache=True)
def _count(offsets, hashes, texts, sample, table):  # type: ignore[no-untyped-def]
    cells, seen, repeats = table
    text_hash, times = texts
    longest = longest_row(offsets)
    scratch = shingle_scratch(longest)
    _, full, context = scratch
    size = 64
    while size < 6 * (longest + ORDER):
        size *= 2
    own = np.zeros(size, np.uint64)
    line_bits = bits_of(cells)
    rows, mask = len(offsets) - 1, uint64(len(seen) - 1)
    new, counted = 0, 0
    for row in range(rows):
        # The table of texts is far larger than the caches: a place in it is asked for before its turn comes.
        ahead = text_hash[min(row + _AHEAD, rows - 1)] & mask
        prefetch(seen, ahead)
        prefetch(repeats, ahead)
        first, last = offsets[row], offsets[row + 1]
        if first == last:
            continue
        h = text_hash[row]
        slot = slot_of(seen, h)
        repeats[slot] += times[row]
        if seen[slot] == h:
            continue
        seen[slot] = h
        new += 1
        if h & sample:
            continue
        counted += 1
        shingle_text(hashes, first, last, scratch)
        n = last - first
        # A set of this text's shingles, of the smallest size that fits: a repeated shingle counts once.
        size = 64
        while size < 6 * (n + ORDER):
            size *= 2
        own[:size] = uint64(0)
        _add_new(own[:size], full[: n + ORDER - 1], cells, line_bits)
        _add_new(own[:size], context[: n + ORDER], cells, line_bits)
        _add_new(own[:size], hashes[first:last], cells, line_bits)
    return new, counted


@njit(nogil=True, cache=True)
def _add_new(own, counted, cells, line_bits):  # type: ignore[no-untyped-def]
    for h in counted:
        fetch_line(cells, h, line_bits)
    for h in counted:
        slot = slot_of(own, h)
        if own[slot] != h:
            own[slot] = h
            _add(cells, h, line_bits)


@njit(nogil=True, cache=True)
def bits_of(cells: Any) -> Any:
    """Base-2 logarithm of the number of lines of a sketch with these cells."""
    bits = 0
    while (CELLS_A_LINE << bits) < len(cells):
        bits += 1
    return bits


@njit(nogil=True, cache=True)
def _places(h, line_bits):  # type: ignore[no-untyped-def]
    """Indices of the two cells of a hash: two different ones in one line."""
    line = (h >> uint64(64 - line_bits)) * uint64(CELLS_A_LINE)
    a = (h >> uint64(8)) & uint64(CELLS_A_LINE - 1)
    # Odd steps of less than a line's length never lead back to the first cell.
    b = (a + uint64(1) + ((h >> uint64(16)) & uint64(7)) * uint64(2)) & uint64(CELLS_A_LINE - 1)
    return line + a, line + b


@njit(nogil=True, cache=True)
def _add(cells, h, line_bits):  # type: ignore[no-untyped-def]
    a, b = _places(h, line_bits)
    if cells[a] < uint64(MAX_COUNT):
        cells[a] += np.uint32(1)
    if cells[b] < uint64(MAX_COUNT):
        cells[b] += np.uint32(1)


@njit(nogil=True, cache=True)
def count_of(cells, h, line_bits):  # type: ignore[no-untyped-def]
    """Upper estimate of the document frequency of a shingle."""
    a, b = _places(h, line_bits)
    return min(cells[a], cells[b])


@njit(nogil=True, cache=True)
def fetch_line(cells, h, line_bits):  # type: ignore[no-untyped-def]
    """Ask for the line of a shingle that `count_of` is going to look up."""
    prefetch(cells, _places(h, line_bits)[0])


@njit(nogil=True, cache=True)
def line_may_reach(lines, h, line_bits):  # type: ignore[no-untyped-def]
    """Whether any cell of a shingle's line is marked in `lines` (`frequent_lines`)."""
    line = h >> uint64(64 - line_bits)
    return (lines[(uint64(1) << uint64(line_bits)) + (line >> uint64(4))] >> (line & uint64(15))) & uint64(1)


@njit(nogil=True, cache=True)
def cells_reach(lines, h, line_bits):  # type: ignore[no-untyped-def]
    """Whether both cells of a shingle are marked in `lines` (`frequent_lines`): then `count_of` reaches it too."""
    a, b = _places(h, line_bits)
    marks = uint64(lines[h >> uint64(64 - line_bits)])
    return (marks >> (a & uint64(15))) & (marks >> (b & uint64(15))) & uint64(1)


@njit(nogil=True, cache=True)
def _mark_cell(cell, n_lines, out):  # type: ignore[no-untyped-def]
    line = cell >> uint64(4)
    out[line] |= np.uint16(uint64(1) << (cell & uint64(15)))
    out[uint64(n_lines) + (line >> uint64(4))] |= np.uint16(uint64(1) << (line & uint64(15)))


@njit(nogil=True, cache=True)
def _mark_lines(cells, least, out):  # type: ignore[no-untyped-def]
    for cell in range(len(cells)):
        if cells[cell] >= least:
            _mark_cell(uint64(cell), len(cells) // CELLS_A_LINE, out)


@njit(nogil=True, cache=True)
def _mark_texts(offsets, hashes, cells, least, out):  # type: ignore[no-untyped-def]
    line_bits = bits_of(cells)
    scratch = shingle_scratch(longest_row(offsets))
    _, full, context = scratch
    for row in range(len(offsets) - 1):
        first, last = offsets[row], offsets[row + 1]
        n = last - first
        if n > 0:
            shingle_text(hashes, first, last, scratch)
            _mark(full[: n + ORDER - 1], cells, line_bits, least, out)
            _mark(context[: n + ORDER], cells, line_bits, least, out)
            _mark(hashes[first:last], cells, line_bits, least, out)


@njit(nogil=True, cache=True)
def _mark(counted, cells, line_bits, least, out):  # type: ignore[no-untyped-def]
    for h in counted:
        for cell in _places(h, line_bits):
            if cells[cell] >= least:
                _mark_cell(cell, len(cells) // CELLS_A_LINE, out)


@njit(nogil=True, cache=True)
def _look_up(cells, hashes, line_bits, out):  # type: ignore[no-untyped-def]
    for i in range(len(hashes)):
        out[i] = count_of(cells, hashes[i], line_bits)
