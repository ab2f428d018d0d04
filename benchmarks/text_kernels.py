"""CPU time of the text kernels as ratios to the floor (decode the prompts and touch every byte), in one run.

Ratios within one run carry over between machines; seconds do not.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numba import njit

from stillwatch.text import frequency, linear, minhash, skeleton, tokens
from stillwatch.text.buffers import text_view

ROWS = 60_000
BATCH = 16_384


@njit(nogil=True)
def _touch(data, starts, stops):  # type: ignore[no-untyped-def]
    total = 0
    for row in range(len(starts)):
        for i in range(starts[row], stops[row]):
            total += data[i]
    return total


def prompts(rows: int = ROWS, characters: int = 600) -> pa.Array:
    """English-like prompts: words drawn by a Zipf law from a vocabulary of 50,000; a third from one
    template.
    """
    rng = np.random.default_rng(7)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    lengths = rng.integers(2, 10, 50_000)
    vocabulary = np.array(["".join(rng.choice(letters, n)) for n in lengths])
    frame = "Think step by step about the task below and then grade the answer from one to five. Task: "
    out = []
    for i in range(rows):
        words = " ".join(vocabulary[np.minimum(rng.zipf(1.3, characters // 6) - 1, 49_999)])
        out.append((frame + words if i % 3 == 0 else words)[:characters])
    return pa.array(out)


def cpu(work: Callable[[], object]) -> float:
    """Smallest CPU time of three runs, in seconds; compiled before."""
    work()
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    array = prompts()
    batches = [array.slice(i, BATCH) for i in range(0, len(array), BATCH)]
    rng = np.random.default_rng(1)
    models = {
        n: linear.LinearModel(rng.normal(size=(1 << 18, n)).astype(np.float32), np.zeros(n, np.float32))
        for n in (1, 8)
    }
    sketch = frequency.update(frequency.Sketch.empty(), array)
    tokenized = [tokens.tokenize(b) for b in batches]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prompts.parquet"
        pq.write_table(pa.table({"prompt": array}), file, compression="zstd")

        def floor() -> None:
            for batch in pq.ParquetFile(file).iter_batches(BATCH, use_threads=False):
                view = text_view(batch.column(0))
                _touch(view.data, view.starts, view.stops)

        steps: list[tuple[str, Callable[[], object]]] = [
            ("floor: decode Parquet, touch every byte", floor),
            ("tokens", lambda: [tokens.tokenize(b) for b in batches]),
            (
                "linear scores, 1 output (tokens given)",
                lambda: [linear.score(t, models[1]) for t in tokenized],
            ),
            (
                "linear scores, 8 outputs (tokens given)",
                lambda: [linear.score(t, models[8]) for t in tokenized],
            ),
            (
                "min-hash of words, 64 bins (tokens given)",
                lambda: [minhash.signatures(t.offsets, t.hashes) for t in tokenized],
            ),
            (
                "shingle sketch (tokens given)",
                lambda: [frequency.update(s, t) for s in (frequency.Sketch.empty(),) for t in tokenized],
            ),
            (
                "skeletons, tasks, content (tokens given)",
                lambda: [skeleton.skeletons(t, sketch) for t in tokenized],
            ),
        ]
        figures = [(name, cpu(work)) for name, work in steps]
    base = figures[0][1]
    print(f"{len(array):,} prompts of 600 characters\n")
    print("| step | x floor | us a prompt |\n|---|---|---|")
    for name, seconds in figures:
        print(f"| {name} | {seconds / base:.2f} | {seconds / len(array) * 1e6:.1f} |")


if __name__ == "__main__":
    main()
