"""Strings of a whole column at once."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.exchange import values
from stillwatch.exchange.converted import Attempt, Converted, Mask, valid_rows
from stillwatch.exchange.rules import ValidationRules
from stillwatch.exchange.schema import Column


def convert_texts(source: pa.Array, column: Column, rules: ValidationRules) -> Attempt | None:
    """Text, names, or whole numbers that stand for names; None where the column is of another type.

    Rows are left to `values` where they are too long, perhaps blank, no UTF-8, or hold a NUL byte.
    """
    kind = source.type
    if pa.types.is_integer(kind):
        spelled = source.cast(pa.string())
        valid = valid_rows(source)
        unsure = np.asarray(pc.fill_null(pc.binary_length(spelled), 0)) > rules.max_bytes(column)
        converted = Converted(spelled)
        converted.repair(values.CONVERTED, valid & ~unsure)
        return Attempt(converted, unsure)
    small = pa.types.is_string(kind) or pa.types.is_binary(kind)
    large = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
    if not small and not large:
        return None
    offsets, data = buffers(source, large)
    valid = valid_rows(source)
    unsure = np.diff(offsets) > rules.max_bytes(column)
    if not column.text:
        unsure |= _perhaps_blank(offsets, data)
    found = _survey(data[offsets[0] : offsets[-1]])
    if found & _NUL:
        unsure |= _holds_nul(offsets, data)
    if found & _BEYOND_ASCII:
        unsure |= _holds_invalid(source, large)
    unsure &= valid
    string = source.cast(pa.large_string() if large else pa.string(), safe=False)
    if unsure.any():  # what is too long or broken must not stand in the result, nor count for its size
        string = pc.if_else(pa.array(~unsure), string, pa.scalar(None, string.type))
    return Attempt(Converted(string.cast(pa.string()) if large else string), unsure)


def buffers(array: pa.Array, large: bool) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
    """Offsets (length + 1, into the data) and data bytes of a string or binary array, slices respected."""
    _, offsets, data = array.buffers()
    dtype = np.int64 if large else np.int32
    if offsets is None or len(array) == 0:
        return np.zeros(len(array) + 1, dtype), np.zeros(0, np.uint8)
    numbers = np.frombuffer(offsets, dtype, len(array) + 1, array.offset * np.dtype(dtype).itemsize)
    return numbers, np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)


_NUL, _BEYOND_ASCII = 1, 2
_LOWEST_BITS = np.uint64(0x0101010101010101)
_HIGHEST_BITS = np.uint64(0x8080808080808080)


def _survey(data: npt.NDArray[np.uint8]) -> int:
    """Whether there are NUL bytes (_NUL) and bytes beyond ASCII (_BEYOND_ASCII), in one pass."""
    head = min(-data.__array_interface__["data"][0] % 8, len(data))  # words are aligned after it
    words = data[head : head + (len(data) - head) // 8 * 8].view(np.uint64)
    rest = np.concatenate([data[:head], data[head + words.nbytes :]])
    nul, beyond = _survey_words(words)
    nul |= len(rest) > 0 and not rest.all()
    beyond |= bool((rest & 0x80).any())
    return (_NUL if nul else 0) | (_BEYOND_ASCII if beyond else 0)


@numba.njit(cache=True, nogil=True)
def _survey_words(words: Any) -> Any:
    nul = np.uint64(0)
    beyond = np.uint64(0)
    for word in words:
        # Of a word without NUL bytes this is zero, and only of such: Mycroft's test.
        nul |= (word - _LOWEST_BITS) & ~word & _HIGHEST_BITS
        beyond |= word
    return nul != 0, (beyond & _HIGHEST_BITS) != 0


def _perhaps_blank(offsets: npt.NDArray[Any], data: npt.NDArray[np.uint8]) -> Mask:
    starts = offsets[:-1]
    empty: Mask = offsets[1:] == starts
    if not len(data):
        return empty
    first = data[np.minimum(starts, len(data) - 1)]
    blank: Mask = empty | (first <= ord(" "))
    return blank


def _holds_nul(offsets: npt.NDArray[Any], data: npt.NDArray[np.uint8]) -> Mask:
    places = np.flatnonzero(data[offsets[0] : offsets[-1]] == 0) + offsets[0]
    mask = np.zeros(len(offsets) - 1, np.bool_)
    mask[np.searchsorted(offsets, places, side="right") - 1] = True
    return mask


def _holds_invalid(source: pa.Array, large: bool) -> Mask:
    """Rows that are no UTF-8: Parquet readers do not check it, and one bad byte would stop a later stage."""
    mask = np.zeros(len(source), np.bool_)
    try:
        source.cast(pa.large_string() if large else pa.string(), safe=False).validate(full=True)
    except pa.ArrowInvalid:
        binary = source.cast(pa.large_binary() if large else pa.binary())
        for row, item in enumerate(binary.to_pylist()):
            mask[row] = item is not None and not _is_utf8(item)
    return mask


def _is_utf8(item: bytes) -> bool:
    try:
        item.decode()
    except UnicodeDecodeError:
        return False
    return True
