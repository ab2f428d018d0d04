"""Whatever comes in: nothing is raised, no row is lost, and what is fit is what was meant."""

import datetime as dt
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings

from stillwatch.exchange import values
from stillwatch.exchange.columns import convert_column
from stillwatch.exchange.raw import RawBatch
from stillwatch.exchange.reasons import Misfit
from stillwatch.exchange.rules import ValidationRules, microseconds
from stillwatch.exchange.schema import Column
from stillwatch.exchange.tables import ACCOUNTS, EXCHANGES
from stillwatch.exchange.validation import validate
from tests.exchange.rows import NOW, RULES, one_column

MIXED = [*EXCHANGES.required, "prompt", "key_id", "n_tools", "temperature", "stream"]
COLUMNS = [*EXCHANGES, ACCOUNTS["created_at"]]
SMALL = ValidationRules(now=NOW, max_text_bytes=10, max_name_bytes=8)
ZONED = ValidationRules(now=NOW, assume_timezone="+02:00")
ANY_RULES = st.sampled_from([RULES, SMALL, ZONED])

any_text = st.text(st.characters(codec=None), max_size=14)  # lone surrogates and NUL included
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(1_400_000_000, 1_800_000_000).flatmap(
        lambda n: st.sampled_from([n, n * 1000, n * 10**6, n * 10**9])
    ),
    st.floats(),
    any_text,
    st.binary(max_size=14),
    st.datetimes(),
    st.datetimes(timezones=st.timezones()),
    st.dates(),
    st.timedeltas(),
    st.decimals(),
    st.uuids(),
    st.sampled_from(
        ["12", " 7 ", "1e400", "nan", "true", "2026-06-01T00:00:00Z", "2026-06-01", "1770000000", "  "]
    ),
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3)
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data(), ANY_RULES)
def test_every_row_is_either_fit_or_once_unfit(data: st.DataObject, rules: ValidationRules) -> None:
    length = data.draw(st.integers(0, 5))
    columns = data.draw(
        st.fixed_dictionaries(
            {},
            optional={name: st.lists(anything, min_size=length, max_size=length) for name in MIXED},
        )
    )
    rows = data.draw(st.lists(st.integers(1, 10**9), min_size=length, max_size=length, unique=True))
    _check_partition(RawBatch(columns, "log", rows), rules)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(COLUMNS[:-1]), st.lists(anything, min_size=1, max_size=6), ANY_RULES)
@example(EXCHANGES["n_tools"], [10**5000], RULES)
@example(EXCHANGES["exchange_id"], [10**5000], RULES)
@example(EXCHANGES["temperature"], [10**5000, 3.5e38], RULES)
@example(EXCHANGES["prompt"], ["\ud83d\ude00", "a\udfff", "\0"], SMALL)
@example(EXCHANGES["ts"], [dt.datetime.min, dt.datetime.max, dt.date.min, dt.date.max], ZONED)
def test_one_strange_column_never_raises(column: Column, strange: list[Any], rules: ValidationRules) -> None:
    _check_partition(one_column(column.name, strange), rules)


def _check_partition(raw: RawBatch, rules: ValidationRules) -> None:
    result = validate(raw, EXCHANGES, rules)
    result.batch.validate(full=True)
    assert result.batch.schema == EXCHANGES.arrow
    for name in EXCHANGES.required:
        assert result.batch.column(name).null_count == 0
    unfit_rows = [unfit.row for unfit in result.unfit]
    assert len(result.rows) == result.batch.num_rows
    assert sorted([*map(int, result.rows), *unfit_rows]) == sorted(raw.rows)
    for unfit in result.unfit:
        assert unfit.file == raw.file and unfit.reason and unfit.remedy and unfit.column in EXCHANGES.names
    for n in result.repairs.values():
        assert 0 < n <= result.batch.num_rows
    for column in EXCHANGES:
        for text in result.batch.column(column.name).to_pylist() if column.type == pa.string() else []:
            assert text is None or (len(text.encode()) <= rules.max_bytes(column) and "\0" not in text)


ARROW_VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.string(): any_text.filter(
        lambda text: text.isascii() or text.encode("utf-8", "ignore").decode() == text
    ),
    pa.large_string(): st.sampled_from(
        ["", " ", "1", "-3", "1.5", "true", "2026-06-01T00:00:00.5Z", "2026-06-01"]
    ),
    pa.binary(): st.binary(max_size=12),
    pa.large_binary(): st.sampled_from([b"ok", b"\xff", b"a\0", "ä".encode() * 9]),
    pa.int8(): st.integers(-(2**7), 2**7 - 1),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.int64(): st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(1_770_000_000, 1_780_000_000)),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.uint8(): st.integers(0, 255),
    pa.float32(): st.floats(width=32),
    pa.float64(): st.one_of(st.floats(), st.integers(-5, 5).map(float), st.floats(1.77e9, 1.79e9)),
    pa.bool_(): st.booleans(),
    pa.decimal128(20, 2): st.decimals(-(10**6), 10**6, places=2),
    pa.timestamp("us"): st.datetimes(),
    pa.timestamp("us", "UTC"): st.datetimes(timezones=st.just(dt.UTC)),
    pa.timestamp("ms", "Europe/Berlin"): st.datetimes(dt.datetime(2014, 1, 1), dt.datetime(2027, 1, 1)).map(
        lambda moment: moment.replace(microsecond=0, tzinfo=dt.UTC)
    ),
    pa.date32(): st.dates(),
    pa.duration("s"): st.timedeltas(dt.timedelta(0), dt.timedelta(10)),
    pa.list_(pa.string()): st.lists(st.just("a"), max_size=2),
    pa.null(): st.none(),
}


@settings(max_examples=400, deadline=None)
@given(st.data(), st.sampled_from(COLUMNS), st.sampled_from(list(ARROW_VALUES)), ANY_RULES)
def test_the_fast_path_agrees_with_the_rule_for_one_value(
    data: st.DataObject, column: Column, kind: pa.DataType, rules: ValidationRules
) -> None:
    drawn = data.draw(st.lists(st.none() | ARROW_VALUES[kind], max_size=8))
    start = data.draw(st.integers(0, max(0, len(drawn) - 1)))
    whole = pa.array(drawn, kind)
    form = data.draw(st.sampled_from(["plain", "dictionary", "chunked"]))
    if form == "dictionary" and not pa.types.is_nested(kind) and not pa.types.is_null(kind):
        whole = whole.dictionary_encode()
    source = whole.slice(start)
    drawn = drawn[start:]
    if form == "chunked":
        source = pa.chunked_array([source.slice(0, len(drawn) // 2), source.slice(len(drawn) // 2)], kind)
    converted = convert_column(source, column, rules, len(drawn))
    for index, value in enumerate(drawn):
        known = value if not isinstance(value, (list, dt.timedelta)) else values.Opaque()
        needed: set[str] = set()
        try:
            expected = values.convert(known, column, rules, needed)
        except Misfit as misfit:
            assert converted.problems[index] == misfit.reason
            continue
        assert index not in converted.problems
        assert {name for name, mask in converted.repairs.items() if mask[index]} == needed
        found = converted.array[index]
        if pa.types.is_timestamp(column.type):
            assert found.value == expected
        elif pa.types.is_floating(column.type) and expected is not None:
            assert found.as_py() == np.float32(expected)  # type: ignore[arg-type]
        else:
            assert found.as_py() == expected


moments = st.datetimes(dt.datetime(2015, 1, 2), dt.datetime(2026, 6, 30), timezones=st.timezones())


@settings(deadline=None)
@given(st.lists(moments, min_size=1, max_size=5), st.data())
def test_timestamps_round_trip_in_every_notation(
    given_moments: list[dt.datetime], data: st.DataObject
) -> None:
    ticks = [microseconds(moment) for moment in given_moments]
    notations: dict[str, Any] = {
        "ISO": [moment.isoformat() for moment in given_moments],
        "ISO, UTC, blank": [moment.astimezone(dt.UTC).isoformat(" ") for moment in given_moments],
        "objects": given_moments,
        "us": ticks,
        "ns": [tick * 1000 for tick in ticks],
        "text": [str(tick) for tick in ticks],
        "Arrow": pa.array(ticks, pa.int64()).cast(pa.timestamp("us", "Asia/Tokyo")),
        "Arrow ns": pa.array([tick * 1000 + 999 for tick in ticks], pa.int64()).cast(
            pa.timestamp("ns", "UTC")
        ),
    }
    for name, raw in notations.items():
        result = validate(one_column("ts", raw), EXCHANGES, RULES)
        assert not result.unfit, name
        assert result.batch.column("ts").cast(pa.int64()).to_pylist() == ticks, name
    for raw in ([tick // 10**6 for tick in ticks], [tick // 1000 / 1000 for tick in ticks]):
        result = validate(one_column("ts", raw), EXCHANGES, RULES)
        found = result.batch.column("ts").cast(pa.int64()).to_pylist()
        assert all(0 <= tick - other < 10**6 for tick, other in zip(ticks, found, strict=True))


@given(st.lists(st.integers(0, 2**31 - 1), min_size=1))
def test_whole_numbers_round_trip(numbers: list[int]) -> None:
    for raw in (
        numbers,
        [str(number) for number in numbers],
        [float(number) for number in numbers],
        pa.array(numbers, pa.uint32()),
        pa.array(numbers, pa.float64()),
    ):
        result = validate(one_column("input_tokens", raw), EXCHANGES, RULES)
        assert result.batch.column("input_tokens").to_pylist() == numbers


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60),
    st.integers(4, 40),
)
def test_a_cut_text_is_the_longest_whole_prefix(text: str, limit: int) -> None:
    rules = ValidationRules(now=NOW, max_text_bytes=limit)
    for raw in ([text], pa.array([text]), pa.array([text.encode()])):
        found = validate(one_column("prompt", raw), EXCHANGES, rules).batch.column("prompt")[0].as_py()
        assert text.startswith(found)
        longer = text[: len(found) + 1]
        assert found == text or len(longer.encode()) > limit >= len(found.encode())


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "+05:45", "UTC"])
@settings(max_examples=40, deadline=None)
@given(local=st.datetimes(dt.datetime(2016, 1, 1), dt.datetime(2026, 6, 1)))
def test_an_assumed_zone_is_the_same_for_texts_and_arrow(zone: str, local: dt.datetime) -> None:
    rules = ValidationRules(now=NOW, assume_timezone=zone)
    assert rules.zone is not None
    aware = local.replace(tzinfo=rules.zone)
    if aware.astimezone(dt.UTC).astimezone(rules.zone).replace(tzinfo=None) != local:
        return  # a local time that the clock skips has no right answer
    for raw in ([local.isoformat()], pa.array([local], pa.timestamp("us"))):
        result = validate(one_column("ts", raw), EXCHANGES, rules)
        assert result.batch.column("ts").cast(pa.int64()).to_pylist() == [microseconds(aware)]
        assert result.repairs == {("ts", values.ZONE_ASSUMED): 1}
