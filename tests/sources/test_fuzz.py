"""Logs mutated at random: nothing but our own errors comes out, and no record is lost silently."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stillwatch.exchange.errors import StillwatchError
from stillwatch.sources.envoy import access
from stillwatch.sources.reading import read_records
from stillwatch.sources.registry import SOURCES, source_of
from stillwatch.sources.source import Fragment, ParsedExchange, Skipped
from tests.sources.run import LOGS, Run

FIXTURES = sorted(LOGS.iterdir())
RECORDS = [found.record for file in FIXTURES for found in read_records(io.BytesIO(file.read_bytes()))]

_junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(
        ["{", "[]", "{}", '{"a":1}', "\ud800", "\x00", "data: {", "-", "1e999", "null", "data: [1]\n\n"]
    ),
    st.just([]),
    st.just({}),
    st.lists(st.none() | st.text(max_size=3) | st.just({}) | st.just([]) | st.integers(), max_size=3),
    st.dictionaries(
        st.sampled_from(["type", "text", "content", "role", "x", "message"]),
        st.none() | st.text(max_size=3) | st.just([1]),
    ),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(value, dict):
        for key in value:
            found += places(value[key], (*path, key))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            found += places(entry, (*path, index))
    return found


def replaced(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], junk)
    return copy


PLACES = [places(record)[1:] for record in RECORDS]


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    place = draw(st.integers(0, len(RECORDS) - 1))
    record: Any = RECORDS[place]
    # Deepest places first, so that a path that was taken does not lie in what was replaced before it.
    for path in sorted(
        draw(st.lists(st.sampled_from(PLACES[place]), min_size=1, max_size=4, unique=True)),
        key=len,
        reverse=True,
    ):
        record = replaced(record, path, draw(_junk))
    return dict(record)


@given(mutated())
@settings(
    max_examples=700, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_no_adapter_raises_and_each_says_something(record: dict[str, Any]) -> None:
    for source in SOURCES:
        assert 0.0 <= source.recognises(record) <= 1.0
        found = list(source.parse(record))
        assert found
        assert all(isinstance(item, (ParsedExchange, Skipped, Fragment)) for item in found)
    access(record)
    source_of(record)


@given(st.dictionaries(st.text(max_size=8), _junk, max_size=6))
@settings(max_examples=200, deadline=None)
def test_any_object_at_all(record: dict[str, Any]) -> None:
    for source in SOURCES:
        assert 0.0 <= source.recognises(record) <= 1.0
        assert list(source.parse(record))


@pytest.mark.parametrize("seed", range(6))
def test_whole_files_of_mutated_records(run: Run, tmp_path: Path, seed: int) -> None:
    import random

    generator = random.Random(seed)
    junk = [None, True, -1, 2**80, 1.5, "", "\ud83d", "\x00", "{", [], {}, [1], {"a": [None]}, "x" * 100_000]
    rows = []
    for record in RECORDS * 2:
        changed: Any = record
        for _ in range(generator.randint(0, 3)):
            path = generator.choice(places(changed)[1:] or [()])
            if path:
                changed = replaced(changed, path, generator.choice(junk))
        rows.append(changed)
    file = tmp_path / "mutated"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    report, _ = run(file, trusted_hops=seed % 3)  # run() checks that every part has one fate
    assert report.files[0].records == len(rows)


@pytest.mark.parametrize("seed", range(8))
def test_whole_files_with_damaged_bytes(run: Run, tmp_path: Path, seed: int) -> None:
    import random

    generator = random.Random(seed)
    data = bytearray(FIXTURES[seed % len(FIXTURES)].read_bytes())
    for _ in range(30):
        data[generator.randrange(len(data))] = generator.randrange(256)
    file = tmp_path / "damaged"
    file.write_bytes(data[: generator.randrange(len(data) // 2, len(data))])
    try:
        run(file)
    except StillwatchError as error:
        assert "damaged" in str(error)
