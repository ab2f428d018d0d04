"""One value at a time: the exact rules, applied where a whole column could not be taken at once.

`columns` takes the clean majority of a batch through Arrow and hands over what it is unsure of. Both must
agree; a property test holds them together.
"""

import datetime as dt
import decimal
import math
import re
import uuid
from collections.abc import Callable

import pyarrow as pa

from stillwatch.exchange import reasons
from stillwatch.exchange.reasons import Misfit, Reason
from stillwatch.exchange.rules import EARLIEST, ValidationRules, microseconds
from stillwatch.exchange.schema import Column

TRUNCATED = "truncated"
REPLACED = "characters replaced"
CONVERTED = "type converted"
BLANK = "blank made null"
NAN = "NaN made null"
EPOCH_NUMBER = "number read as time"
ZONE_ASSUMED = "zone assumed"

REPAIRS = {
    TRUNCATED: "a text longer than the limit was cut at a character's boundary",
    REPLACED: "bytes that are no UTF-8, lone surrogates or NUL bytes were replaced by U+FFFD",
    CONVERTED: "a number written as text, or a text written as a number, was converted",
    BLANK: "an empty name or number was taken as null",
    NAN: "NaN was taken as null",
    EPOCH_NUMBER: "a number was read as seconds, milliseconds, microseconds or nanoseconds since 1970",
    ZONE_ASSUMED: "a time without zone was read in the assumed zone",
}

WHITESPACE = " \t\r\n\v\f"
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?|[+-]?(nan|inf|infinity)", re.A | re.I)
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST_NUMBER = 60
# Numbers of any of the four units between 1990 and 2200 are told apart by their size alone.
_FIRST_SECOND = microseconds(EARLIEST) // 1_000_000
_LAST_SECOND = microseconds(dt.datetime(2200, 1, 1, tzinfo=dt.UTC)) // 1_000_000
EPOCH_UNITS = tuple(
    (_FIRST_SECOND * scale, _LAST_SECOND * scale, scale) for scale in (1, 10**3, 10**6, 10**9)
)


class Opaque:
    """A value of a type that no column takes (nested, duration, ...)."""


Repairs = set[str]


def convert(value: object, column: Column, rules: ValidationRules, repairs: Repairs) -> object:
    """The value in the column's type (timestamps as microseconds since 1970), or None for null.

    Args:
        value: anything; bytes stand for text of unknown encoding.
        column: the column it is meant for.
        rules: the settings.
        repairs: names of the repairs that were needed are added here.

    Raises:
        Misfit: with the reason.
    """
    result = None if value is None else _converter(column.type)(value, column, rules, repairs)
    if result is None and not column.nullable:
        raise Misfit(reasons.MISSING)
    return result


def is_strict(column: Column) -> bool:
    """Whether a repair of the value could mix up two identities."""
    return not column.nullable or column.identifier


def _converter(kind: pa.DataType) -> Callable[[object, Column, ValidationRules, Repairs], object]:
    if pa.types.is_timestamp(kind):
        return _time
    if pa.types.is_boolean(kind):
        return _truth
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _number
    if pa.types.is_string(kind):
        return _text
    raise TypeError(f"no column of an input table has type {kind}")


def _text(value: object, column: Column, rules: ValidationRules, repairs: Repairs) -> str | None:
    limit = rules.max_bytes(column)
    if isinstance(value, (str, bytes, bytearray)):
        if len(value) > limit:  # at least that many bytes, so it is cut before anything is done with it
            _require(not is_strict(column), reasons.TOO_LONG)
            value = value[:limit]
            repairs.add(TRUNCATED)
        text = _decoded(value, column, repairs)
    else:
        text = _spelled(value)
        repairs.add(CONVERTED)
    if not column.text and not text.strip(WHITESPACE):
        if column.nullable:
            repairs.add(BLANK)
        return None
    if "\0" in text:
        _require(not is_strict(column), reasons.NUL)
        text = text.replace("\0", "\ufffd")
        repairs.add(REPLACED)
    encoded = text.encode()
    if len(encoded) > limit:
        _require(not is_strict(column), reasons.TOO_LONG)
        text = encoded[:limit].decode("utf-8", "ignore")
        repairs.add(TRUNCATED)
    return text


def _decoded(value: str | bytes | bytearray, column: Column, repairs: Repairs) -> str:
    if isinstance(value, str):
        if _SURROGATE.search(value) is None:
            return value
        # Two halves of one pair (as some JSON writers leave them) are joined, lone halves are replaced.
        joined = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        if "\ufffd" in joined and joined.count("\ufffd") > value.count("\ufffd"):
            _require(not is_strict(column), reasons.NOT_UTF8)
            repairs.add(REPLACED)
        return joined
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        cut_inside_character = (
            TRUNCATED in repairs and error.end == len(value) and len(value) - error.start < 4
        )
        if cut_inside_character:
            return value[: error.start].decode()
        _require(not is_strict(column), reasons.NOT_UTF8)
        repairs.add(REPLACED)
        return value.decode("utf-8", "replace")


def _spelled(value: object) -> str:
    """Names that a writer gave as numbers (or as UUIDs)."""
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 128:
        return str(value)
    raise Misfit(reasons.WRONG_TYPE)


def _number(value: object, column: Column, rules: ValidationRules, repairs: Repairs) -> int | float | None:
    if isinstance(value, (str, bytes)):
        value = _parsed(value, column, repairs)
    if isinstance(value, decimal.Decimal):
        value = _plain_number(value)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Misfit(reasons.WRONG_TYPE)
    if isinstance(value, float):
        if math.isnan(value):
            repairs.discard(CONVERTED)
            repairs.add(NAN)
            return None
        _require(math.isfinite(value), reasons.NOT_FINITE)
    _require(column.minimum is None or value >= column.minimum, reasons.TOO_SMALL)
    if pa.types.is_floating(column.type):
        _require(abs(value) <= largest(column.type), reasons.TOO_LARGE)
        return float(value)
    _require(value == math.floor(value), reasons.FRACTION)
    if isinstance(value, float):
        repairs.add(CONVERTED)
    _require(abs(value) <= largest(column.type), reasons.TOO_LARGE)
    return int(value)


def _plain_number(value: decimal.Decimal) -> int | float:
    if value.is_nan():
        return math.nan
    if value.is_finite() and value.adjusted() < _LONGEST_NUMBER and value == value.to_integral_value():
        return int(value)
    return float(value)


def largest(kind: pa.DataType) -> int:
    """Largest number of a type that is taken (the smallest is its negative)."""
    if pa.types.is_floating(kind):
        # The largest float32; what lies above would be stored as infinity.
        return (2**24 - 1) * 2**104 if kind.bit_width == 32 else int(1.7976931348623157e308)
    return int(2 ** (kind.bit_width - 1) - 1)


def _parsed(value: str | bytes, column: Column, repairs: Repairs) -> int | float | None:
    _require(len(value) <= _LONGEST_NUMBER, reasons.NOT_A_NUMBER)
    text = (value.decode("utf-8", "replace") if isinstance(value, bytes) else value).strip(WHITESPACE)
    if not text:
        if column.nullable:
            repairs.add(BLANK)
        return None
    _require(_NUMBER.fullmatch(text) is not None, reasons.NOT_A_NUMBER)
    repairs.add(CONVERTED)
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def _truth(value: object, column: Column, rules: ValidationRules, repairs: Repairs) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, bytes):
        value = value[:_LONGEST_NUMBER].decode("utf-8", "replace")
    if isinstance(value, str) and not value[:_LONGEST_NUMBER].strip(WHITESPACE):
        if column.nullable:
            repairs.add(BLANK)
        return None
    if isinstance(value, float) and math.isnan(value):
        repairs.add(NAN)
        return None
    word = value[:_LONGEST_NUMBER].strip(WHITESPACE).lower() if isinstance(value, str) else value
    if isinstance(word, (int, float, str)):
        for truth, spellings in ((True, (1, "true", "1")), (False, (0, "false", "0"))):
            if word in spellings:
                repairs.add(CONVERTED)
                return truth
        raise Misfit(reasons.NOT_A_TRUTH)
    raise Misfit(reasons.WRONG_TYPE)


def _time(value: object, column: Column, rules: ValidationRules, repairs: Repairs) -> int | None:
    if isinstance(value, (str, bytes)):
        value = _parsed_time(value, column, repairs)
    if isinstance(value, decimal.Decimal):
        value = _plain_number(value)
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime.combine(value, dt.time())
    if value is None:
        return None
    if isinstance(value, dt.datetime):
        moment = _with_zone(value, rules, repairs)
    elif isinstance(value, float) and math.isnan(value):
        repairs.add(NAN)
        return None
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        moment = _from_epoch(value)
        repairs.add(EPOCH_NUMBER)
    else:
        raise Misfit(reasons.WRONG_TYPE)
    _require(moment >= rules.earliest(column), reasons.TOO_EARLY)
    _require(moment <= rules.latest, reasons.FUTURE)
    return moment


def _parsed_time(value: str | bytes, column: Column, repairs: Repairs) -> int | float | dt.datetime | None:
    _require(len(value) <= _LONGEST_NUMBER, reasons.NOT_A_TIME)
    text = (value.decode("utf-8", "replace") if isinstance(value, bytes) else value).strip(WHITESPACE)
    if not text:
        if column.nullable:
            repairs.add(BLANK)
        return None
    if _NUMBER.fullmatch(text) and len(text) != len("20240131"):  # eight digits are a date
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    try:
        return dt.datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise Misfit(reasons.NOT_A_TIME) from None


def _with_zone(moment: dt.datetime, rules: ValidationRules, repairs: Repairs) -> int:
    if moment.utcoffset() is None:
        if rules.zone is None:
            raise Misfit(reasons.NO_ZONE)
        moment = moment.replace(tzinfo=rules.zone)
        repairs.add(ZONE_ASSUMED)
    return microseconds(moment)


def _from_epoch(value: float) -> int:
    _require(math.isfinite(value), reasons.NOT_FINITE)
    for first, last, scale in EPOCH_UNITS:
        if first <= value < last:
            if isinstance(value, int):
                return value * 10**6 // scale
            return round(value * 10**6 / scale)
    raise Misfit(reasons.TOO_EARLY if value < EPOCH_UNITS[-1][0] else reasons.FUTURE)


def _require(fine: bool, reason: Reason) -> None:
    if not fine:
        raise Misfit(reason)
