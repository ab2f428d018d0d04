"""The results folder of a scan, read and checked."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.campaigns.tables import FLAGGED, RESULTS
from stillwatch.evidence.figures import KEYS, Row, key_of
from stillwatch.evidence.ladder import RUNGS
from stillwatch.evidence.summary import Summary, load_summary
from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.exchange.schema import Column, TableSchema

RESCAN = "Run `stillwatch scan` again with --out on this folder, or name the folder that a scan wrote."

SAMPLES = TableSchema(
    "samples",
    (
        Column("group_id", pa.string(), False, "group"),
        Column("exchange_id", pa.string(), False, "exchange of the group"),
        Column("template_id", pa.string(), False, "template family it stands in"),
        Column(
            "redacted",
            pa.string(),
            False,
            "its prompt with everything but the template's own words struck out",
        ),
        Column(
            "text", pa.string(), True, "its prompt as sent; null unless asked for with --show-text", text=True
        ),
    ),
)
"""Optional table beside the results: a few prompts of each group."""


@dataclass(frozen=True)
class Results:
    """The tables of one scan.

    Attributes:
        folder: where they were read.
        summary: `summary.json`.
        tables: name -> Arrow table with the columns of its schema, for every table but `flagged`, which can
            be as long as the log itself; `samples` is there only if the scan wrote it.
        flagged_counts: campaign -> rows in `flagged`.
    """

    folder: Path
    summary: Summary
    tables: Mapping[str, pa.Table]
    flagged_counts: Mapping[str, int]
    _cache: dict[tuple[str, str | None], list[Row]] = field(default_factory=dict, repr=False, compare=False)

    def rows(self, table: str, first_key: str | None = None) -> list[Row]:
        """The rows of a table in file order; with `first_key` those whose first key column equals it."""
        asked = (table, first_key)
        if asked not in self._cache:
            self._cache[asked] = self._read_rows(table, first_key)
        return self._cache[asked]

    def row(self, table: str, key: str) -> Row | None:
        """The first row of a table whose first key column equals `key`, or None."""
        return next(iter(self.rows(table, key)), None)

    @cached_property
    def contradictions(self) -> list[str]:
        """Where the tables disagree with each other, in words; empty for a sound scan."""
        return list(_contradictions(self))

    def _read_rows(self, name: str, first_key: str | None) -> list[Row]:
        if name not in self.tables:
            return []
        table, columns = self.tables[name], KEYS[name]
        if first_key is not None:
            table = table.filter(pc.equal(table[columns[0]], first_key))
        seen: Counter[str] = Counter()
        rows = []
        for values in table.to_pylist():
            key = key_of(*(values[column] for column in columns))
            seen[key] += 1
            rows.append(Row(name, key if seen[key] == 1 else f"{key}~{seen[key]}", values))
        return rows


def load_results(path: Path) -> Results:
    """Read a results folder and check it.

    Args:
        path: folder that `stillwatch scan` wrote.

    Raises:
        UnreadableInputError: a file is missing, cannot be read, lacks a column, has an unfit type, a null
            where none may be, a name twice or an unknown rung, or a campaign that `groups` does not hold. It
            names the file and row.
    """
    if not path.is_dir():
        raise UnreadableInputError("there is no such folder of results", RESCAN, file=path)
    summary = load_summary(path / "summary.json")
    tables = {schema.name: _load(path, schema) for schema in RESULTS if schema is not FLAGGED}
    if (path / f"{SAMPLES.name}.parquet").exists():
        tables[SAMPLES.name] = _load(path, SAMPLES)
    results = Results(path, summary, tables, _count_flagged(path))
    _check_rungs(results)
    _check_groups(results)
    return results


def _load(folder: Path, schema: TableSchema) -> pa.Table:
    file = folder / f"{schema.name}.parquet"
    with _open(file) as parquet:
        _check_columns(file, schema, parquet.schema_arrow)
        try:
            table = parquet.read(columns=schema.names).select(schema.names)
        except (OSError, pa.ArrowException) as error:
            raise UnreadableInputError(
                f"the table is damaged ({_first_line(error)})", RESCAN, file=file
            ) from error
    return _fit(file, schema, table)


def _open(file: Path) -> Any:
    try:
        return pq.ParquetFile(file)
    except FileNotFoundError as error:
        raise UnreadableInputError(
            "the table is missing; a scan always writes it", RESCAN, file=file
        ) from error
    except (OSError, pa.ArrowException) as error:
        raise UnreadableInputError(
            f"not a Parquet table ({_first_line(error)})", RESCAN, file=file
        ) from error


def _check_columns(file: Path, schema: TableSchema, found: pa.Schema) -> None:
    missing = [name for name in schema.names if name not in found.names]
    if missing:
        raise UnreadableInputError(f"columns are missing: {', '.join(missing)}", RESCAN, file=file)


def _fit(file: Path, schema: TableSchema, table: pa.Table) -> pa.Table:
    columns = []
    for column in schema:
        values = table[column.name]
        try:
            values = values.cast(column.type)
        except pa.ArrowException as error:
            what = f"column {column.name} is {values.type}, not {column.type}"
            raise UnreadableInputError(what, RESCAN, file=file) from error
        if not column.nullable and values.null_count:
            row = pc.index(pc.is_null(values), True).as_py()
            what = f"column {column.name} has no value, which it must have"
            raise UnreadableInputError(what, RESCAN, file=file, row=row + 1)
        columns.append(values)
    fitted = pa.Table.from_arrays(columns, schema=pa.schema([(c.name, c.type) for c in schema]))
    _check_names(file, schema, fitted)
    return fitted


def _check_names(file: Path, schema: TableSchema, table: pa.Table) -> None:
    if schema.key is None:
        return
    seen: set[str] = set()
    for number, name in enumerate(table[schema.key].to_pylist(), start=1):
        if name in seen:
            raise UnreadableInputError(
                f"{schema.key} {name!r} stands here twice", RESCAN, file=file, row=number
            )
        seen.add(name)


def _count_flagged(folder: Path) -> dict[str, int]:
    file = folder / f"{FLAGGED.name}.parquet"
    counts: Counter[str] = Counter()
    with _open(file) as parquet:
        _check_columns(file, FLAGGED, parquet.schema_arrow)
        try:
            for batch in parquet.iter_batches(columns=["campaign_id"]):
                for entry in batch.column(0).cast(pa.string()).value_counts().to_pylist():
                    counts[entry["values"]] += entry["counts"]
        except (OSError, pa.ArrowException) as error:
            raise UnreadableInputError(
                f"the table is damaged ({_first_line(error)})", RESCAN, file=file
            ) from error
    return dict(counts)


def _check_rungs(results: Results) -> None:
    known = {str(rung) for rung in RUNGS}
    for table in ("campaigns", "groups", "evidence"):
        for number, rung in enumerate(results.tables[table]["rung"].to_pylist(), start=1):
            if rung is not None and rung not in known:
                what = f"rung {rung!r} is none of {', '.join(RUNGS)}"
                raise UnreadableInputError(what, RESCAN, file=results.folder / f"{table}.parquet", row=number)


def _check_groups(results: Results) -> None:
    groups = set(results.tables["groups"]["group_id"].to_pylist())
    for number, campaign in enumerate(results.tables["campaigns"]["campaign_id"].to_pylist(), start=1):
        if campaign not in groups:
            what = f"campaign {campaign!r} is not among the tested groups in groups.parquet"
            raise UnreadableInputError(
                what,
                "The tables are of two scans. " + RESCAN,
                file=results.folder / "campaigns.parquet",
                row=number,
            )


def _contradictions(results: Results) -> Iterator[str]:
    campaigns = results.tables["campaigns"]
    names = campaigns["campaign_id"].to_pylist()
    members = Counter(results.tables["members"]["campaign_id"].to_pylist())
    counted = ("members", members, "n_accounts"), ("flagged", results.flagged_counts, "n_exchanges")
    for table, counts, column in counted:
        for name, stated in zip(names, campaigns[column].to_pylist(), strict=True):
            if counts.get(name, 0) != stated:
                yield f"campaigns.{column} of {name} is {stated:,}, but {table} holds {counts.get(name, 0):,}"
        for name in sorted(set(counts) - set(names)):
            yield f"{table} names {name}, which is no campaign"
    groups = results.tables["groups"]
    for name, reported in zip(groups["group_id"].to_pylist(), groups["reported"].to_pylist(), strict=True):
        if reported != (name in set(names)):
            yield f"groups.reported of {name} is {reported}, which campaigns does not bear out"
    known = set(groups["group_id"].to_pylist())
    for table in ("evidence", "explanations", "group_templates", "timeline", "ties"):
        for name in sorted(set(results.tables[table]["group_id"].to_pylist()) - known):
            yield f"{table} names {name}, which is no tested group"
    stated = results.summary.counts
    if stated["campaigns"] != campaigns.num_rows:
        held = f"the table holds {campaigns.num_rows:,}"
        yield f"summary.counts.campaigns is {stated['campaigns']:,}, but {held}"
    # A scan may keep fewer groups than it tested, never more.
    if stated["groups_tested"] < groups.num_rows:
        yield f"summary.counts.groups_tested is {stated['groups_tested']:,}, but {groups.num_rows:,} are kept"


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
