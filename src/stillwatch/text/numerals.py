"""Which words are numbers, told from their hashes alone.

Numbers of up to four digits are known, leading zeros included, in ASCII digits. Larger ones are hardly ever common
enough to be part of a template: each of them stands in too few texts.
"""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit, uint64

from stillwatch.text.hashing import slot_of
from stillwatch.text.tokens import tokenize

MOST_DIGITS = 4
_SLOTS = 1 << 15  # three times as many as there are numbers


@cache
def numerals() -> npt.NDArray[np.uint64]:
    """Hashes of all known numbers as a table for `is_number`: open addressing with linear probing, 0 = free."""
    spelled = [f"{n:0{digits}}" for digits in range(1, MOST_DIGITS + 1) for n in range(10**digits)]
    table = np.zeros(_SLOTS, np.uint64)
    _fill(table, tokenize(pa.array(spelled)).hashes)
    table.flags.writeable = False
    return table


@njit(nogil=True, cache=True)
def is_number(table: npt.NDArray[np.uint64], word: Any) -> Any:
    """Whether a word's hash is that of a known number; 0 is no number's."""
    return word != uint64(0) and table[slot_of(table, word)] == word


@njit(nogil=True, cache=True)
def _fill(table, words):  # type: ignore[no-untyped-def]
    for word in words:
        table[slot_of(table, word)] = word
