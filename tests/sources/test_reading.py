"""Bytes to records: any layout, any packing, any damage."""

import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.sources import framing, reading
from stillwatch.sources.compression import DamagedStreamError, plain_chunks
from stillwatch.sources.reading import Read, Unreadable, read_records

ROWS = [
    {"n": n, "text": f'row {n} with a "quote", {{braces}} and [brackets] é\n', "in": {"a": [{}]}}
    for n in range(40)
]


def lines(rows: list[Any], **how: Any) -> bytes:
    return "\n".join(json.dumps(row, **how) for row in rows).encode()


LAYOUTS = {
    "ndjson": lines(ROWS),
    "ndjson with CRLF and blank lines": lines(ROWS).replace(b"\n", b"\r\n\r\n"),
    "array on one line": json.dumps(ROWS).encode(),
    "pretty array": json.dumps(ROWS, indent=2).encode(),
    "array with a record a line": b"[\n" + lines(ROWS).replace(b"\n", b",\n") + b"\n]\n",
    "arrays one after the other": json.dumps(ROWS[:20]).encode() + b"\n" + json.dumps(ROWS[20:]).encode(),
    "concatenated": b"".join(json.dumps(row).encode() for row in ROWS),
    "pretty objects": b"\n".join(json.dumps(row, indent=4).encode() for row in ROWS),
    "pretty without indentation": b"\n".join(json.dumps(row, indent=0).encode() for row in ROWS),
    "byte order mark": b"\xef\xbb\xbf" + lines(ROWS),
    "UTF-16 with mark": lines(ROWS).decode().encode("utf-16"),
    "UTF-16 big endian without mark": lines(ROWS).decode().encode("utf-16-be"),
    "UTF-32": lines(ROWS, ensure_ascii=False).decode().encode("utf-32"),
    "text sequence": b"".join(b"\x1e" + json.dumps(row).encode() + b"\n" for row in ROWS),
}


def zstd(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "gzip in two members and padding": lambda data: (
        gzip.compress(data[:999]) + gzip.compress(data[999:]) + b"\0" * 600
    ),
    "zstd": zstd,
    "zstd in two frames": lambda data: zstd(data[:999]) + zstd(data[999:]),
}


def records(data: bytes) -> list[Any]:
    found = list(read_records(io.BytesIO(data)))
    assert all(isinstance(entry, Read) for entry in found), found
    return [entry.record for entry in found if isinstance(entry, Read)]


def split(data: bytes, **how: int) -> tuple[list[Any], list[Unreadable]]:
    found = list(read_records(io.BytesIO(data), **how))
    good = [entry.record for entry in found if isinstance(entry, Read)]
    return good, [entry for entry in found if isinstance(entry, Unreadable)]


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_in_every_packing(layout: str, packing: str) -> None:
    assert records(PACKINGS[packing](LAYOUTS[layout])) == ROWS


_scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
_objects = st.lists(st.dictionaries(st.text(max_size=6), _values, max_size=5), min_size=1, max_size=8)


@given(_objects, st.sampled_from([None, 0, 1, 3]), st.booleans(), st.booleans(), st.integers(1, 40))
@settings(max_examples=80, deadline=None)
def test_cutting_does_not_depend_on_where_chunks_end(
    rows: list[Any], indent: int | None, as_array: bool, ascii_only: bool, size: int
) -> None:
    if as_array:
        data = json.dumps(rows, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    else:
        data = b"\n".join(
            json.dumps(row, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
            for row in rows
        )
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    for cut in (framing.by_bracket, framing.pieces):
        found = [json.loads(piece.data) for piece in cut(chunks, 1 << 20) if not piece.problem]
        if cut is framing.pieces:
            found = [entry for value in found for entry in (value if isinstance(value, list) else [value])]
        assert found == rows


@given(_objects, st.sampled_from([("", "\n", "\n"), ("[", ",", "]"), ("[\n  ", ",\n  ", "\n]")]), st.data())
@settings(max_examples=100, deadline=None)
def test_a_file_cut_anywhere_keeps_all_records_before_the_cut(
    rows: list[Any], marks: tuple[str, str, str], data: st.DataObject
) -> None:
    opening, between, closing = marks
    whole = opening
    spans: list[tuple[int, int]] = []
    for row in rows:
        whole += between if spans else ""
        spans.append((len(whole), len(whole) + len(json.dumps(row))))
        whole += json.dumps(row)
    whole += closing
    cut = data.draw(st.integers(0, len(whole)))
    good, bad = split(whole[:cut].encode())
    assert good == rows[: sum(end <= cut for _, end in spans)]
    is_inside = any(start < cut < end for start, end in spans)
    is_open = bool(opening) and 0 < cut < len(whole.rstrip())
    assert len(bad) == int(is_inside or is_open)


def test_a_damaged_line_costs_one_record() -> None:
    data = lines(ROWS[:3]) + b'\n{"n": 3, "text": "cut\n' + b"not json at all\n" + lines(ROWS[3:])
    good, bad = split(data)
    assert good == ROWS
    assert [(entry.line, entry.reason) for entry in bad] == [(4, framing.CUT_OFF), (5, framing.NOT_JSON)]


@pytest.mark.parametrize("indent", [2, 4])
def test_a_damaged_record_in_a_pretty_array_costs_one_record(indent: int) -> None:
    text = json.dumps(ROWS, indent=indent)
    for broken in (
        text.replace('"row 5 with', '"row 5 with\n', 1),  # a raw line break in a string
        text.replace('"text": "row 5 with', '"text": row 5" with', 1),  # a lost quote
    ):
        good, bad = split(broken.encode())
        assert good == ROWS[:5] + ROWS[6:]
        assert len(bad) == 1
        assert bad[0].line == broken[: broken.index('"n": 5')].count("\n")


def test_a_record_that_never_closes_costs_one_record() -> None:
    text = b"\n".join(json.dumps(row, indent=2).encode() for row in ROWS)
    at = text.index(b'"n": 7') - 4
    broken = text[:at] + text[at:].replace(b"\n}\n{", b"\n{", 1)
    good, bad = split(broken)
    assert good == ROWS[:7] + ROWS[8:]
    assert [entry.reason for entry in bad] == [framing.CUT_OFF]


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_a_cut_packing_keeps_what_can_be_unpacked(packing: str) -> None:
    # The same noise in every run: a cut exactly behind a row and before its line end would count one line too few.
    data = lines([{"n": n, "noise": hashlib.sha256(b"%d" % n).hexdigest() * 5} for n in range(3000)])
    whole = PACKINGS[packing](data)
    cut = whole[: len(whole) * 2 // 3]
    good, bad = split(cut)
    assert len(good) > 500
    assert [record["n"] for record in good] == list(range(len(good)))
    assert bad[-1].reason == framing.STREAM_DAMAGED
    plain = b""
    with pytest.raises(DamagedStreamError):
        for chunk in plain_chunks(io.BytesIO(cut)):
            plain += chunk
    assert len(good) == plain.count(b"\n")


def test_damage_inside_a_packing_is_reported() -> None:
    whole = bytearray(gzip.compress(lines(ROWS * 50)))
    whole[len(whole) // 2] ^= 0xFF
    good, bad = split(bytes(whole))
    assert bad
    assert good == (ROWS * 50)[: len(good)]


class Pipe(io.RawIOBase):
    """A stream that cannot be read twice and gives little at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, 700) if size > 0 else 700)

    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_pipe(packing: str) -> None:
    found = read_records(Pipe(PACKINGS[packing](lines(ROWS))))  # type: ignore[arg-type]
    assert [entry.record for entry in found if isinstance(entry, Read)] == ROWS


BAD = {
    "invalid UTF-8": (b'{"a": "\xff\xfe"}', reading.NOT_UTF8),
    "Latin-1 in a UTF-8 file": ('{"a": "é"}'.encode("latin-1"), reading.NOT_UTF8),
    "nested lists": (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", reading.NESTED),
    "nested objects": (b'{"a": ' * 50_000 + b"1" + b"}" * 50_000, reading.NESTED),
    "one name twice": (b'{"a": 1, "a": 2}', reading.TWO_VALUES),
    "a number of many digits": (b'{"a": ' + b"9" * 10_000 + b"}", framing.NOT_JSON),
    "a text": (b'"hello"', reading.NO_OBJECT),
    "a number": (b"17", reading.NO_OBJECT),
    "two values on a line": (b'{"a": 1} {"a": 2}', framing.NOT_JSON),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_record_between_good_ones(name: str) -> None:
    data, reason = BAD[name]
    good, bad = split(b'{"n": 1}\n' + data + b'\n{"n": 2}\n')
    assert good == [{"n": 1}, {"n": 2}]
    assert [(entry.line, entry.reason) for entry in bad] == [(2, reason)]


def test_harmless_oddities_are_read() -> None:
    assert records(b'{"a": NaN, "b": -Infinity}') == [{"a": None, "b": None}]
    assert records(b'{"a": 1, "a": 1}') == [{"a": 1}]


@pytest.mark.parametrize("layout", ["lines", "array", "pretty"])
def test_a_record_over_the_limit_is_skipped(layout: str) -> None:
    rows = [{"n": 1}, {"n": 2, "text": "x" * 50_000, "more": ["y" * 9_000]}, {"n": 3}]
    data = {
        "lines": lines(rows),
        "array": json.dumps(rows).encode(),
        "pretty": json.dumps(rows, indent=1).encode(),
    }
    good, bad = split(data[layout], max_record_bytes=20_000)
    assert good == [{"n": 1}, {"n": 3}]
    assert [entry.reason for entry in bad] == [framing.TOO_LONG]


def test_memory_stays_bounded_for_one_endless_record() -> None:
    import tracemalloc

    def endless() -> Iterator[bytes]:
        yield b'{"n": 1}\n{"text": "'
        for _ in range(200):
            yield b"x" * (1 << 20)
        yield b'"}\n{"n": 2}\n'

    tracemalloc.start()
    found = list(framing.pieces(endless(), max_record_bytes=4 << 20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [piece.problem for piece in found] == ["", framing.TOO_LONG, ""]
    assert peak < 32 << 20


def test_garbage_is_never_an_exception() -> None:
    import random

    generator = random.Random(7)
    for _ in range(300):
        data = bytes(
            generator.choices(b'{}[]",:\\\n ab1\x1f\x8b(\xb5/\xfd\x00\xff', k=generator.randint(0, 60))
        )
        for entry in read_records(io.BytesIO(data)):
            assert isinstance(entry, (Read, Unreadable))
