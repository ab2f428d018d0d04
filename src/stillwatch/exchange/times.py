"""Timestamps of a whole column at once."""

import datetime as dt
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.exchange import reasons, values
from stillwatch.exchange.converted import Attempt, Converted, Mask, valid_rows
from stillwatch.exchange.rules import MICROSECOND, ValidationRules
from stillwatch.exchange.schema import TIMESTAMP, Column

_FAR = 8 * 10**18  # microseconds; anything near it is far outside the range that is fit
_PER_UNIT = {"s": 10**6, "ms": 10**3, "us": 1}


def convert_times(source: pa.Array, column: Column, rules: ValidationRules) -> Attempt | None:
    """Timestamps, dates, numbers since 1970 or ISO 8601 text as microseconds UTC.

    None where the column is of another type or cannot be taken at once. A local time that a clock skips in
    spring is taken as the end of the gap.
    """
    kind = source.type
    none = np.zeros(len(source), np.bool_)
    valid = valid_rows(source)
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return _checked(_microseconds(source), valid, column, rules)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        if rules.zone is None:
            problems = dict.fromkeys(np.flatnonzero(valid).tolist(), reasons.NO_ZONE)
            return Attempt(Converted(pa.nulls(len(source), TIMESTAMP), problems), none)
        local = _microseconds(source)
        checked = _checked(_in_zone(local, rules), valid, column, rules)
        checked.converted.repair(values.ZONE_ASSUMED, valid)
        return checked
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _from_numbers(source, valid, column, rules)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _from_text(source, valid, column, rules)
    return None


def _microseconds(source: pa.Array) -> npt.NDArray[np.int64]:
    """Microseconds since 1970; what would overflow is clipped far outside the range that is fit."""
    kind = source.type
    if pa.types.is_date32(kind):
        days = pc.fill_null(source.cast(pa.int32()), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        return np.asarray(np.clip(days, -(10**7), 10**7) * 86_400_000_000, np.int64)
    unit = "ms" if pa.types.is_date64(kind) else kind.unit
    ticks: npt.NDArray[np.int64] = pc.fill_null(source.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    if unit == "ns":
        return np.asarray(ticks // 1000, np.int64)
    scale = _PER_UNIT[unit]
    clipped: npt.NDArray[np.int64] = np.clip(ticks, -_FAR // scale, _FAR // scale) * scale
    return clipped


def _in_zone(local: npt.NDArray[np.int64], rules: ValidationRules) -> npt.NDArray[np.int64]:
    assert rules.assume_timezone is not None and rules.zone is not None
    if rules.assume_timezone.upper() in ("UTC", "Z"):
        return local
    if isinstance(rules.zone, dt.timezone):
        return local - rules.zone.utcoffset(None) // MICROSECOND
    # Years 1900 to 2200 are within every zone table; the rest is out of range anyway.
    inside = (local > -2_208_988_800_000_000) & (local < 7_258_118_400_000_000)
    naive = pa.array(np.where(inside, local, 0), pa.timestamp("us"))
    aware = pc.assume_timezone(naive, rules.assume_timezone, ambiguous="earliest", nonexistent="latest")
    return np.where(inside, aware.cast(pa.int64()).to_numpy(zero_copy_only=False), local)


def _from_numbers(source: pa.Array, valid: Mask, column: Column, rules: ValidationRules) -> Attempt:
    raw: npt.NDArray[Any] = pc.fill_null(source, 0).to_numpy(zero_copy_only=False)
    result = np.zeros(len(raw), np.int64)
    known = np.zeros(len(raw), np.bool_)
    for first, last, scale in values.EPOCH_UNITS:
        hit = (raw >= first) & (raw < last) & valid
        if not hit.any():
            continue
        known |= hit
        if raw.dtype.kind == "f":
            result[hit] = np.rint(raw[hit].astype(np.float64) * (10**6 / scale)).astype(np.int64)
        else:
            ticks = raw[hit].astype(np.int64)
            result[hit] = ticks // (scale // 10**6) if scale > 10**6 else ticks * (10**6 // scale)
    checked = _checked(result, known, column, rules)
    checked.unsure = valid & ~known
    checked.converted.repair(values.EPOCH_NUMBER, known)
    return checked


def _from_text(source: pa.Array, valid: Mask, column: Column, rules: ValidationRules) -> Attempt | None:
    for unit in ("us", "ns"):
        try:
            parsed = source.cast(pa.timestamp(unit, "UTC"))
        except pa.ArrowInvalid:
            continue
        return _checked(_microseconds(parsed), valid, column, rules)
    return None


def _checked(moments: npt.NDArray[np.int64], valid: Mask, column: Column, rules: ValidationRules) -> Attempt:
    early = valid & (moments < rules.earliest(column))
    late = valid & (moments > rules.latest)
    fine = valid & ~early & ~late
    problems = dict.fromkeys(np.flatnonzero(early).tolist(), reasons.TOO_EARLY)
    problems.update(dict.fromkeys(np.flatnonzero(late).tolist(), reasons.FUTURE))
    array = pa.array(np.where(fine, moments, 0), pa.int64(), mask=~fine).cast(TIMESTAMP)
    return Attempt(Converted(array, problems), np.zeros(len(moments), np.bool_))
