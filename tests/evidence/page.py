"""Reading a report as a stranger would: its elements, its text, and the tables that its figures name."""

import json
import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow.parquet as pq

SUPERSCRIPT = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
VOID = {"meta", "br", "link", "img", "input"}
SKIPPED = {"style", "script"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""
    # Text of the element that stands in no element which names its source.
    unsourced: str = ""


@dataclass
class Page(HTMLParser):
    """All elements in order, each with its text."""

    source: str
    elements: list[Element] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[Element] = []
        self._line = ""
        self.feed(self.source)
        self.close()
        self._end_line()
        assert not self._open, [element.tag for element in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag in BLOCKS:
            self._end_line()
        if tag in {"td", "th", "dd"}:
            self._line += "  "
        if tag not in VOID and not (self.get_starttag_text() or "").endswith("/>"):
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, (self._open[-1], tag)
        self._open.pop()
        if tag in BLOCKS:
            self._end_line()

    def handle_data(self, data: str) -> None:
        if any(element.tag in SKIPPED for element in self._open):
            return
        for element in self._open:
            element.text += data
        told = {"data-source", "data-sources", "data-constant"}
        sourced = any(told & element.attributes.keys() for element in self._open)
        if not sourced and self._open:
            self._open[-1].unsourced += data
        if not any(element.tag == "title" for element in self._open):
            self._line += data

    def _end_line(self) -> None:
        line = re.sub(r"[ \n\t]+", " ", self._line).strip()
        if line:
            self.lines.append(line)
        self._line = ""


BLOCKS = {
    "p", "h1", "h2", "h3", "h4", "tr", "li", "div", "section", "article", "pre", "summary", "details", "dt",
    "figcaption", "header", "nav", "table", "svg", "text", "dl", "ul", "ol", "figure", "br",
}  # fmt: skip


class Tables:
    """The result tables, read with nothing of ours, and what the sources of figures say of them."""

    def __init__(self, folder: Path, summary: dict[str, Any]) -> None:
        self._folder = folder
        self._summary = summary
        self._tables: dict[str, list[dict[str, Any]]] = {}
        self._by_key: dict[str, dict[str, dict[str, Any]]] = {}

    def rows(self, name: str) -> list[dict[str, Any]]:
        if name not in self._tables:
            self._tables[name] = pq.read_table(self._folder / f"{name}.parquet").to_pylist()
        return self._tables[name]

    def value(self, source: str) -> Any:
        if source.startswith("summary."):
            return self._from_summary(source.removeprefix("summary."))
        aggregate = re.fullmatch(r"(count|sum|max|distinct|len)\((.*)\)", source)
        if not aggregate:
            return self._cell(source)
        name, inside = aggregate.groups()
        matched = re.fullmatch(r"(\w+)(?:\.(\w+))?(?:\[(.*?)\])?(?: where (.*))?", inside)
        assert matched, source
        table, column, prefix, where = matched.groups()
        group = prefix.split("/")[0] if prefix else None
        rows = [row for row in self.rows(table) if group is None or _encoded(row[KEYS[table][0]]) == group]
        rows = [row for row in rows if self._begins(table, row, prefix)]
        rows = self._where(table, rows, where) if where else rows
        if name == "count":
            return len(rows)
        if name == "distinct":
            return len({(row["kind"], row[column]) if column == "value" else row[column] for row in rows})
        if name == "len":
            (row,) = rows
            return len(row[column])
        return (sum if name == "sum" else max)(row[column] for row in rows)

    def _from_summary(self, path: str) -> Any:
        value: Any = self._summary
        rest = [unquote(part) for part in path.split(".")]
        while rest:
            # Names of settings may hold dots themselves.
            taken = next(
                i for i in range(1, len(rest) + 1) if isinstance(value, list) or ".".join(rest[:i]) in value
            )
            value = value[int(rest[0])] if isinstance(value, list) else value[".".join(rest[:taken])]
            rest = rest[taken:]
        return value

    def _cell(self, source: str) -> Any:
        matched = re.fullmatch(r"(\w+)\.(\w+)\[(.*)\](?:\.(\d+))?", source)
        assert matched, source
        table, column, key, place = matched.groups()
        if table not in self._by_key:
            self._by_key[table] = {self._key(table, row): row for row in self.rows(table)}
            assert len(self._by_key[table]) == len(self.rows(table))
        value = self._by_key[table][key][column]
        return value[int(place)] if place is not None else value

    def _begins(self, table: str, row: dict[str, Any], prefix: str | None) -> bool:
        key = self._key(table, row)
        return prefix is None or key == prefix or key.startswith(prefix + "/")

    def _key(self, table: str, row: dict[str, Any]) -> str:
        return "/".join(
            f"{row[c]:%Y-%m-%d/%H}" if isinstance(row[c], datetime) else _encoded(row[c]) for c in KEYS[table]
        )

    def _where(self, table: str, rows: list[dict[str, Any]], where: str) -> list[dict[str, Any]]:
        if where == "shared":
            holders: dict[tuple[str, str, str], set[str]] = {}
            for row in rows:
                holders.setdefault((row["group_id"], row["kind"], row["value"]), set()).add(row["account_id"])
            return [row for row in rows if len(holders[row["group_id"], row["kind"], row["value"]]) > 1]
        for condition in where.split(" and "):
            if ">=" in condition:
                column, least = condition.split(">=")
                rows = [row for row in rows if len(set(row[column])) >= int(least)]
            else:
                column, wanted = condition.split("=")
                value = {"null": None, "true": True, "false": False}.get(wanted, unquote(wanted))
                rows = [row for row in rows if row[column] == value]
        return rows


KEYS = {
    "campaigns": ["campaign_id"], "members": ["campaign_id", "account_id"], "groups": ["group_id"],
    "evidence": ["group_id", "rung", "family", "statistic"], "explanations": ["group_id", "explanation"],
    "group_templates": ["group_id", "template_id", "field"], "timeline": ["group_id", "hour"],
    "ties": ["group_id", "kind", "value", "account_id"], "busy": ["account_id"],
    "quality": ["measure", "subject"], "samples": ["group_id", "exchange_id"],
}  # fmt: skip


def says(text: str, value: Any, source: str) -> bool:
    """Whether a text is a fair way to write the value that stands at `source`."""
    text = re.sub(r"\s+", " ", text).strip()
    if source.startswith("summary.settings.") and not isinstance(value, str):
        return bool(json.loads(text) == value)
    if value is None:
        return text in {"not computed", "not known"}
    if isinstance(value, bool | list | dict):
        return text.lower() == str(value).lower()
    if isinstance(value, str) and not source.startswith("summary.period"):
        return text in {re.sub(r"\s+", " ", value).strip(), value.replace("_", " ")}
    if isinstance(value, str | datetime):
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        stated = datetime.strptime(text, "%d %b %Y, %H:%M UTC").replace(tzinfo=UTC)
        return stated == moment.replace(second=0, microsecond=0)
    if ".log10_e[" in source or ".log10_p[" in source:
        return _says_chance(text, -value if ".log10_p[" in source else value)
    return _says_number(text, value)


def _says_chance(text: str, log10: float) -> bool:
    if text in {"no evidence", "to be expected", "next to nothing"}:
        return log10 < math.log10(2)
    if not text.startswith("1 in "):
        return False
    # Rounded down, to the power of ten where one is written, else in the second digit.
    allowed = 1.0 if text[-1] in "⁰¹²³⁴⁵⁶⁷⁸⁹" else 0.1
    return -1e-9 <= log10 - _log10(text.removeprefix("1 in ")) <= allowed


def _log10(text: str) -> float:
    power = text.removeprefix("10").translate(SUPERSCRIPT)
    return float(power) if text[-1] in "⁰¹²³⁴⁵⁶⁷⁸⁹" else math.log10(_number(text))


def _says_number(text: str, value: float) -> bool:
    if text == "over 99.9%":
        return 0.999 < value < 1
    stated = _number(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if isinstance(value, int) and not text.endswith("%"):
        return stated == value
    return math.isclose(
        stated, value, rel_tol=0.05 if "×" in text else 0.006, abs_tol=0.00051 if "%" in text else 0
    )


def _number(text: str) -> float:
    text = text.replace(",", "").replace("−", "-")
    plain = text.translate(SUPERSCRIPT)
    if plain != text:
        mantissa, _, power = plain.rpartition(" × ")
        return float(mantissa or 1) * 10.0 ** int(power.removeprefix("10"))
    return float(text)


def _encoded(value: str) -> str:
    kept = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~"
    return "".join(c if c in kept else "".join(f"%{b:02X}" for b in c.encode()) for c in value)
