"""However many threads check a dataset, the outcome is that of reading it row by row."""

import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from stillwatch.exchange import texts
from stillwatch.exchange.dataset import open_dataset
from stillwatch.exchange.prepare import Prepared, PrepareOptions, check, prepare
from stillwatch.exchange.privacy import IdentifierHasher
from stillwatch.exchange.tables import EXCHANGES
from tests.exchange.rows import RULES, table, write
from tests.exchange.test_dataset import spoil_row_group

HASHER = IdentifierHasher(b"k" * 32)

# of each row: its id's number, and what is wrong with it
rows = st.tuples(st.integers(0, 60), st.sampled_from(["", "", "", "", "", "negative", "nan", "key"]))
files = st.lists(st.lists(rows, min_size=1, max_size=40), min_size=1, max_size=4)


def written(content: list[tuple[int, str]], number: int, folder: Path, group: int) -> None:
    found = pa.concat_tables([table(n, n + 1) for n, _ in content]).to_pydict()
    found["prompt"] = [f"file {number} row {row}" for row in range(len(content))]
    for row, (_, fault) in enumerate(content):
        if fault == "negative":
            found["status"][row] = -1
        elif fault == "nan":
            found["latency_ms"][row] = float("nan")
        elif fault == "key":
            found["key_id"][row] = f"sk-{row % 3}"
    # No dictionaries: the bytes of each group are its own.
    write(folder / f"exchanges/{number}.parquet", pa.table(found, EXCHANGES.arrow), row_group_size=group)


def told(result: Prepared, out: Path) -> tuple[Any, ...]:
    """All of an outcome that anybody can see."""
    quality = result.quality.to_json() | {"quarantine": None}
    quarantine = out / "quarantine.jsonl"
    lines = quarantine.read_text() if quarantine.exists() else ""
    made = [(file.name, pq.read_table(file)) for file in result.files]
    return quality, list(result.quality.measures()), lines, made


def outcome(data: Path, out: Path, options: PrepareOptions) -> tuple[Any, ...]:
    return told(prepare(open_dataset(data), out, RULES, HASHER, options), out)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files, st.integers(1, 9), st.booleans())
def test_threads_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, content: list[list[tuple[int, str]]], group: int, hide: bool
) -> None:
    folder = tmp_path_factory.mktemp("checking")
    for number, one in enumerate(content):
        written(one, number, folder / "data", group)
    seen: set[int] = set()
    fit, unfit = [], []
    for number, one in enumerate(content):
        for row, (name, fault) in enumerate(one):
            if fault == "negative":
                unfit.append((number, row + 1, "negative number"))
            elif name in seen:
                unfit.append((number, row + 1, "duplicate id"))
            else:
                seen.add(name)
                fit.append(f"file {number} row {row}")
    if not fit:
        return
    alone = outcome(folder / "data", folder / "alone", PrepareOptions(hide_identifiers=hide))
    together = outcome(folder / "data", folder / "together", PrepareOptions(threads=3, hide_identifiers=hide))
    assert alone == together
    quality, _, lines, made = together
    assert sorted(prompt for _, one in made for prompt in one["prompt"].to_pylist()) == sorted(fit)
    found = [json.loads(line) for line in lines.splitlines()]
    order = sorted((int(line["file"][-9]), line["row"], line["reason"]) for line in found)
    assert order == sorted(unfit)
    assert quality["tables"]["exchanges"] == {
        "read": len(fit) + len(unfit),
        "used": len(fit),
        "quarantined": len(unfit),
    }
    assert check(open_dataset(folder / "data"), RULES, threads=2).to_json()["tables"] == quality["tables"]


@pytest.mark.parametrize("hide", [False, True])
def test_a_broken_row_group_is_left_out_by_any_number_of_threads(tmp_path: Path, hide: bool) -> None:
    for number in range(3):
        write(
            tmp_path / f"data/exchanges/{number}.parquet",
            table(number * 90, number * 90 + 90),
            row_group_size=9,
        )
    spoil_row_group(tmp_path / "data/exchanges/1.parquet", 4)
    found = [
        outcome(tmp_path / "data", tmp_path / f"out-{n}", PrepareOptions(threads=n, hide_identifiers=hide))
        for n in (1, 2, 5)
    ]
    assert found[0] == found[1] == found[2]
    assert found[0][0]["tables"]["exchanges"]["used"] == 270 - 9
    assert [name for name, _ in found[0][3]] == ["0.parquet", "2.parquet", "part-00000.parquet"]


def test_identifiers_that_nobody_reads_cost_no_second_copy(tmp_path: Path) -> None:
    clean = write(tmp_path / "data/exchanges/a.parquet", table(0, 50, key_id="sk-live-1"))
    bad = table(50, 60, key_id="sk-live-2")
    write(tmp_path / "data/exchanges/b.parquet", pa.concat_tables([bad, bad.slice(0, 1)]))
    result = prepare(
        open_dataset(tmp_path / "data"),
        tmp_path / "out",
        RULES,
        HASHER,
        PrepareOptions(hide_identifiers=True),
    )
    assert result.files == (clean, tmp_path / "out/exchanges/part-00000.parquet")
    assert result.hidden == ("key_id", "end_user_id")
    assert result.quality.exchanges.unhashed == 60 and result.quality.exchanges.hashed == 0
    # What is stored is hashed all the same.
    assert pq.read_table(result.files[1])["key_id"].to_pylist() == [HASHER.hash_one("sk-live-2")] * 10


def test_progress_counts_every_exchange(tmp_path: Path) -> None:
    write(tmp_path / "data/exchanges/a.parquet", table(0, 100), row_group_size=7)
    told: list[tuple[int, int]] = []
    options = PrepareOptions(threads=2, progress=lambda done, total: told.append((done, total)))
    prepare(open_dataset(tmp_path / "data"), tmp_path / "out", RULES, HASHER, options)
    assert [done for done, _ in told] == [*range(7, 100, 7), 100]
    assert {total for _, total in told} == {100}


@settings(deadline=None)
@given(st.binary(max_size=90), st.integers(0, 9))
def test_the_survey_sees_every_byte(content: bytes, start: int) -> None:
    found = texts._survey(np.frombuffer(b"x" * 9 + content, np.uint8)[start:])
    seen = (b"x" * 9 + content)[start:]
    assert bool(found & texts._NUL) == (0 in seen)
    assert bool(found & texts._BEYOND_ASCII) == any(byte > 127 for byte in seen)
