"""Vectors of tasks as they are stored, and as arrays."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.campaigns.sample import content_bytes

D = 4
vectors = st.lists(st.one_of(st.none(), st.binary(min_size=D, max_size=D)), max_size=12)


def _expected(rows: list[bytes | None]) -> np.ndarray:
    return np.array([np.frombuffer(row or bytes(D), np.int8) for row in rows], np.int8).reshape(-1, D)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(D)])
@given(chunks=st.lists(vectors, max_size=4), first=st.integers(0, 3))
def test_vectors_come_back_whatever_chunks_and_nulls_there_are(kind, chunks, first):
    column = pa.chunked_array([pa.array(rows, kind) for rows in chunks], kind).slice(first)
    rows = [row for rows in chunks for row in rows][first:]
    np.testing.assert_array_equal(content_bytes(column, D), _expected(rows))
