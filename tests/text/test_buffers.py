import pyarrow as pa
import pytest
from hypothesis import given, settings

from stillwatch.text.buffers import text_view
from tests.text.reference import arrays


@settings(deadline=None)
@given(arrays())
def test_rows_are_the_texts(case):
    values, array = case
    view = text_view(array)
    rows = [
        bytes(view.data[a:b]).decode() if ok else None
        for a, b, ok in zip(view.starts, view.stops, view.valid, strict=True)
    ]
    assert rows == values
    assert view.n_bytes == sum(len((v or "").encode()) for v in values)


def test_null_rows_are_empty_whatever_their_bytes():
    array = pa.Array.from_buffers(
        pa.string(),
        2,
        [
            pa.py_buffer(b"\x02"),
            pa.py_buffer(bytes([0, 0, 0, 0, 3, 0, 0, 0, 5, 0, 0, 0])),
            pa.py_buffer(b"abcde"),
        ],
    )
    view = text_view(array)
    assert view.valid.tolist() == [False, True]
    assert (view.stops - view.starts).tolist() == [0, 2]


@pytest.mark.parametrize(
    "array",
    [pa.array([], pa.string()), pa.nulls(3), pa.nulls(3, pa.string()), pa.chunked_array([], pa.string())],
)
def test_nothing_to_read(array):
    assert text_view(array).n_bytes == 0
    assert len(text_view(array)) == len(array)


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="int64"):
        text_view(pa.array([1, 2]))
