"""What a comparison is made of. Runs in both environments: the standard library only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OURS = "Stillwatch"


@dataclass(frozen=True)
class Task:
    """The work of one side, ready to be measured.

    Attributes:
        warm: the same on little data: compiles, imports and allocates, and is not measured.
        work: what is measured.
        facts: figures about what `work` gave: errors, how much was found. Not measured.
    """

    warm: Callable[[], object]
    work: Callable[[], Any]
    facts: Callable[[Any], Mapping[str, float]] = field(default=lambda _: {})


@dataclass(frozen=True)
class Side:
    """One way to do what a comparison compares.

    Attributes:
        name: in the table.
        prepare: material folder -> task; reads what is given to the side, which is not measured.
        package: distribution that must be installed for it, in the environment of the peers; None for our own.
        says: what it does more or less than ours, a sentence or two of Markdown.
        against: name of the side of ours that its ratios are to; None for the first of the comparison.
    """

    name: str
    prepare: Callable[[Path], Task]
    package: str | None
    says: str
    against: str | None = None


@dataclass(frozen=True)
class Comparison:
    """Several ways to do the same.

    Attributes:
        title: heading.
        about: what is given and what is to be made, in Markdown.
        unit: what `count` counts, in the plural.
        count: material folder -> how many of them every side works through.
        sides: ours first.
        facts: key of a fact -> head of its column and its format.
        linear: whether the work grows with `count`, so that seconds for a million mean something.
    """

    title: str
    about: str
    unit: str
    count: Callable[[Path], int]
    sides: tuple[Side, ...]
    facts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    linear: bool = True

    def __post_init__(self) -> None:
        if not self.sides or self.sides[0].package is not None:
            raise ValueError("the first side of a comparison is ours")
        if len({side.name for side in self.sides}) < len(self.sides):
            raise ValueError("two sides of a comparison have the same name")
        if {side.against for side in self.sides} - {side.name for side in self.sides} - {None}:
            raise ValueError("a side is compared with one that is not there")

    def base(self, side: Side) -> Side:
        """The side that another one's ratios are to."""
        return next((other for other in self.sides if other.name == side.against), self.sides[0])
