"""A figure knows which table, column and row it was read from, and says so wherever it is shown."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from stillwatch.evidence import numbers
from stillwatch.evidence.numbers import Kind
from stillwatch.evidence.visible import CUT_LABEL, CUT_SENTENCE, CUT_TEXT, visible

KEYS: Mapping[str, tuple[str, ...]] = {
    "campaigns": ("campaign_id",),
    "members": ("campaign_id", "account_id"),
    "flagged": ("exchange_id",),
    "groups": ("group_id",),
    "evidence": ("group_id", "rung", "family", "statistic"),
    "explanations": ("group_id", "explanation"),
    "group_templates": ("group_id", "template_id", "field"),
    "timeline": ("group_id", "hour"),
    "ties": ("group_id", "kind", "value", "account_id"),
    "busy": ("account_id",),
    "quality": ("measure", "subject"),
    "samples": ("group_id", "exchange_id"),
}
"""The columns whose values, in this order, name a row of a table."""

_LONGEST_PART = 60
_AS_IT_IS = re.compile("[A-Za-z0-9_.~-]*").fullmatch
"""Texts that percent-encoding leaves alone, as most names are: `quote` asks that letter by letter."""


@dataclass(frozen=True)
class Figure:
    """A value, how it is written, and where it comes from.

    Attributes:
        value: as it stands in the table (for `Kind.CHANCE` and `Kind.PROBABILITY` its log10).
        kind: how it is written.
        source: `table.column[key]`, or an aggregate such as `sum(table.column[key])`; see docs/report.md.
        cut: characters of a text that are shown.
    """

    value: Any
    kind: Kind
    source: str
    cut: int = CUT_SENTENCE

    @property
    def text(self) -> str:
        """The figure as it is shown."""
        if self.kind is Kind.NAME:
            return visible(numbers.spoken(self.value), self.cut)
        if self.kind in {Kind.TEXT, Kind.SKELETON}:
            return visible(str(self.value), self.cut, prose=self.cut > CUT_LABEL)
        return str(_WRITERS[self.kind](self.value))

    def __str__(self) -> str:
        return self.text

    def __html__(self) -> str:
        shown = escape(self.text)
        if self.kind is Kind.SKELETON:
            # What tells that the text was cut begins with the sign of a slot, and is none.
            kept, cut, tail = (
                self.text.rpartition("… (+") if len(self.value) > self.cut else (self.text, "", "")
            )
            slot = Markup('<mark class="slot">…</mark>')
            shown = slot.join(escape(part) for part in kept.split("…")) + cut + tail
        look = "quote" if self.kind in {Kind.TEXT, Kind.NAME, Kind.SKELETON} else "figure"
        return Markup('<span class="{}" data-source="{}">{}</span>').format(look, self.source, shown)


@dataclass(frozen=True)
class Constant:
    """A number that this page chose for itself (a cap on a list), not one that was found."""

    value: int

    @property
    def text(self) -> str:
        """The number with thousands apart."""
        return f"{self.value:,}"

    def __str__(self) -> str:
        return self.text

    def __html__(self) -> str:
        return Markup('<span data-constant="">{}</span>').format(self.text)


@dataclass(frozen=True)
class Sentence:
    """Words with figures among them."""

    parts: tuple[str | Figure | Constant, ...]

    @property
    def text(self) -> str:
        """The sentence as plain text."""
        return "".join(str(part) for part in self.parts)

    def __str__(self) -> str:
        return self.text

    def __html__(self) -> str:
        return Markup("").join(escape(part) for part in self.parts)


def sentence(*parts: str | Figure | Constant) -> Sentence:
    """Join words and figures."""
    return Sentence(parts)


@dataclass(frozen=True)
class Row:
    """One row of a result table, under its key."""

    table: str
    key: str
    values: Mapping[str, Any]

    def __getitem__(self, column: str) -> Any:
        return self.values[column]

    def source(self, column: str) -> str:
        """Where a cell of this row stands: `table.column[key]`."""
        return f"{self.table}.{column}[{self.key}]"

    def figure(self, column: str, kind: Kind) -> Figure:
        """A cell as a figure."""
        return Figure(self.values[column], kind, self.source(column))

    def count(self, column: str) -> Figure:
        """A cell that counts."""
        return self.figure(column, Kind.COUNT)

    def share(self, column: str) -> Figure:
        """A cell that is a share of one."""
        return self.figure(column, Kind.SHARE)

    def number(self, column: str) -> Figure:
        """A cell that is some number."""
        return self.figure(column, Kind.NUMBER)

    def chance(self, column: str) -> Figure:
        """A cell that holds the log10 of an e-value."""
        return self.figure(column, Kind.CHANCE)

    def probability(self, column: str) -> Figure:
        """A cell that holds the log10 of a p-value."""
        return self.figure(column, Kind.PROBABILITY)

    def time(self, column: str) -> Figure:
        """A cell that is a moment."""
        return self.figure(column, Kind.TIME)

    def label(self, column: str) -> Figure:
        """A name, on one line."""
        return Figure(self.values[column], Kind.TEXT, self.source(column), CUT_LABEL)

    def name(self, column: str) -> Figure:
        """A name of ours (a statistic, a capability), as words."""
        return Figure(self.values[column], Kind.NAME, self.source(column), CUT_LABEL)

    def names(self, column: str) -> list[Figure]:
        """A list of names; `table.column[key].0` is the first."""
        return [
            Figure(value, Kind.NAME, f"{self.source(column)}.{place}", CUT_LABEL)
            for place, value in enumerate(self.values[column])
        ]

    def labels(self, column: str) -> list[Figure]:
        """A list of names that others gave, as they stand."""
        return [
            Figure(value, Kind.TEXT, f"{self.source(column)}.{place}", CUT_LABEL)
            for place, value in enumerate(self.values[column])
        ]

    def words(self, column: str) -> Figure:
        """A sentence."""
        return Figure(self.values[column], Kind.TEXT, self.source(column), CUT_SENTENCE)

    def skeleton(self, column: str) -> Figure:
        """The text that a template keeps; its slots are marked."""
        return Figure(self.values[column], Kind.SKELETON, self.source(column), CUT_TEXT)

    def text(self, column: str) -> Figure:
        """A longer text."""
        return Figure(self.values[column], Kind.TEXT, self.source(column), CUT_TEXT)


def key_of(*parts: object) -> str:
    """The key under which a row is named: its parts, percent-encoded, with slashes between.

    A moment is written as day and hour (`2026-02-03/14`), so that the key of a day begins the keys of its
    hours. A part too long to read is cut and told apart by a digest.
    """
    return "/".join(_key_part(part) for part in parts)


def _key_part(part: object) -> str:
    if isinstance(part, datetime):
        return part.astimezone(UTC).strftime("%Y-%m-%d/%H")
    text = str(part)
    if _AS_IT_IS(text) and len(text) <= _LONGEST_PART:
        return text
    if len(text) > _LONGEST_PART:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        return quote(text[:40], safe="") + "~" + digest
    return quote(text, safe="")


_WRITERS: Mapping[Kind, Any] = {
    Kind.COUNT: numbers.count,
    Kind.SHARE: numbers.share,
    Kind.NUMBER: numbers.number,
    Kind.CHANCE: numbers.chance,
    Kind.PROBABILITY: numbers.probability,
    Kind.TIME: numbers.time,
}
