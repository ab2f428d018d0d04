"""From a dataset folder to tables that the stages can rely on."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.campaigns.tables import QUALITY
from stillwatch.exchange.dataset import open_dataset
from stillwatch.exchange.errors import OutputError, UnreadableInputError, UsageError
from stillwatch.exchange.prepare import QUARANTINE_FILE, Prepared, check, prepare
from stillwatch.exchange.privacy import IdentifierHasher
from stillwatch.exchange.schema import TIMESTAMP
from stillwatch.exchange.tables import ACCOUNTS, EXCHANGES, RELEASES
from tests.exchange.rows import NOW, RULES, TS, table, write
from tests.exchange.test_dataset import spoil_row_group, truncate

HASHER = IdentifierHasher(b"k" * 32)


def prepared(folder: Path, out: Path) -> Prepared:
    return prepare(open_dataset(folder), out, RULES, HASHER)


def rows_of(result: Prepared) -> pa.Table:
    found = pa.concat_tables([pq.read_table(file, schema=EXCHANGES.arrow) for file in result.files])
    return found.sort_by("exchange_id")


def test_a_clean_dataset_is_used_as_it_is(tmp_path: Path) -> None:
    files = tuple(
        write(tmp_path / f"data/exchanges/{n}.parquet", table(n * 10, n * 10 + 10)) for n in range(3)
    )
    result = prepared(tmp_path / "data", tmp_path / "out")
    assert result.files == files
    assert not list((tmp_path / "out").iterdir())
    quality = result.quality
    assert quality.is_clean and quality.quarantine is None
    assert (quality.exchanges.rows_read, quality.exchanges.rows_fit, quality.exchanges.rows_unfit) == (
        30,
        30,
        0,
    )
    assert quality.first_ts == TS
    assert set(quality.null_share.values()) == {0.0}
    assert result.accounts.schema == ACCOUNTS.arrow and result.accounts.num_rows == 0
    assert result.releases.schema == RELEASES.arrow


def test_only_changed_files_are_written_again(tmp_path: Path) -> None:
    clean = write(tmp_path / "data/exchanges/a.parquet", table(0, 10))
    bad = table(10, 20)
    tokens = pc.if_else(pc.equal(bad["exchange_id"], "x-15"), -5, bad["input_tokens"]).cast(pa.int32())
    write(tmp_path / "data/exchanges/b.parquet", bad.set_column(15, "input_tokens", tokens), row_group_size=3)
    result = prepared(tmp_path / "data", tmp_path / "out")
    assert result.files == (clean, tmp_path / "out/exchanges/part-00000.parquet")
    assert rows_of(result).num_rows == 19
    assert pq.read_table(result.files[1])["exchange_id"].to_pylist() == [
        f"x-{n}" for n in range(10, 20) if n != 15
    ]
    assert result.quality.reasons == {("input_tokens", "negative number"): 1}
    (line,) = [json.loads(text) for text in (tmp_path / "out" / QUARANTINE_FILE).read_text().splitlines()]
    assert line == {
        "file": "exchanges/b.parquet",
        "row": 6,
        "column": "input_tokens",
        "reason": "negative number",
        "remedy": "write null where the value is unknown; negative values have no meaning",
        "value_preview": "-5",
    }


def test_later_duplicates_are_left_out_across_files(tmp_path: Path) -> None:
    write(tmp_path / "data/exchanges/a.parquet", table(0, 10, prompt="first"))
    write(tmp_path / "data/exchanges/b.parquet", pa.concat_tables([table(5, 15), table(14, 16)]))
    result = prepared(tmp_path / "data", tmp_path / "out")
    rows = rows_of(result)
    assert sorted(rows["exchange_id"].to_pylist()) == sorted(f"x-{n}" for n in range(16))
    assert pc.sum(pc.equal(rows["prompt"], "first")).as_py() == 10
    assert result.quality.reasons == {("exchange_id", "duplicate id"): 6}
    assert result.quality.exchanges.rows_read == 22


def test_identifiers_are_hashed_before_anything_is_stored(tmp_path: Path) -> None:
    write(tmp_path / "data/exchanges.parquet", table(0, 10, key_id="sk-live-1", end_user_id="a@example.org"))
    accounts = pa.table(
        {"account_id": ["a", "b"], "payment_id": ["card-1", "card-1"], "email_domain": ["x.org", None]}
    )
    write(tmp_path / "data/accounts.parquet", accounts)
    result = prepared(tmp_path / "data", tmp_path / "out")
    assert result.quality.exchanges.hashed == 20
    assert result.quality.tallies["accounts"].hashed == 3
    for path in (tmp_path / "out").rglob("*.parquet"):
        assert b"sk-live-1" not in path.read_bytes() and b"a@example.org" not in path.read_bytes()
    assert set(rows_of(result)["key_id"].to_pylist()) == {HASHER.hash_one("sk-live-1")}
    assert result.accounts["payment_id"].to_pylist() == [HASHER.hash_one("card-1")] * 2
    assert result.accounts.schema == ACCOUNTS.arrow


def test_other_types_and_missing_columns_are_brought_into_form(tmp_path: Path) -> None:
    content = table(0, 10).select(["exchange_id", "ts", "account_id", "model", "input_tokens"])
    content = content.set_column(1, "ts", content["ts"].cast(pa.timestamp("ms", "UTC"), safe=False))
    content = content.set_column(2, "account_id", content["account_id"].dictionary_encode())
    content = content.set_column(4, "input_tokens", content["input_tokens"].cast(pa.float64()))
    write(tmp_path / "data/exchanges.parquet", content)
    result = prepared(tmp_path / "data", tmp_path / "out")
    assert pq.read_schema(result.files[0]).equals(EXCHANGES.arrow)
    assert rows_of(result)["input_tokens"].to_pylist() == [10] * 10
    assert result.quality.exchanges.repairs == {("input_tokens", "type converted"): 10}
    assert "prompt" in result.quality.missing_columns and result.quality.null_share["prompt"] == 1.0


def test_broken_files_and_parts_are_counted_and_the_rest_is_used(tmp_path: Path) -> None:
    spoil_row_group(write(tmp_path / "data/exchanges/a.parquet", table(0, 30), row_group_size=10), 2)
    truncate(write(tmp_path / "data/exchanges/b.parquet", table(30, 40)))
    result = prepared(tmp_path / "data", tmp_path / "out")
    assert sorted(rows_of(result)["exchange_id"].to_pylist()) == sorted(f"x-{n}" for n in range(20))
    assert result.files[0].is_relative_to(tmp_path / "out")
    assert [(part.file, part.first_row, part.rows) for part in result.quality.broken] == [
        ("exchanges/b.parquet", 1, None),
        ("exchanges/a.parquet", 21, 10),
    ]
    lines = [json.loads(text) for text in (tmp_path / "out" / QUARANTINE_FILE).read_text().splitlines()]
    assert [(line["file"], line["reason"]) for line in lines] == [
        ("exchanges/b.parquet", "unreadable file or part"),
        ("exchanges/a.parquet", "unreadable file or part"),
    ]
    assert not result.quality.is_clean


def test_side_tables_are_validated(tmp_path: Path) -> None:
    write(tmp_path / "data/exchanges.parquet", table(0, 3))
    accounts = pa.table(
        {
            "account_id": ["a", "b", "a", None],
            "created_at": pa.array([0, 1, 2, 3], pa.int64()).cast(pa.timestamp("s", "UTC")),
        }
    )
    accounts = accounts.set_column(1, "created_at", pa.array([TS] * 3 + [None], TIMESTAMP))
    write(tmp_path / "data/accounts.parquet", accounts)
    write(
        tmp_path / "data/releases.parquet",
        pa.table({"model": ["m"], "released_at": pa.array([TS], TIMESTAMP)}),
    )
    result = prepared(tmp_path / "data", tmp_path / "out")
    assert result.accounts["account_id"].to_pylist() == ["a", "b"]
    assert result.releases["model"].to_pylist() == ["m"]
    assert result.quality.reasons == {("account_id", "duplicate id"): 1, ("account_id", "missing"): 1}
    assert result.quality.tallies["accounts"].rows_read == 4


def test_a_dataset_without_any_fit_row_is_an_error_that_says_why(tmp_path: Path) -> None:
    naive = table(0, 4)
    naive = naive.set_column(1, "ts", naive["ts"].cast(pa.timestamp("us")))
    write(tmp_path / "data/exchanges.parquet", naive)
    with pytest.raises(UnreadableInputError) as caught:
        prepared(tmp_path / "data", tmp_path / "out")
    assert str(caught.value) == (
        f"{tmp_path}/data: none of 4 exchanges is fit; most often: ts: time without zone\n"
        "  What to do: write the zone, or say which one is meant with --assume-timezone (UTC, ...) "
        f"(all rows with reasons: {tmp_path}/out/quarantine.jsonl)"
    )
    assert len((tmp_path / "out" / QUARANTINE_FILE).read_text().splitlines()) == 4


def test_an_empty_dataset_is_no_error(tmp_path: Path) -> None:
    write(tmp_path / "data/exchanges.parquet", table(0, 0).drop_columns(["prompt"]))
    result = prepared(tmp_path / "data", tmp_path / "out")
    assert rows_of(result).num_rows == 0 and result.quality.first_ts is None


def test_a_second_run_ends_the_same(tmp_path: Path) -> None:
    write(tmp_path / "data/exchanges.parquet", pa.concat_tables([table(0, 10), table(0, 3)]))
    first = prepared(tmp_path / "data", tmp_path / "out")
    tables = rows_of(first)
    second = prepared(tmp_path / "data", tmp_path / "out")
    assert second.files == first.files and rows_of(second).equals(tables)
    assert second.quality.to_json() == first.quality.to_json()


def test_the_dataset_is_never_its_own_output(tmp_path: Path) -> None:
    path = write(tmp_path / "exchanges/part-00000.parquet", table(0, 3, key_id="plain"))
    before = path.read_bytes()
    with pytest.raises(UsageError, match="choose another folder"):
        prepared(tmp_path, tmp_path / "exchanges" / "..")
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    write(tmp_path / "data/exchanges.parquet", table(0, 3))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another folder with --out"):
        prepared(tmp_path / "data", tmp_path / "file" / "out")


def test_check_counts_what_prepare_counts_and_writes_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write(data / "exchanges/a.parquet", pa.concat_tables([table(0, 10), table(0, 3)]))
    write(data / "exchanges/b.parquet", table(20, 25).drop_columns(["ja4"]))
    truncate(write(data / "exchanges/c.parquet", table(0, 5)))
    before = sorted(tmp_path.rglob("*"))
    checked = check(open_dataset(data), RULES)
    assert sorted(tmp_path.rglob("*")) == before
    full = prepared(data, tmp_path / "out").quality
    assert checked.to_json() | {"quarantine": 0} == full.to_json() | {"quarantine": 0}


def test_the_account_fits_the_result_table(tmp_path: Path) -> None:
    write(tmp_path / "data/exchanges.parquet", pa.concat_tables([table(0, 10, key_id="k"), table(0, 3)]))
    quality = prepared(tmp_path / "data", tmp_path / "out").quality
    rows = [dict(zip(QUALITY.names, measure, strict=True)) for measure in quality.measures()]
    found = pa.Table.from_pylist(rows, QUALITY.arrow)
    found.validate(full=True)
    counts = {(r["measure"], r["subject"]): r["value"] for r in rows}
    assert counts["rows read", "exchanges"] == 13
    assert counts["rows quarantined", "exchanges"] == counts["unfit: duplicate id", "exchange_id"] == 3
    json.dumps(quality.to_json(), allow_nan=False)


@pytest.mark.parametrize("rows", [1, 2])
def test_one_account_or_one_row_is_enough(tmp_path: Path, rows: int) -> None:
    write(tmp_path / "data/exchanges.parquet", table(0, rows, account_id="only"))
    assert prepared(tmp_path / "data", tmp_path / "out").quality.exchanges.rows_fit == rows


def test_copies_of_a_whole_dataset_are_found(tmp_path: Path) -> None:
    original = write(tmp_path / "data/exchanges/a.parquet", table(0, 500))
    shutil.copy(original, tmp_path / "data/exchanges/b.parquet")
    result = prepared(tmp_path / "data", tmp_path / "out")
    assert result.quality.reasons == {("exchange_id", "duplicate id"): 500}
    assert rows_of(result).num_rows == 500 and original in result.files


def test_a_clock_in_the_future_is_judged_by_the_given_present(tmp_path: Path) -> None:
    late = table(0, 2, ts=NOW.replace(year=2027))
    write(tmp_path / "data/exchanges.parquet", pa.concat_tables([table(5, 6), late]))
    assert prepared(tmp_path / "data", tmp_path / "out").quality.reasons == {("ts", "time in the future"): 2}
