"""A whole raw column at once: what is clean goes through Arrow, the rest through `values`, one by one."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.exchange import reasons, values
from stillwatch.exchange.converted import Attempt, Converted, Mask, valid_rows
from stillwatch.exchange.raw import Values
from stillwatch.exchange.reasons import Misfit
from stillwatch.exchange.rules import ValidationRules
from stillwatch.exchange.schema import Column
from stillwatch.exchange.texts import convert_texts
from stillwatch.exchange.times import convert_times


def convert_column(raw: Values | None, column: Column, rules: ValidationRules, length: int) -> Converted:
    """Convert a raw column.

    Args:
        raw: the values, or None where the file has no such column.
        column: the column they are meant for.
        rules: the settings.
        length: number of rows.
    """
    if raw is None:
        return _with_missing(Converted(pa.nulls(length, column.type)), column)
    source = as_arrow(raw)
    attempt = None if source is None else _attempt(source, column, rules)
    if attempt is None:
        attempt = Attempt(Converted(pa.nulls(length, column.type)), np.ones(length, np.bool_))
    if attempt.unsure.any():
        _settle(attempt, raw if source is None else source, column, rules)
    return _with_missing(attempt.converted, column)


def as_arrow(raw: Values) -> pa.Array | None:
    """A plain Arrow array of the values, or None where they are of mixed or nested types.

    Dictionaries, run ends, views and extension types are resolved. Lists are only taken when all values are
    of one simple type: Arrow's own inference would recurse into nested values and mix up types.
    """
    if isinstance(raw, list):
        return _list_as_arrow(raw)
    array = raw.combine_chunks() if isinstance(raw, pa.ChunkedArray) else raw
    if isinstance(array, pa.ChunkedArray):  # chunks that are too large together
        return None
    if isinstance(array, pa.ExtensionArray):
        if array.type.extension_name == "arrow.uuid":
            return pa.array([None if item is None else str(item) for item in array.to_pylist()], pa.string())
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.large_binary(), safe=False)
    if pa.types.is_binary_view(array.type) or pa.types.is_fixed_size_binary(array.type):
        array = array.cast(pa.large_binary())
    return array


_LIST_TYPES: dict[frozenset[type], pa.DataType] = {
    frozenset((str,)): pa.large_string(),
    frozenset((int,)): pa.int64(),
    frozenset((float,)): pa.float64(),
    frozenset((bool,)): pa.bool_(),
    frozenset((bytes,)): pa.large_binary(),
}


def _list_as_arrow(raw: list[Any]) -> pa.Array | None:
    types = frozenset(map(type, raw)) - {type(None)}
    if not types:
        return pa.nulls(len(raw))
    kind = _LIST_TYPES.get(types)
    if kind is None:
        return None
    try:
        return pa.array(raw, kind)
    except (pa.ArrowException, OverflowError, UnicodeError):
        return None


def _attempt(source: pa.Array, column: Column, rules: ValidationRules) -> Attempt | None:
    if pa.types.is_null(source.type):
        return Attempt(Converted(pa.nulls(len(source), column.type)), np.zeros(len(source), np.bool_))
    takers: tuple[tuple[Callable[[pa.DataType], bool], Callable[..., Attempt | None]], ...] = (
        (pa.types.is_timestamp, convert_times),
        (pa.types.is_boolean, _take_truths),
        (pa.types.is_string, convert_texts),
        (pa.types.is_primitive, _take_numbers),
    )
    for matches, take in takers:
        if matches(column.type):
            return take(source, column, rules)
    return None


def _take_truths(source: pa.Array, column: Column, rules: ValidationRules) -> Attempt | None:
    if not pa.types.is_boolean(source.type):
        return None
    return Attempt(Converted(source), np.zeros(len(source), np.bool_))


def _take_numbers(source: pa.Array, column: Column, rules: ValidationRules) -> Attempt | None:
    if not (pa.types.is_integer(source.type) or pa.types.is_floating(source.type)):
        return None
    if source.type == column.type and _all_fit(source, column):
        return Attempt(Converted(source), np.zeros(len(source), np.bool_))
    valid = valid_rows(source)
    raw = pc.fill_null(source, 0).to_numpy(zero_copy_only=False)
    to_float = pa.types.is_floating(column.type)
    from_float = raw.dtype.kind == "f"
    nan = np.isnan(raw) & valid if from_float else np.zeros(len(raw), np.bool_)
    with np.errstate(invalid="ignore"):
        outside = np.abs(raw) > values.largest(column.type) if from_float else _outside(raw, column)
        if column.minimum is not None:
            outside |= raw < column.minimum
        if from_float and not to_float:
            outside |= raw != np.floor(raw)
    unsure = outside & valid & ~nan
    fine = valid & ~unsure & ~nan
    target = column.type.to_pandas_dtype()
    array = pa.array(np.where(fine, raw, 0).astype(target), column.type, mask=~fine)
    converted = Converted(array)
    converted.repair(values.NAN, nan)
    if from_float and not to_float:
        converted.repair(values.CONVERTED, fine)
    return Attempt(converted, unsure)


def _all_fit(source: pa.Array, column: Column) -> bool:
    """Whether every number is within the bounds of a column of the same type, so that nothing is to be done."""
    ends = pc.min_max(source)
    least, most = ends["min"].as_py(), ends["max"].as_py()
    if least is None:  # nulls only, or nothing that can be compared
        return bool(source.null_count == len(source))
    if pa.types.is_floating(source.type) and not pc.all(pc.is_finite(source)).as_py():
        return False
    largest = values.largest(column.type)
    return bool(-largest <= least and most <= largest and (column.minimum is None or least >= column.minimum))


def _outside(raw: npt.NDArray[Any], column: Column) -> Mask:
    largest = values.largest(column.type)
    bounds = np.iinfo(raw.dtype)
    above = raw > largest if bounds.max > largest else np.zeros(len(raw), np.bool_)
    below = raw < -largest if bounds.min < -largest else np.zeros(len(raw), np.bool_)
    return above | below


def objects(raw: Values, rows: Sequence[int] | npt.NDArray[np.int64]) -> list[object]:
    """Values of some rows as Python objects; text from Arrow comes as bytes, since it may be broken."""
    if isinstance(raw, list):
        return [raw[row] for row in rows]
    kind = raw.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        raw = raw.cast(pa.large_binary() if pa.types.is_large_string(kind) else pa.binary())
    simple = pa.types.is_primitive(kind) and not pa.types.is_temporal(kind)
    named = pa.types.is_decimal(kind) or pa.types.is_null(kind) or pa.types.is_boolean(kind)
    if not (simple or named or pa.types.is_binary(raw.type) or pa.types.is_large_binary(raw.type)):
        return [values.Opaque() if raw[int(row)].is_valid else None for row in rows]
    picked: list[object] = raw.take(pa.array(rows, pa.int64())).to_pylist()
    return picked


def _settle(attempt: Attempt, raw: Values, column: Column, rules: ValidationRules) -> None:
    """Convert the rows that the fast path was unsure of, one by one."""
    converted = attempt.converted
    rows = np.flatnonzero(attempt.unsure)
    repaired: dict[str, Mask] = {}
    settled: list[object] = []
    for row, value in zip(rows.tolist(), objects(raw, rows), strict=True):
        needed: values.Repairs = set()
        try:
            settled.append(values.convert(value, column, rules, needed))
        except Misfit as misfit:
            converted.problems[row] = misfit.reason
            settled.append(None)
            continue
        for name in needed:
            repaired.setdefault(name, np.zeros(len(attempt.unsure), np.bool_))[row] = True
    for name, mask in repaired.items():
        converted.repair(name, mask)
    replacements = _array(settled, column.type)
    if len(rows) == len(attempt.unsure):
        converted.array = replacements
    else:
        converted.array = pc.replace_with_mask(converted.array, pa.array(attempt.unsure), replacements)


def _array(settled: list[object], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(settled, pa.int64()).cast(kind)
    return pa.array(settled, kind)


def _with_missing(converted: Converted, column: Column) -> Converted:
    """Note required values that are null and have no other problem."""
    if not column.nullable and converted.array.null_count:
        for row in np.flatnonzero(~valid_rows(converted.array)).tolist():
            converted.problems.setdefault(row, reasons.MISSING)
    return converted
