"""How well a partition of accounts agrees with the true one: B-cubed and pairs."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
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
        pairs_both: pairs that are reported together and belong together.
        pairs_reported: pairs that are reported together.
        pairs_true: pairs that belong together.

    None where there is nothing to divide by.
    """

    b_cubed_precision: float | None
    b_cubed_recall: float | None
    b_cubed_f1: float | None
    pair_precision: float | None
    pair_recall: float | None
    items: int
    pairs_both: int = 0
    pairs_reported: int = 0
    pairs_true: int = 0


@dataclass(frozen=True)
class Part:
    """What some of the items contribute to the agreement of two partitions; parts of different items add up.

    Attributes:
        items: number of items.
        precision: sum over items of the share of their reported group that is of their true group.
        recall: sum over items of the share of their true group that is in their reported group.
        both: ordered pairs, first item in this part, that are reported together and belong together.
        reported: ordered pairs, first item in this part, that are reported together.
    """

    items: int = 0
    precision: float = 0.0
    recall: float = 0.0
    both: int = 0
    reported: int = 0

    @classmethod
    def add(cls, parts: "Iterable[Part]") -> "Part":
        """Of the items of all these parts."""
        parts = list(parts)
        return cls(
            sum(p.items for p in parts),
            sum(p.precision for p in parts),
            sum(p.recall for p in parts),
            sum(p.both for p in parts),
            sum(p.reported for p in parts),
        )

    @property
    def b_cubed_f1(self) -> float | None:
        """Harmonic mean of B-cubed precision and recall of these items; None without an item."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / (total * self.items) if self.items and total else None

    @property
    def pair_precision(self) -> float | None:
        """Share of the reported pairs that belong together; None where none is reported."""
        return self.both / self.reported if self.reported else None


def parts(
    reported: Mapping[str, Hashable], true: Mapping[str, Hashable], of: Mapping[str, str]
) -> dict[str, Part]:
    """The contribution of each class of items, `of` item -> class; all classes together give `compare`."""
    cells = Counter((reported[item], true[item]) for item in true)
    rows, columns = Counter(reported.values()), Counter(true.values())
    found: dict[str, list[Part]] = {}
    for (row, column, name), n in Counter((reported[i], true[i], of[i]) for i in true).items():
        size = cells[row, column]
        found.setdefault(name, []).append(
            Part(n, n * size / rows[row], n * size / columns[column], n * (size - 1), n * (rows[row] - 1))
        )
    return {name: Part.add(one) for name, one in sorted(found.items())}


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
    return _grouping(precision, recall, items, (_pairs(cells), _pairs(rows), _pairs(columns)))


def pool(groupings: Iterable[Grouping]) -> Grouping:
    """The grouping of several worlds taken as one: no item of one world belongs with an item of another.

    B-cubed is a mean over items, so the pooled one is the mean weighted by items; pairs are added.
    """
    kept = [g for g in groupings if g.items]
    items = sum(g.items for g in kept)
    if not items:
        return Grouping(None, None, None, None, None, 0)
    precision = sum((g.b_cubed_precision or 0.0) * g.items for g in kept) / items
    recall = sum((g.b_cubed_recall or 0.0) * g.items for g in kept) / items
    pairs = (
        sum(g.pairs_both for g in kept),
        sum(g.pairs_reported for g in kept),
        sum(g.pairs_true for g in kept),
    )
    return _grouping(precision, recall, items, pairs)


def _grouping(precision: float, recall: float, items: int, pairs: tuple[int, int, int]) -> Grouping:
    both, said, real = pairs
    f1 = 2 * precision * recall / (precision + recall)
    return Grouping(
        precision, recall, f1, both / said if said else None, both / real if real else None, items, *pairs
    )


def _pairs(counts: Counter[Hashable] | Counter[tuple[Hashable, Hashable]]) -> int:
    return sum(n * (n - 1) // 2 for n in counts.values())
