"""Input of every unfit kind through the command line: a quarantined row or a clear error, never a wrong number."""

import datetime as dt
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.campaigns.tables import RESULTS
from stillwatch.exchange.tables import EXCHANGES
from tests.cli.command import run, run_apart

NOON = "2026-03-02T12:00:00Z"


def exchange(number: object, **values: object) -> dict[str, Any]:
    row = {
        "exchange_id": f"x{number}",
        "ts": NOON,
        "account_id": f"a{number}",
        "model": "m",
        "prompt": "Hello.",
    }
    return {**row, **values}


def dataset(folder: Path, rows: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "exchanges.parquet")
    return folder


def quarantined(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "quarantine.jsonl").read_text().splitlines()]


UNFIT: list[tuple[str | bytes, str, str]] = [
    (json.dumps(exchange("a", account_id=None)), "account_id", "missing"),
    (json.dumps(exchange("b", model="")), "model", "missing"),
    (json.dumps(exchange("c", ts=None)), "ts", "missing"),
    (json.dumps(exchange("d", ts="2126-03-02T12:00:00Z")), "ts", "time in the future"),
    (json.dumps(exchange("e", ts="2026-03-02T12:00:00")), "ts", "time without zone"),
    (json.dumps(exchange("f", ts=17)), "ts", "time too early"),
    (json.dumps(exchange("g", input_tokens=-5)), "input_tokens", "negative number"),
    (json.dumps(exchange("h", output_tokens=1e300)), "output_tokens", "number too large"),
    (json.dumps(exchange("i", exchange_id="first")), "exchange_id", "duplicate id"),
    (json.dumps(exchange("j", prompt="caf\xe9"), ensure_ascii=False).encode("latin-1"), "", "not UTF-8"),
    ("[" * 200_000 + "]" * 200_000, "", "nested too deeply"),
    ('{"exchange_id": "k"', "", "cut off before its end"),
]
REPAIRED = [
    exchange("first", exchange_id="first"),
    exchange("s", ts=1772452800),
    exchange("ms", ts=1772452800000),
    exchange("us", ts=1772452800000000),
    exchange("float", ts=1772452800.25),
    exchange("zone", ts="2026-03-02T14:00:00+02:00"),
    exchange("deep", prompt=[[[["x"] * 10] * 10] * 10]),
]


@pytest.fixture(scope="module")
def bad_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = [json.dumps(row).encode() for row in REPAIRED[:-1]]
    lines += [line if isinstance(line, bytes) else line.encode() for line, *_ in UNFIT]
    file: Path = tmp_path_factory.mktemp("bad") / "bad.log"
    file.write_bytes(b"\n".join(lines))
    return file


def test_every_unfit_row_is_named_with_its_reason(bad_log, tmp_path):
    finished = run("scan", bad_log, "--out", tmp_path, "--json").done()
    counts = finished.json["counts"]
    good = len(REPAIRED) - 1
    assert counts["exchanges"] == good
    assert counts["quarantined"] == len(UNFIT)
    assert finished.json["period"] == ["2026-03-02T12:00:00+00:00", "2026-03-02T12:00:00.250000+00:00"]
    found = {line["row"]: line for line in quarantined(tmp_path)}
    for place, (_, column, reason) in enumerate(UNFIT, start=good + 1):
        assert (found[place]["column"], found[place]["reason"]) == (column, reason)
        assert found[place]["file"] == str(bad_log)
        assert found[place]["remedy"]
    assert len(found) == len(UNFIT)
    measures = {(row["measure"], row["subject"]): row["value"] for row in read(tmp_path, "quality")}
    assert measures["rows quarantined", "exchanges"] == len(UNFIT)
    for (column, reason), n in Counter((column, reason) for _, column, reason in UNFIT).items():
        assert measures[f"unfit: {reason}", column or "file"] == n


def read(folder: Path, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / f"{name}.parquet").to_pylist()
    return rows


def test_the_same_rows_for_people(bad_log, tmp_path):
    told = run("import", bad_log, "--out", tmp_path / "d").done()
    assert f"{len(UNFIT)} rows were unfit and left out; reasons in {tmp_path / 'd'}" in told.err
    # A long name is folded, never cut.
    assert "".join(line.split("│")[1].strip() for line in told.out.splitlines() if "│" in line) == str(
        bad_log
    )
    zone = (
        run("import", bad_log, "--out", tmp_path / "z", "--assume-timezone", "+01:00", "--json").done().json
    )
    assert zone["quarantined"] == len(UNFIT) - 1


def test_nulls_and_wrong_types_in_parquet(tmp_path):
    rows = [exchange(i) for i in range(6)]
    rows[1]["account_id"] = None
    rows[2]["exchange_id"] = None
    rows[3]["exchange_id"] = "x0"
    folder = dataset(tmp_path / "in", [{**row, "input_tokens": 3 - max(i, 3)} for i, row in enumerate(rows)])
    finished = run("scan", folder, "--out", tmp_path / "r", "--json").done().json
    assert finished["counts"]["exchanges"] == 1
    assert sorted((line["row"], line["column"]) for line in quarantined(tmp_path / "r")) == [
        (2, "account_id"), (3, "exchange_id"), (4, "exchange_id"), (5, "input_tokens"), (6, "input_tokens"),
    ]  # fmt: skip
    checked = run("validate", folder, "--strict", "--quarantine", tmp_path / "q.jsonl")
    assert checked.code == 3
    assert "Some rows cannot be used" in checked.out
    assert len((tmp_path / "q.jsonl").read_text().splitlines()) == 5
    assert run("validate", folder).code == 0


def test_nothing_fit_in_a_dataset(tmp_path):
    naive = [exchange(i, ts=dt.datetime(2026, 3, 2, 12)) for i in range(3)]
    folder = dataset(tmp_path / "in", naive)
    ended = run("scan", folder, "--out", tmp_path / "r", "--json")
    ended.refused(
        3, folder, "ts: time without zone", "--assume-timezone", tmp_path / "r" / "quarantine.jsonl"
    )
    assert len(quarantined(tmp_path / "r")) == 3
    run("scan", folder, "--out", tmp_path / "r", "--assume-timezone", "UTC").done()
    assert not (tmp_path / "r" / "quarantine.jsonl").exists()


def test_truncated_parquet(tmp_path):
    folder = tmp_path / "in"
    (folder / "exchanges").mkdir(parents=True)
    table = pa.Table.from_pylist([exchange(i) for i in range(500)])
    pq.write_table(table, folder / "exchanges" / "b.parquet")
    whole = (folder / "exchanges" / "b.parquet").read_bytes()
    (folder / "exchanges" / "b.parquet").write_bytes(whole[: len(whole) // 2])
    for name in (folder, folder / "exchanges" / "b.parquet", folder / "exchanges"):
        run("scan", name, "--out", tmp_path / "r").refused(3, name)
        assert not (tmp_path / "r" / "summary.json").exists()
    run("validate", folder).refused(3, folder)
    pq.write_table(table.slice(0, 40), folder / "exchanges" / "a.parquet")
    finished = run("scan", folder, "--out", tmp_path / "r", "--json").done().json
    assert finished["counts"]["exchanges"] == 40
    (line,) = quarantined(tmp_path / "r")
    assert line["file"] == "exchanges/b.parquet"
    assert "b.parquet" in (tmp_path / "r" / "report.html").read_text(encoding="utf-8")


def test_truncated_and_damaged_packed_logs(tmp_path):
    lines = "".join(json.dumps(exchange(i, prompt=f"{i * 7919}")) + "\n" for i in range(3_000)).encode()
    packed = gzip.compress(lines)
    (tmp_path / "cut.gz").write_bytes(packed[: len(packed) // 2])
    told = run("import", tmp_path / "cut.gz", "--out", tmp_path / "d", "--json").done().json
    assert 500 < told["exchanges"] < 3_000
    places = quarantined(tmp_path / "d")
    assert {line["reason"] for line in places} == {"cut off before its end", "damaged"} or places[0][
        "row"
    ] > 500
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 40)
    run("import", tmp_path / "noise", "--out", tmp_path / "n").refused(3, tmp_path / "noise")
    (tmp_path / "empty").write_bytes(b"")
    run("scan", tmp_path / "empty", "--out", tmp_path / "n").refused(3, tmp_path / "empty")


def test_a_prompt_of_50_megabytes(tmp_path):
    long = "word " * (10 << 20)
    with (tmp_path / "long.jsonl").open("w") as file:
        for i in range(3):
            file.write(json.dumps(exchange(i, prompt=long if i == 1 else "short")) + "\n")
    # 2 GB of address space past what the libraries map are plenty, and more would end the process.
    command = ["scan", tmp_path / "long.jsonl", "--out", tmp_path / "r", "--json"]
    told = run_apart(*command, before="ulimit -v 8000000").done().json
    assert told["counts"]["exchanges"] == 3
    cut = [row for row in read(tmp_path / "r", "quality") if row["subject"] == "exchanges.prompt"]
    assert any(row["value"] == 1 and row["measure"].startswith("repaired") for row in cut)
    assert sum(file.stat().st_size for file in (tmp_path / "r").iterdir()) < 3_000_000


def nested(number: int, depth: int) -> str:
    """Content within content within content, as text: Python itself would refuse to write it."""
    content = '[{"type": "text", "text": ' * depth + '"ha"' + "}]" * depth
    head = f'{{"ts": "{NOON}", "account_id": "a", "request_id": "l{number}", "request": {{"model": "m", '
    return head + f'"messages": [{{"role": "user", "content": {content}}}]}}}}'


def test_nested_content(tmp_path):
    packed = nested(0, 3)
    for _ in range(8):  # a quote within a quote doubles its backslashes at every level
        packed = json.dumps(packed)
    lines = [*(nested(i, depth) for i, depth in enumerate((1, 30, 300, 3_000))), packed]
    lines += [json.dumps(exchange(1, prompt={"a": packed}))]
    (tmp_path / "l.jsonl").write_text("\n".join(lines))
    told = run("import", tmp_path / "l.jsonl", "--out", tmp_path / "d", "--json").done().json
    assert told["exchanges"] >= 2
    (file,) = told["files"]
    assert file["fit"] + file["unfit"] + sum(file["unreadable"].values()) + sum(file["skipped"].values()) == 6
    assert all(
        sum(map(len, (row["prompt"] or ""))) < 100_000 for row in read(tmp_path / "d", "exchanges/part-00000")
    )


EDGES = {
    "one account": [exchange(i, account_id="a") for i in range(30)],
    "one exchange": [exchange(0)],
    "no text": [exchange(i, prompt=None, account_id=f"a{i % 7}") for i in range(60)],
    "required columns only": [
        {name: exchange(i % 40, exchange_id=f"x{i}")[name] for name in EXCHANGES.required} for i in range(80)
    ],
    "one text for all": [exchange(i, prompt="Say the same.", account_id=f"a{i % 9}") for i in range(90)],
}


@pytest.mark.parametrize("edge", EDGES)
def test_small_and_bare_datasets(edge, tmp_path):
    rows = [{name: value for name, value in row.items() if value is not None} for row in EDGES[edge]]
    finished = run("scan", dataset(tmp_path / "in", rows), "--out", tmp_path / "r", "--json").done().json
    assert finished["counts"]["exchanges"] == len(rows)
    assert finished["counts"]["accounts"] == len({row["account_id"] for row in rows})
    assert finished["counts"]["campaigns"] == 0
    for schema in RESULTS:
        assert pq.read_schema(tmp_path / "r" / f"{schema.name}.parquet").names == schema.names


def test_a_dataset_without_rows(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    pq.write_table(EXCHANGES.empty(), folder / "exchanges.parquet")
    finished = run("scan", folder, "--out", tmp_path / "r", "--json").done().json
    assert finished["counts"]["exchanges"] == 0
    assert finished["period"] == [None, None]
    assert run("scan", folder, "--out", tmp_path / "r").done().out.startswith("0 campaigns")
