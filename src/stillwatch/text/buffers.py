"""Views of Arrow string arrays that a numba kernel can walk: one byte buffer, and each row's start and
stop.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


@dataclass(frozen=True)
class TextView:
    """The rows of a string array as byte ranges of one UTF-8 buffer, without a copy of the text.

    Attributes:
        data: uint8 [n_bytes], read-only.
        starts: int64 [n], first byte of a row.
        stops: int64 [n], one past its last byte; a null row starts and stops at 0.
        valid: bool [n], False where the row is null.
        owner: keeps the Arrow memory alive.
    """

    data: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    stops: npt.NDArray[np.int64]
    valid: npt.NDArray[np.bool_]
    owner: Any

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def n_bytes(self) -> int:
        """Bytes of text in all rows."""
        return int((self.stops - self.starts).sum())


def text_view(array: pa.Array | pa.ChunkedArray) -> TextView:
    """View an Arrow array of texts.

    Args:
        array: of type string or large_string, sliced or not, with or without nulls; chunked,
            dictionary-encoded, string_view and all-null arrays are brought into that form by a copy.

    Raises:
        TypeError: the array holds something other than text.
    """
    flat = _flatten(array)
    n = len(flat)
    # Always int64 and never writable, whatever came in: one compiled kernel then serves every input.
    width = np.int64 if pa.types.is_large_string(flat.type) else np.int32
    validity, offset_buffer, data_buffer = flat.buffers()
    if offset_buffer is None or offset_buffer.size == 0:
        offsets = np.zeros(n + 1, np.int64)
    else:
        raw: npt.NDArray[Any] = np.frombuffer(offset_buffer, dtype=width)
        offsets = raw[flat.offset : flat.offset + n + 1].astype(np.int64)
    if data_buffer is None or data_buffer.size == 0:
        data = np.zeros(0, np.uint8)
    else:
        data = np.frombuffer(data_buffer, dtype=np.uint8)
    data.flags.writeable = False
    starts, stops = offsets[:-1].copy(), offsets[1:].copy()
    if validity is None or flat.null_count == 0:
        valid = np.ones(n, np.bool_)
    else:
        valid = flat.is_valid().to_numpy(zero_copy_only=False)
        starts[~valid] = 0
        stops[~valid] = 0
    return TextView(data, starts, stops, valid, flat)


def _flatten(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    kind = array.type
    if isinstance(array, pa.ChunkedArray):
        if array.num_chunks == 1:
            return _flatten(array.chunk(0))
        # Only large_string may hold more than 2 GB in one buffer.
        return _flatten(array.cast(pa.large_string()).combine_chunks()) if array.num_chunks else _empty()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return array
    textual = pa.types.is_null(kind) or pa.types.is_string_view(kind)
    if pa.types.is_dictionary(kind):
        textual = pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type)
    if not textual:
        raise TypeError(f"expected an Arrow array of texts (string or large_string), got {kind}")
    return array.cast(pa.large_string())


def _empty() -> pa.Array:
    return pa.array([], pa.large_string())
