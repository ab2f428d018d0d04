"""Hashes of the word shingles of a text: runs of `ORDER` words, and of one word less, marks at both ends included."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, uint64

from stillwatch.text.hashing import combine

ORDER = 5
"""Words of a shingle; its context is one word less."""
START, END = 0x5354415254, 0x454E44
"""Hashes of the marks that stand before the first and after the last word of a text."""


@njit(nogil=True, cache=True)
def longest_row(offsets: npt.NDArray[np.int64]) -> Any:
    """Tokens of the longest text of `Tokens.offsets`."""
    longest = 0
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    return longest


@njit(nogil=True, cache=True)
def shingle_scratch(longest: Any) -> tuple[Any, Any, Any]:
    """Room for `shingle_text` of texts of at most so many words: (marked, full, context), all uint64."""
    marks = 2 * (ORDER - 1)
    return (
        np.empty(longest + marks, np.uint64),
        np.empty(longest + ORDER - 1, np.uint64),
        np.empty(longest + ORDER, np.uint64),
    )


@njit(nogil=True, cache=True)
def shingle_text(hashes, first, last, scratch):  # type: ignore[no-untyped-def]
    """Write the n + ORDER - 1 full shingles of a text of n words, and its n + ORDER contexts.

    ORDER - 1 marks stand before and after the words; context[i] begins at item i of that row, and so does full[i].

    Args:
        hashes: tokens.
        first, last: those of the text.
        scratch: of `shingle_scratch`, whose last two arrays are written.
    """
    marked, full, context = scratch
    n = last - first
    pad = ORDER - 1
    for i in range(pad):
        marked[i] = uint64(START)
        marked[pad + n + i] = uint64(END)
    for j in range(n):
        marked[pad + j] = hashes[first + j]
    # No branch and no call that looks where a word stands: several shingles are then hashed by one instruction.
    for i in range(n + ORDER):
        context[i] = combine(combine(combine(marked[i], marked[i + 1]), marked[i + 2]), marked[i + 3])
    for i in range(n + ORDER - 1):
        full[i] = combine(context[i], marked[i + ORDER - 1])
