"""Recipes become texts: Arrow strings, written by the kernel into one buffer that grows when it is full."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillwatch.lab.texts import kernel
from stillwatch.lab.texts.book import Frozen
from stillwatch.lab.texts.recipes import Recipes

_FIRST_GUESS = 500
_MOST = 2**31 - 1


def render(frozen: Frozen, recipes: Recipes, guess: int = _FIRST_GUESS) -> pa.StringArray:
    """The texts of the recipes, in their order.

    Args:
        frozen: the book.
        recipes: any number.
        guess: expected bytes a text; a poor guess costs a copy.

    Raises ValueError for a program that the book does not have, or for more than 2 GiB of text.
    """
    _check(frozen, recipes.program)
    columns = (recipes.program, recipes.writer, recipes.item, recipes.draw)
    return _write(kernel.expand, frozen, columns, guess * len(recipes))


def render_until(
    frozen: Frozen, programs: NDArray[np.int32], draws: NDArray[np.uint64], lengths: NDArray[np.int64]
) -> pa.StringArray:
    """Texts of as many sentences as their length needs: what the simulated model answers.

    Args:
        frozen: the book.
        programs: int32, program of one sentence.
        draws: uint64.
        lengths: int64, bytes after which no further sentence begins; there is always one.

    Raises ValueError as `render` does.
    """
    _check(frozen, programs)
    columns = (programs, draws, lengths)
    return _write(kernel.repeat, frozen, columns, int(np.maximum(lengths, 0).sum()) + 100 * len(programs))


def _check(frozen: Frozen, programs: NDArray[np.int32]) -> None:
    if len(programs) and not 0 <= programs.min() <= programs.max() < len(frozen.rule_first):
        raise ValueError(f"programs must lie in 0..{len(frozen.rule_first) - 1}; is the book an older one?")


def _write(step: Callable[..., int], frozen: Frozen, columns: tuple[Any, ...], guess: int) -> pa.StringArray:
    size = len(columns[0])
    columns = tuple(np.ascontiguousarray(column) for column in columns)
    offsets = np.zeros(size + 1, np.int32)
    out = np.empty(min(_MOST, max(guess, 4096)), np.uint8)
    row = 0
    while (row := step(frozen, columns, row, out, offsets)) < size:
        if len(out) == _MOST:
            raise ValueError(f"{size} texts are more than 2 GiB: render fewer at a time")
        # As many bytes again as the rows so far needed, and some more.
        wanted = int(offsets[row] / max(row, 1) * size * 1.1)
        grown = np.empty(min(_MOST, max(wanted, len(out) * 3 // 2, len(out) + 65536)), np.uint8)
        grown[: offsets[row]] = out[: offsets[row]]
        out = grown
    return pa.StringArray.from_buffers(size, pa.py_buffer(offsets), pa.py_buffer(out[: offsets[-1]]))
