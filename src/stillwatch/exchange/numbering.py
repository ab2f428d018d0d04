"""Numbers for the strings of a column, without a Python object for each row."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def coded(column: pa.ChunkedArray) -> tuple[pa.Array, NDArray[np.int64]]:
    """Distinct strings in order (null counts as empty), and the number of each row's."""
    filled = pc.fill_null(column.cast(pa.string()), "")
    names = pc.unique(filled)
    names = names.take(pc.sort_indices(names))
    return names, places_in(names, filled)


def places_in(names: pa.Array, column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Place of each row's string among `names`; -1 for one that is not there."""
    places = pc.fill_null(pc.index_in(column.cast(pa.string()), value_set=names), -1)
    return np.asarray(places.to_numpy(), dtype=np.int64)
