import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.evidence.results import load_results
from stillwatch.exchange.errors import UnreadableInputError

from .example_results import SCHEMAS, example

COUNTS = {"exchanges": 1, "accounts": 1, "quarantined": 0, "groups_tested": 9, "campaigns": 2}
Spoil = Callable[[Path], None]


def change(table: str, **columns: object) -> Spoil:
    """Change the first row of a table."""

    def apply(folder: Path) -> None:
        file = folder / f"{table}.parquet"
        rows = pq.read_table(file).to_pylist()
        rows[0] |= columns
        schema = pa.schema([field.with_nullable(True) for field in SCHEMAS[table].arrow])
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)

    return apply


def change_summary(**entries: object) -> Spoil:
    def apply(folder: Path) -> None:
        file = folder / "summary.json"
        content = json.loads(file.read_text()) | entries
        file.write_text(json.dumps({name: value for name, value in content.items() if value != "gone"}))

    return apply


def truncate(name: str) -> Spoil:
    def apply(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return apply


def drop_column(folder):
    file = folder / "members.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["share"]), file)


def wrong_type(folder):
    file = folder / "members.parquet"
    table = pq.read_table(file)
    place = table.schema.get_field_index("share")
    pq.write_table(table.set_column(place, "share", pa.array(["much"] * table.num_rows)), file)


def twice(folder):
    file = folder / "groups.parquet"
    table = pq.read_table(file)
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), file)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "ties.parquet").unlink(), r"ties\.parquet: the table is missing"),
        (lambda folder: (folder / "flagged.parquet").unlink(), r"flagged\.parquet: the table is missing"),
        (
            lambda folder: (folder / "summary.json").unlink(),
            r"summary\.json: the summary of the scan is missing",
        ),
        (
            lambda folder: (folder / "summary.json").write_text("[" * 100_000),
            r"summary\.json: no readable JSON",
        ),
        (
            lambda folder: (folder / "summary.json").write_bytes(b"\xff\xfe{"),
            r"summary\.json: no readable JSON",
        ),
        (lambda folder: (folder / "summary.json").write_text("[]"), r"summary\.json: the JSON is no object"),
        (lambda folder: (folder / "busy.parquet").write_text("busy"), r"busy\.parquet: not a Parquet table"),
        (truncate("timeline.parquet"), r"timeline\.parquet: not a Parquet table"),
        (truncate("flagged.parquet"), r"flagged\.parquet: not a Parquet table"),
        (truncate("summary.json"), r"summary\.json: no readable JSON"),
        (change_summary(fdr="gone"), "the key 'fdr' is missing"),
        (change_summary(fdr="low"), "a value is unfit"),
        (change_summary(counts={"exchanges": -1}), "counts.exchanges is -1"),
        (change_summary(counts={"exchanges": 1}), "the key 'accounts' is missing"),
        (change_summary(period=["yesterday", "today"]), "a value is unfit"),
        (change_summary(settings=[]), "settings is no object"),
        (change_summary(steps=[{"name": "x"}]), "the key 'seconds' is missing"),
        (drop_column, r"members\.parquet: columns are missing: share"),
        (wrong_type, r"members\.parquet: column share is string, not double"),
        (change("groups", words=None), r"groups\.parquet, row 1: column words has no value"),
        (
            change("campaigns", rung="guilty"),
            r"campaigns\.parquet, row 1: rung 'guilty' is none of repetitive",
        ),
        (change("campaigns", campaign_id="c_0"), r"campaigns\.parquet, row 1: campaign 'c_0' is not among"),
        (twice, r"groups\.parquet, row 10: group_id 'c_7f3a91' stands here twice"),
    ],
)
def test_unfit_results_are_told_by_file_and_row(tmp_path, spoil, told):
    folder = example().write(tmp_path)
    spoil(folder)
    with pytest.raises(UnreadableInputError, match=told) as caught:
        load_results(folder)
    assert "stillwatch scan" in caught.value.remedy
    assert caught.value.exit_code == 3


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UnreadableInputError, match="no such folder"):
        load_results(tmp_path / "nowhere")


def test_tables_of_other_writers_are_read(tmp_path):
    folder = example().write(tmp_path)
    file = folder / "timeline.parquet"
    table = pq.read_table(file)
    table = table.set_column(0, "group_id", table["group_id"].cast(pa.large_string()).dictionary_encode())
    table = table.set_column(1, "hour", table["hour"].cast(pa.timestamp("ms", "Europe/Paris")))
    pq.write_table(table.append_column("more", pa.nulls(table.num_rows)).select([4, 3, 2, 1, 0]), file)
    expected = [row.values for row in load_results(example().write(tmp_path / "plain")).rows("timeline")]
    assert [row.values for row in load_results(folder).rows("timeline")] == expected


def test_a_sound_scan_has_no_contradictions(tmp_path):
    results = load_results(example().write(tmp_path))
    assert results.contradictions == []
    assert sum(results.flagged_counts.values()) == sum(
        row["n_exchanges"] for row in results.rows("campaigns")
    )


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (change("members", campaign_id="c_0"), "members names c_0, which is no campaign"),
        (change("evidence", group_id="g_0"), "evidence names g_0, which is no tested group"),
        (change("groups", reported=False), "groups.reported of c_7f3a91 is False"),
        (change("campaigns", n_exchanges=1), "campaigns.n_exchanges of c_7f3a91 is 1, but flagged holds"),
        (change_summary(counts=COUNTS),
         "summary.counts.campaigns is 2, but the table holds 3"),
        (change_summary(counts=COUNTS | {"groups_tested": 8}),
         "summary.counts.groups_tested is 8, but 9 are kept"),
    ],
)  # fmt: skip
def test_tables_that_disagree_are_told(tmp_path, spoil, told):
    folder = example().write(tmp_path)
    spoil(folder)
    assert any(told in line for line in load_results(folder).contradictions)


def test_rows_with_one_key_are_told_apart(tmp_path):
    written = example()
    written.tables["evidence"].append(dict(written.tables["evidence"][0]))
    rows = load_results(written.write(tmp_path)).rows("evidence", "c_7f3a91")
    assert len({row.key for row in rows}) == len(rows)
    assert rows[-1].key == rows[0].key + "~2"
