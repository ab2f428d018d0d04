"""How well a partition of accounts agrees with the true one: B-cubed and pairs."""

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Grouping:
    """Agreement of two partitions of the same items.

    Attributes:
        b_cubed_precision: mean over items of the share of their reported group that is of their true group.
        b_cubed_recall: mean over items of the share of their true group that is in their reported group.
        b_cubed_f1: harmonic mean of both.
        pair_precision: share of the pairs reported together that belong together.
        pair_recall: share of the pairs that belong together that are reported together.
        items: number of items.

    None where there is nothing to divide by.
    """

    b_cubed_precision: float | None
    b_cubed_recall: float | None
    b_cubed_f1: float | None
    pair_precision: float | None
    pair_recall: float | None
    items: int


def compare(reported: Mapping[str, Hashable], true: Mapping[str, Hashable]) -> Grouping:
    """Compares two partitions, each a mapping item -> group.

    B-cubed as Amigo et al. 2009 define it. Works on the contingency table, so it is linear in the items.
    Raises ValueError if the items differ.
    """
    if reported.keys() != true.keys():
        raise ValueError("both partitions must hold the same items")
    items = len(true)
    if not items:
        return Grouping(None, None, None, None, None, 0)
    cells = Counter((reported[item], true[item]) for item in true)
    rows, columns = Counter(reported.values()), Counter(true.values())
    precision = sum(n * n / rows[r] for (r, _), n in cells.items()) / items
    recall = sum(n * n / columns[t] for (_, t), n in cells.items()) / items
    both, said, real = _pairs(cells), _pairs(rows), _pairs(columns)
    return Grouping(
        precision,
        recall,
        2 * precision * recall / (precision + recall),
        both / said if said else None,
        both / real if real else None,
        items,
    )


def _pairs(sizes: Counter[Hashable] | Counter[tuple[Hashable, Hashable]]) -> int:
    return sum(n * (n - 1) // 2 for n in sizes.values())
