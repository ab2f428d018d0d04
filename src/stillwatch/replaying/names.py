"""Numbers for names, in order of appearance."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.exchange.numbering import places_in
from stillwatch.replaying.counts import Ints


class Names:
    """Numbers for names; a number stays as long as the object lives."""

    def __init__(self, names: list[str]) -> None:
        self.list = list(names)
        self._number = {name: number for number, name in enumerate(self.list)}

    def __len__(self) -> int:
        return len(self.list)

    @classmethod
    def of(cls, columns: Iterable[pa.ChunkedArray]) -> "Names":
        """All names in some columns, in order of name."""
        return cls(sorted({name for column in columns for name in pc.unique(column).to_pylist()}))

    def numbers(self, names: list[str]) -> Ints:
        """Number of each name; unknown ones are added."""
        out = np.empty(len(names), np.int64)
        for row, name in enumerate(names):
            number = self._number.get(name)
            if number is None:
                number = self._number[name] = len(self.list)
                self.list.append(name)
            out[row] = number
        return out


def known_numbers(names: Names, column: pa.ChunkedArray) -> Ints:
    """Number of each name of a long column; all of them have one."""
    return places_in(pa.array(names.list, pa.string()), column)
