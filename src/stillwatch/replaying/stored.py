"""Values of dataclasses as JSON and NumPy arrays, by what the fields are annotated with: nothing in it can run code.

A field that is added to a class is stored with the rest; one of a type that is not known here is refused, and `layout`
tells states of other classes apart.
"""

import types
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

_PLAIN = (bool, int, float, str)
_SEQUENCES = (tuple, list, Sequence, Collection)
_MAPPINGS = (dict, Mapping)


class Arrays:
    """Arrays of many values one after the other, by type of number.

    Args:
        held: what `joined` gave; nothing if left out.
    """

    def __init__(self, held: Mapping[str, NDArray[Any]] | None = None) -> None:
        self._held = dict(held or {})
        self._parts: dict[str, list[NDArray[Any]]] = {}
        self._size: dict[str, int] = {}

    def put(self, array: NDArray[Any]) -> list[Any]:
        """Take an array in; returns where it stands, as JSON."""
        name = array.dtype.name
        at = self._size.get(name, 0)
        self._parts.setdefault(name, []).append(array.reshape(-1))
        self._size[name] = at + array.size
        return [name, at, list(array.shape)]

    def get(self, place: Sequence[Any]) -> NDArray[Any]:
        """The array at a place that `put` gave."""
        name, at, shape = place
        size = int(np.prod(shape, dtype=np.int64))
        return self._held[name][at : at + size].reshape(shape).copy()

    def joined(self) -> dict[str, NDArray[Any]]:
        """Type of number -> everything that was put, one-dimensional."""
        return {name: np.concatenate(parts) for name, parts in sorted(self._parts.items())}


def layout(kind: Any) -> dict[str, dict[str, str]]:
    """The fields, and their types in words, of all dataclasses that a value of this type may hold.

    Raises:
        TypeError: a type that cannot be stored.
    """
    found: dict[str, dict[str, str]] = {}
    waiting = [kind]
    while waiting:
        one = waiting.pop()
        if not (is_dataclass(one) and isinstance(one, type)):
            waiting += _parts_of(one)
        elif one.__name__ not in found:
            hints = _hints(one)
            found[one.__name__] = {name: _in_words(hint) for name, hint in hints.items()}
            waiting += hints.values()
    return dict(sorted(found.items()))


def packed(value: Any, kind: Any, arrays: Arrays) -> Any:
    """A value as JSON; its arrays are put into `arrays`.

    Args:
        value: of type `kind`.
        kind: a dataclass, or what one is annotated with.
        arrays: changed in place.

    Raises:
        TypeError: a type that cannot be stored.
    """
    if is_dataclass(kind) and isinstance(kind, type):
        return {name: packed(getattr(value, name), hint, arrays) for name, hint in _hints(kind).items()}
    origin, parts = get_origin(kind) or kind, _parts_of(kind)
    if origin is np.ndarray:
        return arrays.put(value)
    if origin in (Union, types.UnionType):
        return None if value is None else packed(value, parts[0], arrays)
    if origin in _MAPPINGS:
        return [[packed(key, parts[0], arrays), packed(one, parts[1], arrays)] for key, one in value.items()]
    if origin in _SEQUENCES:
        return [packed(one, parts[0], arrays) for one in value]
    # Numbers of NumPy are numbers to everybody but JSON.
    return value.item() if isinstance(value, np.generic) else value


def unpacked(stored: Any, kind: Any, arrays: Arrays) -> Any:
    """The value that `packed` was given.

    Args:
        stored: the JSON.
        kind: the type that was given then.
        arrays: with what was put into them then.
    """
    if is_dataclass(kind) and isinstance(kind, type):
        return kind(**{name: unpacked(stored[name], hint, arrays) for name, hint in _hints(kind).items()})
    origin, parts = get_origin(kind) or kind, _parts_of(kind)
    if origin is np.ndarray:
        return arrays.get(stored)
    if origin in (Union, types.UnionType):
        return None if stored is None else unpacked(stored, parts[0], arrays)
    if origin in _MAPPINGS:
        return {unpacked(key, parts[0], arrays): unpacked(one, parts[1], arrays) for key, one in stored}
    if origin in _SEQUENCES:
        made = [unpacked(one, parts[0], arrays) for one in stored]
        return made if origin is list else tuple(made)
    return kind(stored) if issubclass(kind, StrEnum) else stored


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Types of the fields of a dataclass that make it."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind) if field.init}


def _in_words(kind: Any) -> str:
    """A type, whatever Python or NumPy call it."""
    origin = get_origin(kind) or kind
    if origin is np.ndarray:
        return "array"
    if is_dataclass(kind):
        return str(origin.__name__)
    parts = [_in_words(part) for part in _parts_of(kind)]
    name = "Optional" if origin in (Union, types.UnionType) else str(origin.__name__)
    return f"{name}[{', '.join(parts)}]" if parts else name


@cache
def _parts_of(kind: Any) -> list[Any]:
    """Types that a type is made of; none where it is a number, a word or an array."""
    origin, given = get_origin(kind) or kind, get_args(kind)
    if origin is np.ndarray or origin in _PLAIN:
        return []
    if isinstance(origin, type) and issubclass(origin, StrEnum):
        return []
    if origin in _MAPPINGS and len(given) == 2:
        return list(given)
    if origin in (Union, types.UnionType):
        some = [one for one in given if one is not type(None)]
        if len(some) == 1 and len(some) < len(given):
            return some
    if origin in _SEQUENCES and [one for one in given[1:] if one is not Ellipsis] == [] and given:
        return [given[0]]
    raise TypeError(f"{kind} cannot be stored")
