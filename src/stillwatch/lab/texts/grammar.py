"""Small generative grammars for the few templates and system prompts that are worded while a world is planned.

The many texts of a world are written by the kernel from the same notation (book.py).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

_SLOT = re.compile(r"\{(#\d+-\d+|@?[a-z][a-z0-9_]*)\}")
_BLOCK = 16384
_Value = TypeVar("_Value")

Rules = Mapping[str, Sequence[str]]
_Parts = tuple[tuple[str, str], ...]


class Dice:
    """Uniform draws for text, taken from a numpy generator in blocks because single draws are slow."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._block: list[float] = []

    def uniform(self) -> float:
        """One draw from [0, 1)."""
        if not self._block:
            self._block = self._rng.random(_BLOCK).tolist()
        return self._block.pop()

    def integer(self, low: int, high: int) -> int:
        """One integer of low..high, both included."""
        return low + int(self.uniform() * (high - low + 1))

    def pick(self, values: Sequence[_Value]) -> _Value:
        """One of the values, each as likely."""
        return values[int(self.uniform() * len(values))]

    def sample(self, values: Sequence[_Value], count: int) -> list[_Value]:
        """`count` different places of the values (all of them, shuffled, where there are fewer)."""
        pool = list(values)
        for place in range(min(count, len(pool))):
            other = self.integer(place, len(pool) - 1)
            pool[place], pool[other] = pool[other], pool[place]
        return pool[:count]


@dataclass(frozen=True)
class Grammar:
    """Rules of the form name -> alternatives.

    In an alternative `{name}` stands for any alternative of the rule `name`, `{@name}` for the one that was
    drawn first in this text (a person keeps his name), `{#3-40}` for a number. A name without a rule stays as
    it stands: so templates with slots come out of the same grammar that later fills them.
    """

    rules: Mapping[str, tuple[_Parts, ...]]

    @classmethod
    def of(cls, *rules: Rules) -> "Grammar":
        """A grammar of several rule sets; a later set replaces rules of the same name."""
        merged: dict[str, tuple[_Parts, ...]] = {}
        for part in rules:
            merged |= {name: tuple(_parse(text) for text in texts) for name, texts in part.items()}
        return cls(merged)

    def text(self, rule: str, dice: Dice) -> str:
        """One text of a rule. Raises KeyError if the grammar has no such rule."""
        return self._render(dice.pick(self.rules[rule]), dice, {})

    def fill(self, template: str, dice: Dice) -> str:
        """The template with every slot that has a rule replaced."""
        return self._render(_parse(template), dice, {})

    def _render(self, parts: _Parts, dice: Dice, kept: dict[str, str]) -> str:
        out = []
        for literal, slot in parts:
            out.append(literal)
            if slot:
                out.append(self._slot(slot, dice, kept))
        return "".join(out)

    def _slot(self, slot: str, dice: Dice, kept: dict[str, str]) -> str:
        if slot[0] == "#":
            low, high = slot[1:].split("-")
            return str(dice.integer(int(low), int(high)))
        if slot in kept:
            return kept[slot]
        name = slot.lstrip("@")
        alternatives = self.rules.get(name)
        if alternatives is None:
            return "{" + slot + "}"
        text = self._render(dice.pick(alternatives), dice, kept)
        if slot[0] == "@":
            kept[slot] = text
        return text


def _parse(text: str) -> _Parts:
    parts = []
    last = 0
    for match in _SLOT.finditer(text):
        parts.append((text[last : match.start()], match.group(1)))
        last = match.end()
    parts.append((text[last:], ""))
    return tuple(parts)
