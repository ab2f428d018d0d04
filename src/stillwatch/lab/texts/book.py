"""Collects grammar rules, templates and stocks of texts while a world is planned, compiled for the kernel.

A *program* is the place of a compiled rule. Equal rules are stored once. What a program writes depends on the
rule's name and content only, never on its place, so a population's texts stay as they are when others are
added.
"""

import hashlib
import io
import json
import re
from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stillwatch.lab.texts import kernel
from stillwatch.lab.texts.templates import pieces

_SLOT = re.compile(r"\{(#\d+-\d+|[@^]?[a-z][a-z0-9_]*)\}")
_OWN = (2, 6)
_OWN_ALWAYS = (1, 1)
Range = tuple[int, int]
Operation = tuple[int, int, int, int]


class Key(IntEnum):
    """What a reference depends on besides its rule; the values are the kernel's operations."""

    FLOW = kernel.FLOW
    """the text's own stream of draws"""
    OWN = kernel.OWN
    """the writer: one of his k own words of this rule, drawn"""
    KEEP = kernel.KEEP
    """the text (or the item or own word around): the same wherever it occurs in it"""
    ITEM = kernel.ITEM
    """the item and the writer; a stock is dealt without repeats until it is exhausted, then evolved"""
    QUOTE = kernel.QUOTE
    """the text that the rule as a program writes with this item as its draw"""
    INDEX = kernel.INDEX
    """text number `item` of a stock"""


@dataclass(frozen=True)
class Ref:
    """A reference to a program.

    Attributes:
        program: place of a rule.
        key: what the reference depends on.
        low, high: for OWN: how many own words a writer has, fixed for the writer within low..high.
    """

    program: int
    key: Key = Key.FLOW
    low: int = 1
    high: int = 1


class Frozen(NamedTuple):
    """The book as arrays, as the kernel reads it.

    Attributes:
        text: uint8, all literals.
        ops: int64 [n, 4], operation and three arguments.
        alternative_first: int64 [a + 1], first operation of an alternative.
        rule_first: int64 [r], first alternative of a rule.
        rule_count: int64 [r], alternatives of a rule.
        rule_salt: uint64 [r].
        rule_stock: bool [r], True for a finite stock of literal texts.
    """

    text: NDArray[np.uint8]
    ops: NDArray[np.int64]
    alternative_first: NDArray[np.int64]
    rule_first: NDArray[np.int64]
    rule_count: NDArray[np.int64]
    rule_salt: NDArray[np.uint64]
    rule_stock: NDArray[np.bool_]


class Book:
    """Programs and system prompts of a world."""

    def __init__(self) -> None:
        self.systems: list[str] = []
        self._system_places: dict[str, int] = {}
        self._text = bytearray()
        self._literals: dict[bytes, tuple[int, int]] = {}
        self._ops = array("q")
        self._alternative_first = array("q", [0])
        self._rule_first, self._rule_count = array("q"), array("q")
        self._rule_salt, self._rule_stock = array("Q"), array("B")
        self._depth: list[int] = []
        self._known: dict[bytes, int] = {}
        self.date = self._add("date", [[(kernel.DATE, 0, 0, 0)]])
        """Program that writes the date; the item is the number of hours since 1970-01-01 00:00."""
        self.hour = self._add("hour", [[(kernel.HOUR, 0, 0, 0)]])
        """Program that writes the hour of the day as two digits; the item is as for `date`."""

    def __len__(self) -> int:
        return len(self._rule_first)

    def scope(
        self,
        rules: Mapping[str, Sequence[str]],
        own: Mapping[str, int | Range] | Collection[str] = (),
        slots: Mapping[str, Ref] | None = None,
    ) -> "Scope":
        """Grammar rules in the notation of the corpus, compiled when a program asks for them.

        `{name}` stands for any alternative of the rule, `{@name}` for the one that this text keeps, `{^name}`
        for one with a capital letter, `{#3-40}` for a number. A name without a rule stays as it stands.

        Args:
            rules: alternatives by name.
            own: names of which a writer has own words: how many, or between how many (2 to 6 if not told).
            slots: names that stand for programs of other scopes.
        """
        if not isinstance(own, Mapping):
            own = dict.fromkeys(own, _OWN)
        ranges = {name: (n, n) if isinstance(n, int) else n for name, n in own.items()}
        wrong = sorted(name for name, (low, high) in ranges.items() if not 1 <= low <= high)
        if wrong:
            raise ValueError(f"own words of {', '.join(wrong)}: need 1 <= fewest <= most")
        return Scope(self, rules, ranges, dict(slots or {}))

    def template(self, text: str, slots: Mapping[str, Ref]) -> int:
        """Literal text with `{slot}` for each of these slots; other braces and LaTeX groups stay."""
        operations: list[Operation] = []
        for literal, name in pieces(text):
            if name and name not in slots:
                operations += self._literal(literal + "{" + name + "}")
                continue
            operations += self._literal(literal)
            if name:
                operations.append(_reference(slots[name]))
        return self._add(_digest("template", text), [operations])

    def literals(self, texts: Sequence[str]) -> int:
        """A finite stock of texts, never parsed. Raises ValueError for an empty stock."""
        if not texts:
            raise ValueError("a stock needs at least one text")
        salt = _digest("stock", *texts)
        # A text of no byte would be no operation, and the kernel takes a stock's text from its operation.
        alternatives = [self._literal(text) or [(kernel.LITERAL, 0, 0, 0)] for text in texts]
        return self._add(salt, alternatives, stock=True)

    def fixed(self, text: str) -> int:
        """This text, always."""
        return self._add(_digest("fixed", text), [self._literal(text)])

    def choice(self, options: Sequence[Ref], name: str = "choice") -> int:
        """Any of these programs, each as likely."""
        if not options:
            raise ValueError("a choice needs at least one option")
        return self._add(name, [[_reference(option)] for option in options])

    def system(self, text: str) -> int:
        """Place of a system prompt in `systems`."""
        place = self._system_places.setdefault(text, len(self.systems))
        if place == len(self.systems):
            self.systems.append(text)
        return place

    def frozen(self) -> Frozen:
        """All programs so far, as arrays."""
        return Frozen(
            np.frombuffer(bytes(self._text) or b"\0", np.uint8),
            np.array(self._ops, np.int64).reshape(-1, 4),
            np.array(self._alternative_first, np.int64),
            np.array(self._rule_first, np.int64),
            np.array(self._rule_count, np.int64),
            np.array(self._rule_salt, np.uint64),
            np.array(self._rule_stock, np.bool_),
        )

    def save(self, path: Path) -> None:
        """Writes programs and system prompts as one .npz file."""
        systems = np.frombuffer(json.dumps(self.systems).encode(), np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, systems=systems, **self.frozen()._asdict())
        path.write_bytes(buffer.getvalue())

    def _literal(self, text: str, flags: int = 0) -> list[Operation]:
        """At most one operation; a text that was stored before is not stored again."""
        if not text:
            return []
        raw = text.encode("utf-8")
        place = self._literals.get(raw)
        if place is None:
            place = self._literals[raw] = (len(self._text), len(raw))
            self._text += raw
        return [(kernel.LITERAL | flags, *place, 0)]

    def _add(self, name: str, alternatives: Sequence[Sequence[Operation]], stock: bool = False) -> int:
        flat = array("q")
        for operations in alternatives:
            flat.append(len(operations))
            for operation in operations:
                flat.extend(operation)
        key = hashlib.blake2b(flat.tobytes(), digest_size=16, person=b"rule", salt=_salt_bytes(name)).digest()
        if key in self._known:
            return self._known[key]
        below = [
            self._depth[operation[1]]
            for operations in alternatives
            for operation in operations
            if operation[0] & 15 in _REFERENCES
        ]
        depth = 1 + max(below, default=0)
        if depth > kernel.DEPTH:
            raise ValueError(f"rule {name} is nested deeper than {kernel.DEPTH} levels")
        program = self._known[key] = len(self._rule_first)
        self._depth.append(depth)
        self._rule_first.append(len(self._alternative_first) - 1)
        self._rule_count.append(len(alternatives))
        self._rule_salt.append(int.from_bytes(_salt_bytes(name)[:8], "little"))
        self._rule_stock.append(stock)
        for operations in alternatives:
            for operation in operations:
                self._ops.extend(operation)
            self._alternative_first.append(len(self._ops) // 4)
        return program


class Scope:
    """Rules that see each other; made by Book.scope."""

    def __init__(
        self,
        book: Book,
        rules: Mapping[str, Sequence[str]],
        own: Mapping[str, Range],
        slots: Mapping[str, Ref],
    ) -> None:
        self._book, self._rules, self._own, self._slots = book, rules, own, slots
        self._programs: dict[str, int] = {}
        self._open: set[str] = set()

    def program(self, rule: str) -> int:
        """The compiled rule.

        Raises:
            KeyError: no such rule.
            ValueError: the rule has no alternative, or refers to itself.
        """
        if rule in self._programs:
            return self._programs[rule]
        if rule in self._open:
            raise ValueError(f"rule {rule} refers to itself")
        if not self._rules[rule]:
            raise ValueError(f"rule {rule} has no alternative")
        self._open.add(rule)
        alternatives = [self._alternative(text) for text in self._rules[rule]]
        self._open.remove(rule)
        program = self._programs[rule] = self._book._add(rule, alternatives)
        return program

    def ref(self, name: str) -> Ref:
        """A reference as `{name}` makes it, for a template: of the writer's own words where he has any."""
        if name in self._slots:
            return self._slots[name]
        if name in self._own:
            return Ref(self.program(name), Key.OWN, *self._own[name])
        return Ref(self.program(name))

    def _alternative(self, text: str) -> list[Operation]:
        operations: list[Operation] = []
        for literal, slot in _parse(text):
            operations += self._book._literal(literal, kernel.TIDY)
            if slot:
                operations += self._slot(slot)
        return operations

    def _slot(self, slot: str) -> list[Operation]:
        if slot[0] == "#":
            low, high = (int(bound) for bound in slot[1:].split("-"))
            if not low <= high < 2**31:
                raise ValueError(f"{{{slot}}}: need low <= high < 2**31")
            return [(kernel.NUMBER, low, high, 0)]
        name = slot.lstrip("@^")
        if name not in self._rules and name not in self._slots:
            return self._book._literal("{" + slot + "}")
        ref = self.ref(name)
        if slot[0] == "@" and (ref.key is not Key.OWN or ref.high > 1):
            kept = self._book.choice([ref], name) if ref.key is Key.OWN else ref.program
            ref = Ref(kept, Key.KEEP)
        return [_reference(ref, kernel.CAPITAL if slot[0] == "^" else 0)]


def load(path: Path) -> tuple[Frozen, list[str]]:
    """Programs and system prompts that Book.save wrote."""
    with np.load(path, allow_pickle=False) as stored:
        arrays = Frozen(*(stored[name] for name in Frozen._fields))
        systems: list[str] = json.loads(stored["systems"].tobytes())
    return arrays, systems


_REFERENCES = frozenset(int(key) for key in Key)


def _reference(ref: Ref, flags: int = 0) -> Operation:
    return int(ref.key) | flags, ref.program, ref.low, ref.high


def _digest(*texts: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for text in texts:
        digest.update(text.encode("utf-8") + b"\0")
    return digest.hexdigest()


@lru_cache(maxsize=4096)
def _salt_bytes(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8"), digest_size=16).digest()


@lru_cache(maxsize=65536)
def _parse(text: str) -> tuple[tuple[str, str], ...]:
    """Literal text and slot in turn; the last slot is empty."""
    parts = []
    last = 0
    for match in _SLOT.finditer(text):
        parts.append((text[last : match.start()], match.group(1)))
        last = match.end()
    parts.append((text[last:], ""))
    return tuple(parts)
