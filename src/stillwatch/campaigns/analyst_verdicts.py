"""The table of an analyst's verdicts on the groups of earlier results: read, checked, and settled.

A CSV or Parquet table with a row for each verdict: on a whole group (`group_id`, or `campaign_id` where it was
reported), on one account of a group (`account_id` beside it), or on an account by itself. Rows may be added for ever:
of several about the same thing the one with the latest `at` counts.
"""

import csv
import datetime as dt
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.campaigns.tables import RESULTS
from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.exchange.reasons import Misfit
from stillwatch.exchange.rules import EPOCH, MICROSECOND, ValidationRules
from stillwatch.exchange.schema import TIMESTAMP, Column, TableSchema
from stillwatch.exchange.values import convert


class Opinion(StrEnum):
    """What an analyst found."""

    CONFIRMED = "confirmed"
    BENIGN = "benign"
    UNSURE = "unsure"


VERDICTS = TableSchema(
    "verdicts",
    (
        Column("group_id", pa.string(), True, "tested group of the known results"),
        Column("campaign_id", pa.string(), True, "the same, by the name in campaigns"),
        Column("account_id", pa.string(), True, "one account of the group, or an account by itself"),
        Column("verdict", pa.string(), False, "confirmed, benign or unsure"),
        Column("by", pa.string(), True, "who says so; shown in the report"),
        Column("at", TIMESTAMP, True, "when it was found; UTC where it names no zone"),
        Column("note", pa.string(), True, "for the analysts; not read", text=True),
    ),
)

_DESCRIBING = {column.name for schema in RESULTS for column in schema}
"""Columns of result tables, which may stand beside a verdict: analysts write it into an exported table."""
_CHOICE = "write " + ", ".join(Opinion)
_SEPARATORS = ",;\t"


@dataclass(frozen=True)
class AnalystVerdict:
    """One row of the table.

    Attributes:
        opinion: the verdict.
        group_id: group of the known results, or None.
        account_id: account, or None where the whole group is meant.
        by: who says so.
        at: when it was found.
        row: line of a CSV file, or number of the row in a Parquet file, from 1.
    """

    opinion: Opinion
    group_id: str | None
    account_id: str | None
    by: str | None = None
    at: dt.datetime | None = None
    row: int = 0

    @property
    def words(self) -> str:
        """Who found what, and when."""
        who = self.by or "an analyst"
        when = f"on {self.at:%Y-%m-%d}" if self.at is not None else "on a date not given"
        said = {"confirmed": "confirmed it", "benign": "found it benign", "unsure": "was unsure of it"}
        return f"{who} {said[self.opinion]} {when}"


def read_verdicts(file: Path) -> list[AnalystVerdict]:
    """The verdicts that count, in the order of the file.

    Raises:
        UnreadableInputError: no such file, no table, an unknown column, or a row that is unfit or contradicts
            another; the message names the row. No row is left out: a verdict that was not taken in would be
            missed by whoever wrote it.
    """
    rules = ValidationRules(assume_timezone="UTC")
    columns, rows = _records(file)
    _check_columns(columns, file)
    return _settled([_verdict(record, number, file, rules) for number, record in rows], file)


def _records(file: Path) -> tuple[list[str], Iterator[tuple[int, Mapping[str, Any]]]]:
    """Names of the columns; numbered rows."""
    if not file.is_file():
        raise UnreadableInputError("there is no such file of verdicts", "check the path", file=file)
    try:
        with file.open("rb") as stream:
            is_parquet = stream.read(4) == b"PAR1"
        if is_parquet:
            table = pq.read_table(file)
            return table.column_names, enumerate(table.to_pylist(), start=1)
        return _csv(file.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UnreadableInputError(
            "neither Parquet nor text in UTF-8", "save the table as CSV in UTF-8, or as Parquet", file=file
        ) from error
    except csv.Error as error:
        raise UnreadableInputError(f"no readable CSV ({error})", "save the table again", file=file) from error
    except (OSError, pa.ArrowException) as error:
        what = f"the table cannot be read ({str(error).splitlines()[0]})"
        raise UnreadableInputError(what, "write or copy the file again", file=file) from error


def _csv(text: str) -> tuple[list[str], Iterator[tuple[int, Mapping[str, Any]]]]:
    # Spreadsheets write the separator of their country.
    heading = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=heading.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    columns = [name.strip() for name in next(reader, [])]
    rows: list[tuple[int, Mapping[str, Any]]] = []
    line = reader.line_num
    for cells in reader:
        # A quoted cell may hold line breaks: a row is named by the line that it begins in.
        first, line = line + 1, reader.line_num
        if any(cell.strip() for cell in cells):
            extra = {"": cells[len(columns) :]} if len(cells) > len(columns) else {}
            rows.append((first, dict(zip(columns, cells, strict=False)) | extra))
    return columns, iter(rows)


def _check_columns(columns: Sequence[str], file: Path) -> None:
    known = ", ".join(VERDICTS.names)
    for name in columns:
        if columns.count(name) > 1:
            raise UnreadableInputError(f"column {name!r} stands there twice", "keep one of them", file=file)
        if name not in VERDICTS.names and name not in _DESCRIBING:
            raise UnreadableInputError(
                f"there is no column {name!r} in a table of verdicts",
                f"rename or remove it; the columns are {known} (columns of the result tables may stay)",
                file=file,
            )
    if "verdict" not in columns:
        raise UnreadableInputError("the column 'verdict' is missing", f"the columns are {known}", file=file)
    if not {"group_id", "campaign_id", "account_id"} & set(columns):
        raise UnreadableInputError(
            "nothing says what the verdicts are about",
            "add a column group_id (or campaign_id), or account_id",
            file=file,
        )


def _verdict(record: Mapping[str, Any], number: int, file: Path, rules: ValidationRules) -> AnalystVerdict:
    def refuse(what: str, remedy: str) -> UnreadableInputError:
        return UnreadableInputError(what, remedy, file=file, row=number)

    if "" in record:
        raise refuse("the row has more cells than the heading", "quote cells that hold the separator")
    values = _converted(record, number, file, rules)
    group, campaign, account = (values.get(name) for name in ("group_id", "campaign_id", "account_id"))
    if group and campaign and group != campaign:
        raise refuse(f"group_id {group!r} and campaign_id {campaign!r} differ", "name one of them")
    if not (group or campaign or account):
        raise refuse("the row names no group and no account", "fill in group_id, campaign_id or account_id")
    said = str(values["verdict"]).lower()
    if said not in set(Opinion):
        raise refuse(f"{said[:60]!r} is no verdict", _CHOICE)
    at = values.get("at")
    moment = None if at is None else EPOCH + at * MICROSECOND
    return AnalystVerdict(Opinion(said), group or campaign, account, values.get("by"), moment, number)


def _converted(record: Mapping[str, Any], number: int, file: Path, rules: ValidationRules) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for column in VERDICTS:
        value = record.get(column.name)
        value = value.strip() or None if isinstance(value, str) else value
        try:
            values[column.name] = convert(value, column, rules, set())
        except Misfit as misfit:
            remedy = _CHOICE if column.name == "verdict" else misfit.reason.remedy
            what = f"column {column.name}: {misfit.reason.words}"
            raise UnreadableInputError(what, remedy, file=file, row=number) from None
    return values


def _settled(verdicts: Sequence[AnalystVerdict], file: Path) -> list[AnalystVerdict]:
    """Of verdicts about the same thing the latest; two that differ and of which none is later are refused."""
    latest: dict[tuple[str | None, str | None], AnalystVerdict] = {}
    for verdict in verdicts:
        key = (verdict.group_id, verdict.account_id)
        earlier = latest.get(key)
        if earlier is None or _time(verdict) > _time(earlier):
            latest[key] = verdict
    for verdict in verdicts:
        last = latest[verdict.group_id, verdict.account_id]
        if _time(verdict) == _time(last) and verdict.opinion != last.opinion:
            raise UnreadableInputError(
                f"it says {verdict.opinion}, but row {last.row} says {last.opinion} of the same thing",
                "remove one of them, or fill in the column 'at': the latest counts",
                file=file,
                row=verdict.row,
            )
    return sorted(latest.values(), key=lambda verdict: verdict.row)


def _time(verdict: AnalystVerdict) -> dt.datetime:
    return verdict.at or EPOCH
