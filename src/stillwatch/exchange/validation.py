"""Raw rows -> rows of a schema's types, with a reason for every row that does not fit."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.exchange.columns import as_arrow, convert_column, objects
from stillwatch.exchange.converted import Converted
from stillwatch.exchange.raw import RawBatch, Values
from stillwatch.exchange.reasons import Reason, Unfit, preview
from stillwatch.exchange.rules import ValidationRules
from stillwatch.exchange.schema import TableSchema

__all__ = ["Validated", "ValidationRules", "validate"]

RepairCounts = Counter[tuple[str, str]]
"""(column, repair) -> fit rows that needed it; the repairs are described in `values.REPAIRS`."""


@dataclass(frozen=True)
class Validated:
    """What became of a raw batch; every row of it is either in `batch` or once in `unfit`.

    Attributes:
        batch: the fit rows, in order, with the schema's columns and types.
        rows: row number in the file of each row of `batch`.
        unfit: the others.
        repairs: how many fit rows needed which repair.
    """

    batch: pa.RecordBatch
    rows: Sequence[int] | npt.NDArray[np.int64]
    unfit: list[Unfit]
    repairs: RepairCounts


def validate(raw: RawBatch, schema: TableSchema, rules: ValidationRules) -> Validated:
    """Check and convert a batch; never raises because of what the rows hold.

    A row is unfit because of the first of its columns, in the schema's order, that does not fit. A column
    of a batch must hold less than 2 GiB after its texts are cut (`RawBatch.bounded`).

    Args:
        raw: rows of one file.
        schema: the table they are meant for.
        rules: the settings.
    """
    columns = {
        column.name: convert_column(raw.values.get(column.name), column, rules, len(raw)) for column in schema
    }
    arrays = [columns[name].array for name in schema.names]
    # Nullability is left out until the unfit rows are gone.
    loose = pa.schema([pa.field(column.name, column.type) for column in schema])
    batch = pa.RecordBatch.from_arrays(arrays, schema=loose)
    bad: dict[int, tuple[str, Reason]] = {}
    for name in schema.names:
        for row, reason in columns[name].problems.items():
            bad.setdefault(row, (name, reason))
    fit = np.ones(len(raw), np.bool_)
    rows: Sequence[int] | npt.NDArray[np.int64] = raw.rows
    if bad:
        fit[list(bad)] = False
        batch = batch.filter(pa.array(fit))
        rows = np.asarray(raw.rows, np.int64)[fit]
    batch = pa.RecordBatch.from_arrays(batch.columns, schema=schema.arrow)
    return Validated(batch, rows, _unfit(raw, schema, bad), _repairs(columns, fit))


def _repairs(columns: dict[str, Converted], fit: npt.NDArray[np.bool_]) -> RepairCounts:
    counts: RepairCounts = Counter()
    for name, converted in columns.items():
        for repair, mask in converted.repairs.items():
            if n := int((mask & fit).sum()):
                counts[name, repair] = n
    return counts


def _unfit(raw: RawBatch, schema: TableSchema, bad: dict[int, tuple[str, Reason]]) -> list[Unfit]:
    by_column: dict[str, list[int]] = {}
    for row, (name, _) in bad.items():
        by_column.setdefault(name, []).append(row)
    shown: dict[int, str] = {}
    for name, rows in by_column.items():
        values = raw.values.get(name)
        if values is None:
            shown.update(dict.fromkeys(rows, "no such column"))
        else:
            found = objects(_plain(values), rows)
            shown.update(zip(rows, (preview(value, schema[name]) for value in found), strict=True))
    return [
        Unfit(raw.file, int(raw.rows[row]), name, reason.words, reason.remedy, shown[row])
        for row, (name, reason) in sorted(bad.items())
    ]


def _plain(values: Values) -> Values:
    if isinstance(values, list):
        return values
    array = as_arrow(values)
    return values if array is None else array
