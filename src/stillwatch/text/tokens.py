"""Texts to tokens: 64-bit hashes of words, in one pass over the bytes of an Arrow string buffer.

What a token is
- a run of letters, digits and combining marks of a script that writes its words apart (Latin, Greek,
  Cyrillic, Arabic, Hebrew, Devanagari, Hangul ...);
- each single code point of a script that does not (Han, kana, bopomofo, Yi, Thai, Lao, Tibetan, Myanmar,
  Khmer);
- nothing else: spaces, punctuation, symbols and emoji end a token and leave no other trace.
Upper case is folded for ASCII, Latin-1, Greek, Cyrillic and full-width Latin letters. Code points are classed
by fixed ranges of Unicode blocks (`kind_of`), not by the interpreter's Unicode tables, so that a hash means
the same under every Python version. Bytes that are not UTF-8 end a token.
"""

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit, uint64

from stillwatch.text.buffers import TextView, text_view
from stillwatch.text.hashing import FNV_OFFSET, FNV_PRIME, mix

SEPARATOR, WORD, SINGLE = 0, 1, 2
# Folded byte of an ASCII letter or digit, 0 for the rest.
_ASCII = np.array([ord(chr(b).lower()) if b < 0x80 and chr(b).isalnum() else 0 for b in range(256)], np.uint8)

_OF_THREAD = threading.local()
_MOST_KEPT = 1 << 23
"""Most places for hashes that a thread keeps from batch to batch: 64 MB, of which what was used is in memory."""


@dataclass(frozen=True)
class Tokens:
    """Tokens of n texts, rows one after the other.

    Attributes:
        offsets: int64 [n + 1]; row i has the tokens offsets[i] .. offsets[i + 1].
        hashes: uint64 [n_tokens].
        starts: int64 [n_tokens], first byte of a token in `view.data`; empty unless spans were asked for.
        stops: int64 [n_tokens], one past its last byte; empty likewise.
        view: the texts.
    """

    offsets: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.int64]
    stops: npt.NDArray[np.int64]
    view: TextView

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Tokens of each text, int64 [n]."""
        return np.diff(self.offsets)


def tokenize(texts: pa.Array | pa.ChunkedArray | TextView, spans: bool = False) -> Tokens:
    """Cut texts into tokens.

    Args:
        texts: Arrow strings, or a view of them; null rows have no tokens.
        spans: whether the byte range of each token is wanted too.

    Raises:
        TypeError: the array holds something other than text.
    """
    view = texts if isinstance(texts, TextView) else text_view(texts)
    if not spans:
        return _hashed(view)
    capacity = _most_tokens(view.n_bytes, len(view))
    hashes, offsets = np.empty(capacity, np.uint64), np.zeros(len(view) + 1, np.int64)
    starts, stops = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
    _find_tokens(view.data, view.starts, view.stops, offsets, (hashes, starts, stops))
    n = int(offsets[-1])
    return Tokens(offsets, hashes[:n].copy(), starts[:n].copy(), stops[:n].copy(), view)


def rows_of(tokens: Tokens, index: npt.NDArray[np.int64]) -> Tokens:
    """Tokens of the texts of these numbers, one row for each; -1 gives a row without tokens."""
    counts = np.where(index >= 0, tokens.counts[index] if len(tokens) else 0, 0)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    hashes = np.empty(int(offsets[-1]), np.uint64)
    _copy_rows(tokens.offsets, tokens.hashes, index, offsets, hashes)
    return _without_spans(offsets, hashes, tokens.view)


def stacked(upper: Tokens, lower: Tokens) -> Tokens:
    """The texts of `upper`, and after them those of `lower`."""
    offsets = np.concatenate([upper.offsets, upper.offsets[-1] + lower.offsets[1:]])
    return _without_spans(offsets, np.concatenate([upper.hashes, lower.hashes]), upper.view)


def _most_tokens(n_bytes: int, rows: int) -> int:
    """Places for all tokens of so many texts, and one past the last, where `_ascii` writes too.

    Two tokens without a separator between them need a code point of three bytes, hence at most every second byte
    starts a token. Memory of this size is reserved, not touched, until tokens are written.
    """
    return (n_bytes + rows) // 2 + 1


def _room(places: int) -> npt.NDArray[np.uint64]:
    """Memory for so many hashes, until this thread asks again.

    A thread cuts one batch after the other. The system clears memory that it hands out, for so much of it in a third
    of the time that the tokens take themselves.
    """
    if places > _MOST_KEPT:
        return np.empty(places, np.uint64)
    kept: npt.NDArray[np.uint64] | None = getattr(_OF_THREAD, "found", None)
    if kept is None or len(kept) < places:
        _OF_THREAD.found = kept = np.empty(places, np.uint64)
    return kept[:places]


def _hashed(view: TextView) -> Tokens:
    middle = len(view) // 2
    sizes = view.stops - view.starts
    second = _most_tokens(int(sizes[:middle].sum()), middle)
    found = _room(second + _most_tokens(int(sizes[middle:].sum()), len(view) - middle))
    offsets = np.zeros(len(view) + 1, np.int64)
    texts = view.starts.view(np.uint64), view.stops.view(np.uint64), offsets
    _hash_tokens(view.data, texts, found, middle, second)
    parts = found[: offsets[middle]], found[second : offsets[-1]]
    offsets[middle + 1 :] -= second - len(parts[0])
    hashes = np.empty(len(parts[0]) + len(parts[1]), np.uint64)
    _mix_all(*parts, hashes)
    return _without_spans(offsets, hashes, view)


def _without_spans(offsets: npt.NDArray[np.int64], hashes: npt.NDArray[np.uint64], view: TextView) -> Tokens:
    nothing = np.zeros(0, np.int64)
    return Tokens(offsets, hashes, nothing, nothing, view)


@njit(nogil=True, cache=True)
def _copy_rows(offsets, hashes, index, places, out):  # type: ignore[no-untyped-def]
    """Copy row index[i] of `hashes` to out[places[i] :]."""
    for i in range(len(index)):
        if index[i] >= 0:
            at = places[i]
            for j in range(offsets[index[i]], offsets[index[i] + 1]):
                out[at] = hashes[j]
                at += 1


@njit(nogil=True, cache=True)
def kind_of(cp: Any) -> Any:  # noqa: PLR0911, PLR0912 - a table of ranges reads best as one
    """Class of a code point: 0 separator, 1 part of a word, 2 a token by itself."""
    if cp < 0x80:
        return WORD if (48 <= cp <= 57 or 65 <= cp <= 90 or 97 <= cp <= 122) else SEPARATOR
    if cp < 0x0E00:
        if cp < 0xC0:
            return WORD if cp in (0xAA, 0xB5, 0xBA) else SEPARATOR
        if cp in (0xD7, 0xF7, 0x37E, 0x387, 0x589, 0x58A, 0x5BE, 0x5C0, 0x5C3, 0x60C, 0x61B, 0x61F, 0x6D4):
            return SEPARATOR
        if 0x55A <= cp <= 0x55F or 0x66A <= cp <= 0x66D or cp in (0x964, 0x965):
            return SEPARATOR
        return WORD
    if cp < 0x2000:
        if cp < 0x10A0 or 0x1780 <= cp < 0x1800:
            return SINGLE
        return SEPARATOR if cp == 0x1680 else WORD
    if cp < 0x2E80:
        return WORD if (0x2100 <= cp < 0x2190 or 0x2C00 <= cp < 0x2E00) else SEPARATOR
    if cp < 0xA4D0:
        if 0x3000 <= cp < 0x3005 or 0x3008 <= cp < 0x3021 or cp == 0x3030 or 0x3036 <= cp < 0x3041:
            return SEPARATOR
        if cp in (0x30A0, 0x30FB) or 0x4DC0 <= cp < 0x4E00:
            return SEPARATOR
        return SINGLE
    if cp < 0xD800:
        return WORD
    if cp < 0x10000:
        if cp < 0xF900 or 0xFE00 <= cp < 0xFE70 or cp == 0xFEFF:
            return SEPARATOR
        if cp < 0xFB00 or 0xFF66 <= cp < 0xFFA0:
            return SINGLE
        if cp < 0xFF00 or 0xFFA0 <= cp < 0xFFE0:
            return WORD
        return (
            WORD
            if (0xFF10 <= cp <= 0xFF19 or 0xFF21 <= cp <= 0xFF3A or 0xFF41 <= cp <= 0xFF5A)
            else SEPARATOR
        )
    if cp < 0x1D000 or 0x1D400 <= cp < 0x1D800 or 0x1E000 <= cp < 0x1F000:
        return WORD
    return SINGLE if 0x20000 <= cp < 0x40000 else SEPARATOR


@njit(nogil=True, cache=True)
def lower(cp: Any) -> Any:
    """Lower case of ASCII, Latin-1, Greek, Cyrillic and full-width Latin capitals; others as they are."""
    if cp < 0x80:
        return cp + 32 if 65 <= cp <= 90 else cp
    if 0xC0 <= cp <= 0xDE or 0x391 <= cp <= 0x3A9 or 0x410 <= cp <= 0x42F or 0xFF21 <= cp <= 0xFF3A:
        return cp + 32
    return cp + 80 if 0x400 <= cp <= 0x40F else cp


@njit(nogil=True, cache=True)
def decode(data: npt.NDArray[np.uint8], pos: Any, end: Any) -> tuple[Any, Any]:
    """Code point at `pos` and its width in bytes; (0xFFFE, 1) where the bytes are not UTF-8."""
    b0 = np.int64(data[pos])
    if b0 < 0x80:
        return b0, 1
    width = 4 if b0 >= 0xF0 else (3 if b0 >= 0xE0 else 2)
    if b0 < 0xC2 or b0 > 0xF4 or pos + width > end:
        return 0xFFFE, 1
    cp = b0 & (0x7F >> width)
    for i in range(1, width):
        b = np.int64(data[pos + i])
        if b & 0xC0 != 0x80:
            return 0xFFFE, 1
        cp = (cp << 6) | (b & 0x3F)
    return cp, width


@njit(nogil=True, cache=True)
def _ascii(byte, hashes, n, h, inside):  # type: ignore[no-untyped-def]
    """After an ASCII byte: tokens so far, hash of what has grown of a word, 1 within a word.

    Where a word ends cannot be predicted, and a wrong guess costs more than several letters: a byte takes the same
    steps whether it is a letter or not. What has grown of a word is written at every byte, to the place of the next
    token; only after the word does that place move on.
    """
    folded = _ASCII[byte]
    letter = uint64(folded != 0)
    n += inside & (letter ^ uint64(1))
    h = (h ^ uint64(folded)) * uint64(FNV_PRIME) if folded != 0 else uint64(FNV_OFFSET)
    hashes[n] = h
    return n, h, letter


@njit(nogil=True, cache=True)
def _code_point(cp, hashes, n, h, inside):  # type: ignore[no-untyped-def]
    """The same after any code point."""
    kind = kind_of(cp)
    if kind == WORD:
        h = (h ^ uint64(lower(cp))) * uint64(FNV_PRIME)
        hashes[n] = h
        return n, h, uint64(1)
    n += inside
    if kind == SINGLE:
        hashes[n] = (uint64(FNV_OFFSET) ^ uint64(lower(cp))) * uint64(FNV_PRIME)
        n += uint64(1)
    return n, uint64(FNV_OFFSET), uint64(0)


@njit(nogil=True, cache=True)
def _turn(data, texts, hashes, lane):  # type: ignore[no-untyped-def]
    """A lane (text, place in it, tokens, hash, 1 within a word) behind a code point beyond ASCII, or at its next text
    where one ends.
    """
    starts, stops, offsets = texts
    row, pos, n, h, inside = lane
    if pos < stops[row]:
        if data[pos] < 0x80:
            return lane
        cp, width = decode(data, np.int64(pos), np.int64(stops[row]))
        n, h, inside = _code_point(cp, hashes, n, h, inside)
        return row, pos + uint64(width), n, h, inside
    n += inside
    row += uint64(1)
    offsets[row] = n
    return _lane(starts, row, n)


@njit(nogil=True, cache=True)
def _lane(starts, row, n):  # type: ignore[no-untyped-def]
    """A lane at the beginning of a text, or behind all of them."""
    pos = starts[row] if row < len(starts) else uint64(0)
    return row, pos, n, uint64(FNV_OFFSET), uint64(0)


@njit(nogil=True, cache=True)
def _alone(data, texts, hashes, lane, last):  # type: ignore[no-untyped-def]
    """What is left of a lane."""
    _, stops, _ = texts
    while lane[0] < last:
        row, pos, n, h, inside = lane
        while pos < stops[row] and data[pos] < 0x80:
            n, h, inside = _ascii(data[pos], hashes, n, h, inside)
            pos += uint64(1)
        lane = _turn(data, texts, hashes, (row, pos, n, h, inside))


@njit(nogil=True, cache=True)
def _hash_tokens(data, texts, hashes, middle, second):  # type: ignore[no-untyped-def]
    """Hashes of the tokens, not yet mixed, and where they end: of the texts before `middle` from hashes[0] on, of the
    others from hashes[second] on.

    Two texts at a time: a hash waits for the one before it, but not for the other's. Places are unsigned, since of a
    number that may be negative numba asks at every access whether it is.
    """
    starts, stops, _ = texts
    middle, rows = uint64(middle), uint64(len(starts))
    one, other = _lane(starts, uint64(0), uint64(0)), _lane(starts, middle, uint64(second))
    while one[0] < middle and other[0] < rows:
        row, pos, n, h, inside = one
        other_row, other_pos, other_n, other_h, other_inside = other
        for _ in range(min(stops[row] - pos, stops[other_row] - other_pos)):
            byte, other_byte = data[pos], data[other_pos]
            if (byte | other_byte) >= 0x80:
                break
            n, h, inside = _ascii(byte, hashes, n, h, inside)
            other_n, other_h, other_inside = _ascii(other_byte, hashes, other_n, other_h, other_inside)
            pos += uint64(1)
            other_pos += uint64(1)
        one = _turn(data, texts, hashes, (row, pos, n, h, inside))
        other = _turn(data, texts, hashes, (other_row, other_pos, other_n, other_h, other_inside))
    _alone(data, texts, hashes, one, middle)
    _alone(data, texts, hashes, other, rows)


@njit(nogil=True, cache=True)
def _mix_all(first, second, out):  # type: ignore[no-untyped-def]
    for i in range(len(first)):
        out[i] = mix(first[i])
    for i in range(len(second)):
        out[len(first) + i] = mix(second[i])


@njit(nogil=True, cache=True)
def _next_token(data: npt.NDArray[np.uint8], pos: Any, end: Any) -> tuple[Any, Any, Any]:
    """The next token at or after `pos`: (hash, start, stop); start == stop when there is none."""
    h = uint64(FNV_OFFSET)
    start = end
    while pos < end:
        cp, width = decode(data, pos, end)
        kind = kind_of(cp)
        if kind == WORD:
            if start == end:
                start = pos
            h = (h ^ uint64(lower(cp))) * uint64(FNV_PRIME)
        elif start != end:
            return mix(h), start, pos
        elif kind == SINGLE:
            return mix((h ^ uint64(lower(cp))) * uint64(FNV_PRIME)), pos, pos + width
        pos += width
    return mix(h), start, end


@njit(nogil=True, cache=True)
def _find_tokens(data, row_starts, row_stops, offsets, out):  # type: ignore[no-untyped-def]
    """Hashes and byte ranges of the tokens of each row: for few texts, one code point after the other."""
    hashes, starts, stops = out
    n = 0
    for row in range(len(row_starts)):
        pos, end = row_starts[row], row_stops[row]
        while pos < end:
            h, start, stop = _next_token(data, pos, end)
            if start == stop:
                break
            hashes[n], starts[n], stops[n] = h, start, stop
            n += 1
            pos = stop
        offsets[row + 1] = n
