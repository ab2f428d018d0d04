"""Texts before they are written: four numbers each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int32]
Words = NDArray[np.uint64]
Numbers = NDArray[np.uint64] | NDArray[np.int64] | Sequence[int] | int


@dataclass(frozen=True)
class Recipes:
    """One entry a text; the text is a pure function of its four numbers (render.py).

    Attributes:
        program: int32, place of a rule in the Book.
        writer: uint64, whose own words, or the salt of a queue of work.
        item: uint64, which task or content: the same under any template.
        draw: uint64, everything else.
    """

    program: Places
    writer: Words
    item: Words
    draw: Words

    def __post_init__(self) -> None:
        sizes = {len(column) for column in (self.program, self.writer, self.item, self.draw)}
        if len(sizes) != 1:
            raise ValueError(f"the columns of recipes differ in length: {sorted(sizes)}")

    def __len__(self) -> int:
        return len(self.program)

    def take(self, places: NDArray[np.integer] | NDArray[np.bool_]) -> "Recipes":
        """The recipes at these places (or under this mask), in this order."""
        return Recipes(self.program[places], self.writer[places], self.item[places], self.draw[places])

    @classmethod
    def of(
        cls, program: NDArray[np.integer] | int, writer: Numbers, item: Numbers, draw: Numbers
    ) -> "Recipes":
        """Recipes of arrays or single numbers, broadcast against each other; at least one entry."""
        columns = np.broadcast_arrays(
            np.atleast_1d(np.asarray(program)), *(np.atleast_1d(numbers(v)) for v in (writer, item, draw))
        )
        kinds = (np.int32, np.uint64, np.uint64, np.uint64)
        return cls(*(np.ascontiguousarray(c).astype(k) for c, k in zip(columns, kinds, strict=True)))

    @classmethod
    def concatenate(cls, parts: Sequence["Recipes"]) -> "Recipes":
        """All recipes of the parts, in order; no parts give no recipes."""
        if not parts:
            return cls(np.zeros(0, np.int32), *(np.zeros(0, np.uint64) for _ in range(3)))
        return cls(
            np.concatenate([p.program for p in parts]),
            np.concatenate([p.writer for p in parts]),
            np.concatenate([p.item for p in parts]),
            np.concatenate([p.draw for p in parts]),
        )


def numbers(values: Numbers) -> Words:
    """Whole numbers as uint64; those of an int64 array wrap. Raises TypeError for fractions."""
    if not isinstance(values, np.ndarray | np.generic):
        return np.array(values, np.uint64)  # not by way of float64, which is what numpy makes of large ones
    if values.dtype.kind not in "iub":
        raise TypeError(f"recipes are made of whole numbers, not {values.dtype}")
    wrapped: Words = values.astype(np.uint64)
    return wrapped
