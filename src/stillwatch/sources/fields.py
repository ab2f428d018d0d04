"""Finding things in records of uncertain shape; nothing here raises."""

import json
from collections.abc import Iterable, Mapping
from typing import Any


def dig(record: object, path: str) -> Any:
    """The value at a dotted path, or None; a key that holds the dots itself is found too."""
    if isinstance(record, dict):
        if path in record or "." not in path:
            return record.get(path)
        head, dot, rest = path.partition(".")
        while dot:
            if head in record and (found := dig(record[head], rest)) is not None:
                return found
            more, dot, rest = rest.partition(".")
            head = f"{head}.{more}"
    return None


def first(record: object, *paths: str) -> Any:
    """The first value that is there and not empty, or None."""
    for path in paths:
        value = dig(record, path)
        if value is not None and value not in ("", {}, []):
            return value
    return None


def pick(record: Mapping[str, Any], *names: str) -> Any:
    """The same for a flat mapping: dots in a name are a part of it."""
    for wanted in names:
        value = record.get(wanted)
        if value is not None and value not in ("", {}, []):
            return value
    return None


def mapping(value: object) -> dict[str, Any]:
    """The value if it is an object, also one that was written as a JSON string; otherwise an empty one."""
    value = unpacked(value)
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """The value if it is a list, also one that was written as a JSON string; otherwise an empty one."""
    value = unpacked(value)
    return value if isinstance(value, list) else []


def unpacked(value: object) -> Any:
    """What a JSON string holds, if it holds an object or a list; otherwise the value as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            found = json.loads(value, parse_constant=lambda word: None)
        except (ValueError, RecursionError):
            return value
        return found
    return value


def name(value: object) -> str | None:
    """A value as a name: a text that is not blank, or a number."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if value.bit_length() < 256 else None
    return None


def first_name(record: object, *paths: str) -> str | None:
    """The first of the values that can be a name."""
    return next((found for path in paths if (found := name(dig(record, path))) is not None), None)


def number(value: object) -> float | None:
    """A value as a number, also from text; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def scaled(value: object, factor: float) -> Any:
    """A number in another unit; what is no number is handed on for validation to complain about."""
    found = number(value)
    return value if found is None else found * factor


def header(headers: object, wanted: str) -> Any:
    """The value of an HTTP header whose name is written in any case; headers as an object or as pairs."""
    headers = unpacked(headers)
    pairs: Iterable[Any] = ()
    if isinstance(headers, Mapping):
        pairs = headers.items()
    elif isinstance(headers, list):
        pairs = [_pair(entry) for entry in headers]
    for key, value in pairs:
        if isinstance(key, str) and key.lower().replace("_", "-") == wanted:
            return value[0] if isinstance(value, list) and len(value) == 1 else value
    return None


def _pair(entry: object) -> tuple[object, object]:
    if isinstance(entry, Mapping):
        return first(entry, "name", "key"), entry.get("value")
    if isinstance(entry, list) and len(entry) == 2:
        return entry[0], entry[1]
    return None, None


def without_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are there."""
    return {key: value for key, value in values.items() if value is not None and value != ""}
