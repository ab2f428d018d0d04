"""What earlier results leave to later runs: template families and groups, under the names that they have there.

Three small tables stand beside the result tables for it. They hold no text: a template family is known again by the
hashes of its word shingles, a group by its accounts and templates.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.exchange.schema import Column, TableSchema

KNOWN_TEMPLATES = TableSchema(
    "known_templates",
    (
        Column("field", pa.string(), False, "text that it is a template of: prompt or system_prompt"),
        Column("skeleton", pa.uint64(), False, "hash of the words that stay"),
        Column("template_id", pa.string(), False, "template family"),
        Column("n_exchanges", pa.int64(), False, "exchanges with the skeleton"),
        Column("n_texts", pa.int64(), False, "distinct texts with the skeleton"),
        Column("signature", pa.binary(), True, "hashes of word shingles that later texts are compared with"),
    ),
)

KNOWN_GROUPS = TableSchema(
    "known_groups",
    (
        Column("group_id", pa.string(), False, "tested group"),
        Column("reported", pa.bool_(), False, "whether it was reported as a campaign when last seen"),
    ),
    key="group_id",
)

KNOWN_PARTS = TableSchema(
    "known_parts",
    (
        Column("group_id", pa.string(), False, "tested group"),
        Column("part", pa.string(), False, "account or template"),
        Column("name", pa.string(), False, "account_id or template_id"),
        Column("n_exchanges", pa.int64(), False, "the group's exchanges with it"),
    ),
)

KNOWN_TABLES = (KNOWN_TEMPLATES, KNOWN_GROUPS, KNOWN_PARTS)
ACCOUNT, TEMPLATE = "account", "template"

_REMEDY = "scan the earlier data again, and name the folder that this scan wrote with --known"


@dataclass(frozen=True)
class KnownGroup:
    """A tested group of earlier results.

    Attributes:
        group_id: its name there.
        reported: whether it was a campaign when last seen.
        accounts: its accounts -> their exchanges in it.
        templates: its template families -> its exchanges in them.
    """

    group_id: str
    reported: bool
    accounts: Mapping[str, int]
    templates: Mapping[str, int]


@dataclass(frozen=True)
class KnownResults:
    """What is known of earlier runs; empty where there is none.

    Attributes:
        groups: by name.
        families: field -> table of `signals.templates.FAMILIES_SCHEMA`.
    """

    groups: Mapping[str, KnownGroup] = field(default_factory=dict)
    families: Mapping[str, pa.Table] = field(default_factory=dict)


def read_known(folder: Path) -> KnownResults:
    """The known tables of a results folder.

    Raises:
        UnreadableInputError: there is no such folder, or a table is missing or damaged.
    """
    if not folder.is_dir():
        raise UnreadableInputError("there is no such folder of results", _REMEDY, file=folder)
    if not (folder / "summary.json").exists():
        raise UnreadableInputError("this folder holds no finished results", _REMEDY, file=folder)
    templates, groups, parts = (_read(folder, schema) for schema in KNOWN_TABLES)
    families = {
        name: templates.filter(pc.equal(templates["field"], name)).drop_columns(["field"])
        for name in templates["field"].unique().to_pylist()
    }
    return KnownResults(_groups(groups, parts, folder), families)


def family_table(families: Mapping[str, pa.Table]) -> pa.Table:
    """`KNOWN_TEMPLATES`, from the families of each field.

    A skeleton that occurred in no exchange of this run stays only where later ones are compared with it.
    """
    tables = []
    for name, table in sorted(families.items()):
        stays = pc.or_(pc.greater(table["n_exchanges"], 0), pc.is_valid(table["signature"]))
        kept = table.filter(stays)
        tables.append(kept.add_column(0, "field", pa.repeat(name, len(kept))))
    if not tables:
        return KNOWN_TEMPLATES.empty()
    whole = pa.concat_tables(table.select(KNOWN_TEMPLATES.names) for table in tables)
    return whole.cast(KNOWN_TEMPLATES.arrow)


def group_tables(groups: Iterable[KnownGroup]) -> dict[str, pa.Table]:
    """`KNOWN_GROUPS` and `KNOWN_PARTS` of some groups, in order of name."""
    ordered = sorted(groups, key=lambda group: group.group_id)
    heads = [{"group_id": group.group_id, "reported": group.reported} for group in ordered]
    parts = [
        _part_table(group.group_id, part, counts)
        for group in ordered
        for part, counts in ((ACCOUNT, group.accounts), (TEMPLATE, group.templates))
    ]
    return {
        KNOWN_GROUPS.name: pa.Table.from_pylist(heads, schema=KNOWN_GROUPS.arrow),
        KNOWN_PARTS.name: pa.concat_tables([KNOWN_PARTS.empty(), *parts]),
    }


def _part_table(group_id: str, part: str, counts: Mapping[str, int]) -> pa.Table:
    """`KNOWN_PARTS` of one group's accounts or templates, in order of name."""
    names = sorted(counts)
    columns = [
        pa.repeat(group_id, len(names)),
        pa.repeat(part, len(names)),
        pa.array(names, pa.string()),
        pa.array([counts[name] for name in names], pa.int64()),
    ]
    return pa.table(columns, schema=KNOWN_PARTS.arrow)


def _read(folder: Path, schema: TableSchema) -> pa.Table:
    file = folder / f"{schema.name}.parquet"
    if not file.exists():
        what = "the table is missing: these results were made by an earlier version or another tool"
        raise UnreadableInputError(what, _REMEDY, file=file)
    try:
        return pq.read_table(file, columns=schema.names).select(schema.names).cast(schema.arrow)
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        what = f"the table is damaged ({str(error).splitlines()[0][:200]})"
        raise UnreadableInputError(what, _REMEDY, file=file) from error


def _groups(heads: pa.Table, parts: pa.Table, folder: Path) -> dict[str, KnownGroup]:
    counts: dict[str, dict[str, dict[str, int]]] = {
        name: {ACCOUNT: {}, TEMPLATE: {}} for name in heads["group_id"].to_pylist()
    }
    for number, row in enumerate(parts.to_pylist(), start=1):
        if row["group_id"] not in counts or row["part"] not in (ACCOUNT, TEMPLATE):
            what = f"{row['part']} of {row['group_id']!r}, which known_groups.parquet does not hold"
            file = folder / f"{KNOWN_PARTS.name}.parquet"
            raise UnreadableInputError(what, _REMEDY, file=file, row=number)
        counts[row["group_id"]][row["part"]][row["name"]] = row["n_exchanges"]
    return {
        row["group_id"]: KnownGroup(
            row["group_id"],
            row["reported"],
            counts[row["group_id"]][ACCOUNT],
            counts[row["group_id"]][TEMPLATE],
        )
        for row in heads.to_pylist()
    }
