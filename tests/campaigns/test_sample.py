"""Vectors of tasks as they are stored, and as arrays."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.campaigns.sample import SampleRows, content_bytes

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


FORMS = ("a", "b", "c", "d")
VALUES = st.tuples(
    st.integers(0, 3),  # candidate
    st.integers(0, 5),  # ts
    st.sampled_from(["", "large", "small", "tiny"]),
    st.one_of(st.none(), st.binary(min_size=64, max_size=64)),
)


def _samples(rows: list[tuple[int, int, str, bytes | None]]) -> pa.Table:
    candidate, ts, model, content = zip(*rows, strict=True) if rows else ((), (), (), ())
    n = np.arange(len(rows))
    return pa.table(
        {
            "candidate": pa.array(candidate, pa.int64()),
            "entity": pa.array(n % 7, pa.int64()),
            "template": pa.array(n % 3, pa.int64()),
            "ts": pa.array(ts, pa.timestamp("us", tz="UTC")),
            "draw": pa.array((n * 0.37) % 1.0),
            "content": pa.array(content, pa.binary()),
            "own_tokens": pa.array(n, pa.int32()),
            "repeated": pa.array(n % 2 == 0),
            "held_out": pa.array(n % 5 == 0),
            **{name: pa.array(n * 0.5 + place, pa.float64()) for place, name in enumerate(FORMS)},
            "model": pa.array(model, pa.string()),
        }
    )


@given(st.lists(VALUES, max_size=30), st.integers(1, 9))
def test_samples_are_put_in_order_from_pieces(rows, size):
    table = _samples(rows)
    found = SampleRows.from_batches(table.to_batches(size), 4, FORMS)
    in_order = table.sort_by([("candidate", "ascending"), ("ts", "ascending"), ("draw", "ascending")])
    want, ts = in_order.to_pydict(), in_order.column("ts").cast(pa.int64()).to_pylist()
    models = sorted({row[2] for row in rows})
    assert [found.of(candidate).stop - found.of(candidate).start for candidate in range(4)] == [
        want["candidate"].count(candidate) for candidate in range(4)
    ]
    for name in ("entity", "template", "repeated", "held_out"):
        assert getattr(found, name).tolist() == want[name]
    assert found.ts.tolist() == ts
    assert found.words.tolist() == want["own_tokens"]
    assert found.forms.tolist() == [list(row) for row in zip(*(want[name] for name in FORMS), strict=True)]
    assert [models[number] for number in found.model] == want["model"]
    np.testing.assert_array_equal(
        found.content,
        np.array([np.frombuffer(c or bytes(64), np.int8) for c in want["content"]]).reshape(-1, 64),
    )
