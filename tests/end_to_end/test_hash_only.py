"""`--hash-only`: the texts are nowhere, and the verdict is the same."""

import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import stillwatch
from stillwatch.exchange.tables import EXCHANGES
from tests.cli.command import bytes_below, run
from tests.end_to_end.worlds import as_lines, exchanges, scan

TEXTS = [column.name for column in EXCHANGES if column.text]


@pytest.fixture(scope="module")
def logs(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    (folder / "log.jsonl").write_bytes(as_lines(exchanges(world).to_pylist()))
    return [folder / "log.jsonl", world.dataset / "accounts.parquet"]


@pytest.fixture(scope="module")
def dataset(logs, tmp_path_factory):
    out = tmp_path_factory.mktemp("hash-only") / "dataset"
    told = run("import", *logs, "--out", out, "--hash-only", "--json").done().json
    assert told["quarantine"] is None
    return out


@pytest.fixture(scope="module")
def words(world):
    """Words of texts that are not words of ours: long, and in no other column."""
    table = exchanges(world)
    found: set[str] = set()
    for name in TEXTS:
        for text in table[name].drop_null().unique().to_pylist()[:400]:
            found |= set(re.findall(r"[A-Za-z]{9,}", text))
    others = " ".join(
        str(value)
        for name in table.column_names
        if name not in TEXTS and pa.types.is_string(table.schema.field(name).type)
        for value in table[name].unique().to_pylist()
    )
    # Words that reports and tables use themselves.
    package = Path(stillwatch.__file__).parent
    sources = (file for file in package.rglob("*.[pjch]*") if "lab" not in file.parts and file.is_file())
    ours = " ".join(file.read_text("utf-8", "ignore") for file in sources)
    return sorted(word for word in found if word not in others and word not in ours)


def texts_below(words: list[str], *folders: Path) -> list[tuple[str, bytes]]:
    """Files that hold a word of a text, as they are stored or in a column of a table."""
    marks = [word.encode() for word in words]
    guilty = []
    for file, held in bytes_below(*folders).items():
        if file.suffix == ".parquet":
            table = pq.read_table(file)
            unpacked = b" ".join(_strings(table, name) for name in table.column_names)
        else:
            unpacked = b""
        guilty += [(file.name, mark) for mark in marks if mark in held or mark in unpacked][:1]
    return guilty


def _strings(table: pa.Table, name: str) -> bytes:
    column = table[name]
    if pa.types.is_list(column.type):
        column = pc.list_flatten(column)
    kind = column.type
    if not (pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        return b""
    return b" ".join(value for value in column.cast(pa.large_binary()).unique().to_pylist() if value)


def test_no_text_is_kept(dataset, words, world):
    table = pq.read_table(dataset / "exchanges")
    assert table.num_rows == world.n_exchanges
    for name in TEXTS:
        assert table[name].null_count == table.num_rows
    assert len(words) > 100
    assert texts_below(words, world.dataset)  # they would be found
    assert texts_below(words, dataset) == []
    assert not list(dataset.glob("*partial*"))
    run("validate", dataset, "--strict").done()


def test_the_verdict_is_the_same(dataset, words, scanned, tmp_path):
    found = scan(tmp_path, dataset)
    assert found.verdicts() == scanned.verdicts()
    assert found.table("evidence").equals(scanned.table("evidence"))
    assert not (tmp_path / "samples.parquet").exists()
    assert texts_below(words, tmp_path) == []


def test_a_scan_of_texts_shows_none(world, words, scanned, tmp_path):
    assert pc.any(pc.is_valid(scanned.table("group_templates")["skeleton"])).as_py()
    found = scan(tmp_path, world.dataset, "--hash-only")
    assert found.verdicts() == scanned.verdicts()
    templates = found.table("group_templates")
    assert templates["skeleton"].null_count == templates.num_rows > 0
    assert not (tmp_path / "samples.parquet").exists()
    assert texts_below(words, tmp_path) == []


def test_kept_steps_would_hold_texts(world, tmp_path):
    ended = run("scan", world.dataset, "--out", tmp_path, "--hash-only", "--keep-steps")
    ended.refused(2, "--keep-steps")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["import", "scan"])
def test_a_failed_run_leaves_no_text(command, logs, words, tmp_path):
    short = tmp_path / "settings.toml"
    short.write_text('memory_limit = "1KB"\n')
    out = tmp_path / "out"
    ended = run(command, *logs, "--out", out, "--hash-only", "--settings", short)
    ended.refused(2, "memory", "--memory-limit")
    assert texts_below(words, out) == []
    assert not (out / "summary.json").exists()
    if command == "import":
        # What stands there is no dataset, and says so.
        run("scan", out, "--out", tmp_path / "r").refused(3, out)


def test_a_finished_dataset_keeps_its_own_signatures(logs, words, scanned, dataset, tmp_path):
    mine = tmp_path / "dataset"
    shutil.copytree(dataset, mine)
    before = bytes_below(mine)
    run("import", logs[1].parent / "releases.parquet", logs[0], "--out", mine, "--hash-only").refused(4, mine)
    assert bytes_below(mine) == before
    run("scan", mine, logs[0], "--out", tmp_path / "r").refused(3, mine, "by itself")
    (mine / "signatures" / "signatures.parquet").write_bytes(b"PAR1")
    broken = run("scan", mine, "--out", tmp_path / "r")
    broken.refused(3, mine / "signatures" / "signatures.parquet", "--hash-only")
    # Imported again with texts, signatures of the earlier import are gone.
    run("import", logs[0], "--out", mine, "--overwrite").done()
    assert not (mine / "signatures").exists()
