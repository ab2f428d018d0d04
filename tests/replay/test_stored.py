"""Values come back as they were, with every field that they have."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from numpy.typing import NDArray

from stillwatch.campaigns.selection import JudgedGroup
from stillwatch.replaying.stored import Arrays, layout, packed, unpacked


def example(kind: Any, number: Iterator[int]) -> Any:
    """A value of a type, with numbers and words that occur nowhere else in it."""
    if is_dataclass(kind):
        assert isinstance(kind, type)
        hints = get_type_hints(kind)
        return kind(**{one.name: example(hints[one.name], number) for one in fields(kind) if one.init})
    origin, given = get_origin(kind) or kind, get_args(kind)
    if origin is np.ndarray:
        wanted = get_args(given[1])[0]
        return np.array([next(number), next(number)]).astype(wanted)
    if origin is UnionType:
        return example(given[0], number)
    if origin in (dict, Mapping):
        return {example(given[0], number): example(given[1], number) for _ in range(2)}
    if origin in (tuple, Collection):
        return tuple(example(given[0], number) for _ in range(2))
    if issubclass(origin, StrEnum):
        return list(origin)[next(number) % len(origin)]
    return next(number) % 2 == 0 if origin is bool else origin(next(number))


def same(left: Any, right: Any) -> bool:
    """Whether two values are alike in every field, those included that no argument sets."""
    if type(left) is not type(right):
        return False
    if is_dataclass(left):
        return all(same(getattr(left, one.name), getattr(right, one.name)) for one in fields(left))
    if isinstance(left, np.ndarray):
        return bool(
            left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
        )
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def there_and_back(value: Any, kind: Any) -> Any:
    arrays = Arrays()
    stored = packed(value, kind, arrays)
    return unpacked(stored, kind, Arrays(arrays.joined()))


def test_all_that_tests_said_of_a_group_is_stored():
    """Fails where a field is added to a group, its tests or its candidate that would not be kept."""
    group = example(JudgedGroup, iter(range(1, 10_000)))
    assert same(there_and_back(group, JudgedGroup), group)


@dataclass(frozen=True)
class Some:
    """A value, a number of NumPy, and an array of two dimensions."""

    value: float | None
    number: float
    array: NDArray[np.float64]


def test_numbers_and_arrays():
    array = np.array([[np.inf, -0.0], [np.nan, 0.1 + 0.2]])
    back = there_and_back(Some(None, np.float64(0.1), array), Some)
    assert back.value is None and type(back.number) is float and back.number == 0.1
    assert same(back.array, array)
    assert there_and_back((-np.inf, 1e-310), tuple[float, ...]) == (-np.inf, 1e-310)


def test_another_field_is_another_layout():
    assert layout(Some) == {"Some": {"value": "Optional[float]", "number": "float", "array": "array"}}
    assert {"JudgedGroup", "GroupTests", "Candidate", "Verdict", "Finding"} <= set(layout(JudgedGroup))


@dataclass(frozen=True)
class Beyond:
    """Holds what cannot be stored."""

    what: object = field(default_factory=object)


def test_what_cannot_be_stored_is_refused():
    for kind in (Beyond, set[int], tuple[int, str], float | str):
        with pytest.raises(TypeError, match="cannot be stored"):
            layout(kind)
