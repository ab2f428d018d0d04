"""What a raw column becomes, and which of its rows are left to be looked at one by one."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.exchange.reasons import Reason

Mask = npt.NDArray[np.bool_]


@dataclass
class Converted:
    """A raw column in the column's type.

    Attributes:
        array: as long as the raw column; null where a row has a problem.
        problems: row of the batch (0-based) -> why its value does not fit.
        repairs: name of a repair -> rows that needed it.
    """

    array: pa.Array
    problems: dict[int, Reason] = field(default_factory=dict)
    repairs: dict[str, Mask] = field(default_factory=dict)

    def repair(self, name: str, rows: Mask) -> None:
        """Note that these rows needed a repair."""
        if rows.any():
            self.repairs[name] = self.repairs[name] | rows if name in self.repairs else rows


@dataclass
class Attempt:
    """What the fast path made of a column, and the rows that it leaves to `values`."""

    converted: Converted
    unsure: Mask


def valid_rows(array: pa.Array) -> Mask:
    """Which rows are not null."""
    if array.null_count == 0:
        return np.ones(len(array), np.bool_)
    mask: Mask = array.is_valid().to_numpy(zero_copy_only=False)
    return mask
