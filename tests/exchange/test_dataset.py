"""Dataset folders: found, named when broken, read in bounded memory, written whole or not at all."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.exchange.dataset import Broken, OnBroken, open_dataset
from stillwatch.exchange.errors import OutputError, UnreadableInputError
from stillwatch.exchange.quarantine import Quarantine
from stillwatch.exchange.raw import MAX_BATCH_BYTES
from stillwatch.exchange.reasons import Unfit
from stillwatch.exchange.tables import ACCOUNTS, EXCHANGES
from stillwatch.exchange.writer import INCOMPLETE, DatasetWriter, write_table
from tests.exchange.rows import row, table, write


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def spoil_row_group(path: Path, group: int) -> None:
    """Overwrite the pages of one row group; the footer stays whole."""
    meta = pq.read_metadata(path).row_group(group)
    chunks = [meta.column(index) for index in range(meta.num_columns)]
    start = min(c.dictionary_page_offset or c.data_page_offset for c in chunks)
    content = bytearray(path.read_bytes())
    content[start : start + sum(c.total_compressed_size for c in chunks)] = b"\xa5" * sum(
        c.total_compressed_size for c in chunks
    )
    path.write_bytes(content)


def test_a_folder_of_files_is_read_in_order_with_row_numbers(tmp_path: Path) -> None:
    write(tmp_path / "exchanges/b.parquet", table(5, 8))
    write(tmp_path / "exchanges/a.parquet", table(0, 5), row_group_size=2)
    (tmp_path / "exchanges/c.parquet.partial").write_bytes(b"PAR1")
    dataset = open_dataset(tmp_path)
    found = [
        (raw.file, number, name.as_py())
        for raw in dataset.batches()
        for number, name in zip(raw.rows, raw.values["exchange_id"], strict=True)
    ]
    a = [("exchanges/a.parquet", n + 1, f"x-{n}") for n in range(5)]
    assert found == a + [("exchanges/b.parquet", n + 1, f"x-{n + 5}") for n in range(3)]
    assert dataset.rows == 8 and not dataset.has_labels and not dataset.unfinished


def test_one_file_is_a_dataset_too(tmp_path: Path) -> None:
    write(tmp_path / "exchanges.parquet", table(0, 3))
    for path in (tmp_path, tmp_path / "exchanges.parquet"):
        assert [file.name for file in open_dataset(path).exchanges] == ["exchanges.parquet"]


def test_extra_and_missing_columns_are_told(tmp_path: Path) -> None:
    content = table(0, 2).drop_columns(["ja4", "prompt"]).append_column("cost", pa.array([0.1, 0.2]))
    write(tmp_path / "exchanges.parquet", content)
    write(tmp_path / "labels.parquet", table(0, 1))
    dataset = open_dataset(tmp_path)
    assert dataset.extra_columns == ["cost"]
    assert dataset.missing_columns == ["ja4", "prompt"]
    assert dataset.has_labels
    assert all("cost" not in raw.values for raw in dataset.batches())


def test_a_truncated_file_is_left_out_and_named(tmp_path: Path) -> None:
    write(tmp_path / "exchanges/a.parquet", table(0, 5))
    truncate(write(tmp_path / "exchanges/b.parquet", table(5, 9)))
    (tmp_path / "exchanges/c.parquet").write_bytes(b"")
    dataset = open_dataset(tmp_path)
    assert dataset.rows == 5
    assert [(broken.file, broken.rows) for broken in dataset.broken] == [
        ("exchanges/b.parquet", None),
        ("exchanges/c.parquet", None),
    ]
    assert dataset.broken[1].what == "the file is empty"
    with pytest.raises(UnreadableInputError, match="the file cannot be read: truncated") as caught:
        open_dataset(tmp_path, OnBroken.ERROR)
    assert caught.value.exit_code == 3


def test_a_broken_row_group_costs_only_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "exchanges/a.parquet", table(0, 30), row_group_size=10)
    spoil_row_group(path, 1)
    reported: list[Broken] = []
    numbers = [number for raw in open_dataset(tmp_path).batches(reported.append) for number in raw.rows]
    assert numbers == [*range(1, 11), *range(21, 31)]
    assert [(b.file, b.first_row, b.rows) for b in reported] == [("exchanges/a.parquet", 11, 10)]


def test_long_texts_come_in_small_batches(tmp_path: Path) -> None:
    for use_dictionary in (False, True):
        content = table(0, 200, prompt="x" * 2_000_000)
        write(tmp_path / "exchanges.parquet", content, compression="zstd", use_dictionary=use_dictionary)
        del content
        rows = 0
        for raw in open_dataset(tmp_path).batches():
            column = raw.values["prompt"]
            assert not isinstance(column, list)
            assert len(raw) * 2_000_000 <= MAX_BATCH_BYTES
            rows += len(raw)
        assert rows == 200


NO_DATASET = [
    (
        lambda root: None,
        "{root}/missing: there is no such file or folder\n  What to do: check the path",
        "missing",
    ),
    (
        lambda root: None,
        "{root}: this is no dataset: there is neither exchanges.parquet nor exchanges/*.parquet\n"
        "  What to do: name a dataset folder, "
        "or turn logs into one with `stillwatch import LOGS --out FOLDER`",
        "",
    ),
    (
        lambda root: write(root / "exchanges.parquet", pa.table({"id": ["a"], "model": ["m"]})),
        "{root}/exchanges.parquet: required columns are missing: exchange_id, ts, account_id; "
        "there are: id, model\n"
        "  What to do: rename or add them as docs/data.md says; "
        "a log of another form is read by `stillwatch import`",
        "",
    ),
    (
        lambda root: (
            write(root / "exchanges.parquet", table(0, 1)),
            write(root / "exchanges/a.parquet", table(0, 1)),
        ),
        "{root}: there are both exchanges.parquet and a folder exchanges/ with files\n"
        "  What to do: keep one of them, otherwise exchanges may count twice",
        "",
    ),
    (
        lambda root: truncate(write(root / "exchanges.parquet", table(0, 1))),
        "{root}: none of the 1 files of exchanges can be read: truncated, damaged, "
        "or no Parquet file\n"
        "  What to do: write or copy them again; a Parquet file is only whole when its writer has closed it",
        "",
    ),
    (
        lambda root: (
            (root / "exchanges").mkdir(),
            (root / "exchanges/part-00000.parquet.partial").write_text(""),
        ),
        "{root}: there is no whole file of exchanges, only part-00000.parquet.partial\n"
        "  What to do: the run that wrote it was stopped; run it again",
        "",
    ),
]


@pytest.mark.parametrize(("make", "message", "name"), NO_DATASET)
def test_what_is_no_dataset_is_told(tmp_path: Path, make, message: str, name: str) -> None:
    make(tmp_path)
    with pytest.raises(UnreadableInputError) as caught:
        open_dataset(tmp_path / name)
    assert str(caught.value) == message.format(root=tmp_path)


def test_written_parts_hold_all_rows_and_are_bounded(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, EXCHANGES, rows_per_file=40) as writer:
        for start in (0, 30, 65):
            writer.write(table(start, start + 35).to_batches()[0] if start == 65 else _rows(start))
    assert writer.rows == 100 and not (tmp_path / "exchanges" / INCOMPLETE).exists()
    assert [pq.read_metadata(file).num_rows for file in writer.files] == [40, 40, 20]
    names = pa.concat_tables([pq.read_table(file) for file in writer.files])["exchange_id"].to_pylist()
    assert names == [f"x-{n}" for n in range(100)]
    assert {pq.read_metadata(f).row_group(0).column(0).compression for f in writer.files} == {"ZSTD"}


def _rows(start: int) -> pa.RecordBatch:
    return table(start, 30 if start == 0 else 65).to_batches()[0]


def test_a_table_without_rows_can_be_read(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, EXCHANGES):
        pass
    dataset = open_dataset(tmp_path)
    assert dataset.rows == 0 and list(dataset.batches()) == []
    assert dataset.exchanges[0].schema.equals(EXCHANGES.arrow)


def test_a_killed_run_leaves_whole_files_and_a_second_run_ends_the_same(tmp_path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from tests.exchange.rows import table
from stillwatch.exchange.tables import EXCHANGES
from stillwatch.exchange.writer import DatasetWriter
with DatasetWriter(Path(sys.argv[1]), EXCHANGES, rows_per_file=10) as writer:
    writer.write(table(0, 25).to_batches()[0])
    if sys.argv[2] == "kill":
        writer._write_row_group()
        os.kill(os.getpid(), 9)
"""
    arguments = [sys.executable, "-c", program, str(tmp_path)]
    root = Path(__file__).parents[2]
    assert subprocess.run([*arguments, "kill"], check=False, cwd=root).returncode == -9
    left = sorted(file.name for file in (tmp_path / "exchanges").iterdir())
    assert left == [INCOMPLETE, "part-00000.parquet", "part-00001.parquet", "part-00002.parquet.partial"]
    dataset = open_dataset(tmp_path)
    assert dataset.unfinished and dataset.rows == 20
    assert subprocess.run([*arguments, "finish"], check=False, cwd=root).returncode == 0
    finished = open_dataset(tmp_path)
    assert not finished.unfinished and finished.rows == 25
    assert not list((tmp_path / "exchanges").glob("*.partial"))


def test_a_finished_table_is_only_replaced_if_asked(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, EXCHANGES, rows_per_file=2) as writer:
        writer.write(table(0, 5).to_batches()[0])
    with pytest.raises(OutputError) as caught:
        DatasetWriter(tmp_path, EXCHANGES)
    assert str(caught.value) == (
        f"{tmp_path}/exchanges/part-00000.parquet: there is a finished table here already\n"
        "  What to do: choose another folder with --out, or allow it to be replaced with --overwrite"
    )
    with DatasetWriter(tmp_path, EXCHANGES, replace=True) as writer:
        writer.write(table(0, 1).to_batches()[0])
    assert open_dataset(tmp_path).rows == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_told_with_a_remedy(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path, EXCHANGES)
    (tmp_path / "exchanges/part-00000.parquet.partial").symlink_to("/dev/full")
    with pytest.raises(OutputError) as caught, writer:
        writer.write(table(0, 100).to_batches()[0])
    assert str(caught.value) == (
        f"{tmp_path}/exchanges/part-00000.parquet: cannot be written: No space left on device\n"
        "  What to do: make room, or choose another folder with --out; "
        "what was complete stays and can be used"
    )
    (tmp_path / "accounts.parquet.partial").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="make room"):
        write_table(tmp_path / "accounts.parquet", ACCOUNTS.empty())
    (tmp_path / "q.jsonl.partial").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="make room"), Quarantine(tmp_path / "q.jsonl") as quarantine:
        quarantine.add([Unfit("f", 1, "c", "r", "w", "v")])


def test_a_place_that_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another folder with --out"):
        DatasetWriter(tmp_path / "file" / "out", EXCHANGES)


def test_the_quarantine_counts_everything_and_is_only_named_when_whole(tmp_path: Path) -> None:
    path = tmp_path / "out" / "quarantine.jsonl"
    unfit = [Unfit("f\udce9", n, "ts", "missing", "fill it in", "null") for n in range(5)]
    with Quarantine(path, max_rows=3) as quarantine:
        quarantine.add(unfit[:2])
        assert not path.exists()
        quarantine.add(unfit[2:])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.get("row") for line in lines] == [0, 1, 2, None]
    assert lines[3]["more_rows"] == 2
    assert quarantine.counts == {("ts", "missing"): 5} and quarantine.rows == 5
    with Quarantine(tmp_path / "clean.jsonl") as clean:
        clean.add([])
    assert not list(tmp_path.glob("clean*")) and clean.written_to is None
    with pytest.raises(KeyError), Quarantine(tmp_path / "stopped.jsonl") as stopped:
        stopped.add(unfit)
        raise KeyError
    assert [file.name for file in tmp_path.glob("stopped*")] == ["stopped.jsonl.partial"]


def test_rows_of_the_fixture_are_fit() -> None:
    assert set(row()) == set(EXCHANGES.names)


def test_a_log_is_told_from_a_broken_dataset(tmp_path):
    log = tmp_path / "gateway.ndjson"
    log.write_text('{"id": 1}\n')
    with pytest.raises(UnreadableInputError, match=r"this is a log.*\n.*stillwatch import"):
        open_dataset(log)
