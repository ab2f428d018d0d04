"""Are two tables the same? Rows have no order, and sums of floats depend on theirs in the last digits."""

import math
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

TOLERANCE = 1e-9


def differences(left: pa.Table, right: pa.Table, *, types: bool = True) -> list[str]:
    """What tells two tables apart, in words; nothing where they are the same up to order and `TOLERANCE`."""
    if left.column_names != right.column_names:
        return [f"columns {left.column_names} and {right.column_names}"]
    found = [
        f"{name}: {one} and {other}"
        for name, one, other in zip(left.column_names, left.schema.types, right.schema.types, strict=True)
        if types and one != other
    ]
    if left.num_rows != right.num_rows:
        return [*found, f"{left.num_rows} and {right.num_rows} rows"]
    pairs = zip(_ordered(left), _ordered(right), strict=True)
    apart = [(one, other) for one, other in pairs if not all(map(_same, one.values(), other.values()))]
    return found + [f"{len(apart)} rows, the first {one} and {other}" for one, other in apart[:1]]


def _ordered(table: pa.Table) -> list[dict[str, Any]]:
    return sorted(table.to_pylist(), key=_place)


def _place(row: Mapping[str, Any]) -> list[str]:
    # Floats come last and rounded: two that are nearly the same must not put rows elsewhere.
    floats = [f"{value:.6g}" for value in row.values() if isinstance(value, float)]
    return [repr(value) for value in row.values() if not isinstance(value, float)] + floats


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        both_none = math.isnan(one) and math.isnan(other)
        return both_none or math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(one == other)
