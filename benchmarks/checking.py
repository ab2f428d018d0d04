"""Checking a dataset before a scan, against the floor: decoding the same Parquet with pyarrow, and nothing else.

`python -m benchmarks checking`, or `python -m benchmarks.checking DATASET [threads]` for a dataset of your own.
Each measurement is a process of its own, so that its peak of memory is its own. Ratios of one run carry over
between machines; seconds do not.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.longer_prompts import vocabulary, with_passages
from stillwatch.exchange.dataset import open_dataset
from stillwatch.exchange.duplicates import DuplicateDetector
from stillwatch.exchange.prepare import PrepareOptions, check, prepare
from stillwatch.exchange.privacy import IdentifierHasher
from stillwatch.exchange.rules import ValidationRules
from stillwatch.exchange.tables import EXCHANGES

ROWS, FILES = 200_000, 4
IDS, IDS_A_BATCH = 28_800_000, 65_536


def make(folder: Path) -> None:
    """Exchanges with prompts of 600 characters and answers of 400, 7,000 accounts, identifiers not hashed."""
    words = vocabulary(np.random.default_rng(7))
    (folder / "exchanges").mkdir(parents=True)
    count = ROWS // FILES
    for file in range(FILES):
        rng = np.random.default_rng(file)
        account = rng.integers(0, 7_000, count)
        first = file * count
        empty = pa.array([""] * count, pa.large_string())
        rows, subjects = np.arange(first, first + count, dtype=np.uint64), account.astype(np.uint64)
        values: dict[str, pa.Array] = {
            "exchange_id": pa.array([f"{first + n:036x}" for n in range(count)]),
            "ts": pa.array(1_760_000_000_000_000 + np.arange(first, first + count) * 10_000).cast(
                EXCHANGES["ts"].type
            ),
            "account_id": pa.array([f"account-{n}" for n in account]),
            "key_id": pa.array([f"key-{n}" for n in account]),
            "end_user_id": pa.array([f"user-{n}" for n in rng.integers(0, 4_000, count)]),
            "model": pa.array([f"model-{n}" for n in rng.integers(0, 4, count)]),
            "prompt": with_passages(empty, (rows, subjects), 600, words).cast(pa.string()),
            "response": with_passages(empty, (rows + np.uint64(ROWS), subjects), 400, words).cast(
                pa.string()
            ),
            "input_tokens": pa.array(rng.integers(0, 9_000, count, np.int32)),
            "output_tokens": pa.array(rng.integers(0, 900, count, np.int32)),
            "latency_ms": pa.array(rng.random(count, np.float32) * 1000),
        }
        columns = [values.get(c.name, pa.nulls(count, c.type)) for c in EXCHANGES]
        pq.write_table(
            pa.Table.from_arrays(columns, schema=EXCHANGES.arrow),
            folder / f"exchanges/{file}.parquet",
            compression="zstd",
            row_group_size=16_384,
        )


def decode(folder: Path, threads: int) -> int:
    """The floor."""
    pa.set_cpu_count(threads)
    files = sorted((folder / "exchanges").glob("*.parquet"))
    return sum(pq.read_table(file, use_threads=threads > 1).num_rows for file in files)


def prepared(folder: Path, threads: int, *, hide: bool) -> int:
    """Check as a scan does (`hide`), or hash identifiers and write every file again."""
    with tempfile.TemporaryDirectory() as out:
        hasher = IdentifierHasher(b"k" * 32)
        options = PrepareOptions(threads=threads, hide_identifiers=hide)
        found = prepare(open_dataset(folder), Path(out), ValidationRules(), hasher, options)
    return found.quality.exchanges.rows_fit


def ids(folder: Path, threads: int) -> int:
    """Look up distinct ids of 36 characters, as many as the largest disclosed campaign had exchanges."""
    del folder, threads
    letters = np.full((IDS_A_BATCH, 36), ord("-"), np.uint8)
    with DuplicateDetector() as detector:
        for start in range(0, IDS, IDS_A_BATCH):
            numbers = np.arange(start, min(start + IDS_A_BATCH, IDS))
            for place in range(10):
                letters[: len(numbers), place] = ord("0") + numbers // 10**place % 10
            data = pa.py_buffer(letters[: len(numbers)].tobytes())
            offsets = pa.py_buffer(np.arange(0, 36 * len(numbers) + 1, 36, dtype=np.int32))
            detector.later(pa.Array.from_buffers(pa.string(), len(numbers), [None, offsets, data]))
        return detector.nbytes


TASKS: dict[str, Callable[[Path, int], int]] = {
    "decode (floor)": decode,
    "check for a scan": lambda folder, threads: prepared(folder, threads, hide=True),
    "check, hash, write again": lambda folder, threads: prepared(folder, threads, hide=False),
    "validate": lambda folder, threads: (
        check(open_dataset(folder), ValidationRules(), threads=threads).exchanges.rows_fit
    ),
    "ids of 28.8 million rows": ids,
}


def _child(name: str, folder: str, threads: str) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    found = TASKS[name](Path(folder), int(threads))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak, "found": found}))


def measured(name: str, folder: Path, threads: int) -> dict[str, float]:
    """Wall and CPU seconds, peak memory (kB) and what was found, of a process of its own."""
    command = [sys.executable, "-m", "benchmarks.checking", "--child", name, str(folder), str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def table(folder: Path, threads: int) -> None:
    """Print every task as a multiple of the floor."""
    for name in TASKS:
        if name != "ids of 28.8 million rows":
            measured(name, folder, threads)  # compiled, and the files in the page cache
    floor = measured("decode (floor)", folder, threads)
    print(f"{int(floor['found'])} exchanges, {threads} threads; multiples of the floor")
    print(f"{'task':28s} {'wall':>6s} {'CPU':>6s} {'peak memory':>12s}")
    for name in TASKS:
        found = floor if name == "decode (floor)" else measured(name, folder, threads)
        wall, cpu = found["wall"] / floor["wall"], found["cpu"] / floor["cpu"]
        note = f"   table of {found['found'] / 1e9:.2f} GB" if name.startswith("ids") else ""
        print(f"{name:28s} {wall:6.2f} {cpu:6.2f} {found['peak'] / 1e6:9.2f} GB{note}", flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        _child(*sys.argv[2:5])
    elif len(sys.argv) > 1 and Path(sys.argv[1]).is_dir():
        table(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2)
    else:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder))
            table(Path(folder), 2)


if __name__ == "__main__":
    main()
