"""Slices of planned requests become Parquet parts, in this process or in several."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from stillwatch.exchange.schema import TIMESTAMP
from stillwatch.exchange.tables import EXCHANGES
from stillwatch.lab.plan.events import Events
from stillwatch.lab.plan.spill import Slice, Spill
from stillwatch.lab.render.dressing import DRESSED, Wardrobe, dress
from stillwatch.lab.render.names import hex_strings
from stillwatch.lab.texts.book import load
from stillwatch.lab.texts.corpus import Library

ROW_GROUP_ROWS = 65_536
# Columns of which no value comes twice: a dictionary of them only costs.
_UNIQUE = {"exchange_id", "ts", "session_id", "prompt", "response", "latency_ms"}


def save_wardrobe(library: Library, accounts: pa.Table, logged: int, folder: Path) -> None:
    """Write down what any process needs to dress requests."""
    np.save(folder / "answers.npy", np.asarray(library.answers(), np.int32))
    library.book.save(folder / "book.npz")
    (folder / "logged").write_text(str(logged))
    table = accounts.combine_chunks()
    with (
        pa.OSFile(str(folder / "accounts.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table)


def _load_wardrobe(folder: Path) -> Wardrobe:
    """What another process wrote down; the table of accounts is mapped, not copied."""
    accounts = pa.ipc.open_file(pa.memory_map(str(folder / "accounts.arrow"))).read_all()
    logged = int((folder / "logged").read_text())
    book, systems = load(folder / "book.npz")
    return Wardrobe(accounts, book, systems, np.load(folder / "answers.npy"), logged)


def write_part(events: Events, wardrobe: Wardrobe, path: Path) -> None:
    """Dress the events and write them as one Parquet file of the EXCHANGES schema."""
    # A dictionary in memory, a plain string column for every reader of the file: hence no stored schema.
    writer = pq.ParquetWriter(
        path,
        DRESSED,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in EXCHANGES.names if name not in _UNIQUE],
        store_schema=False,
    )
    with writer:
        writer.write_table(dress(events, wardrobe), row_group_size=ROW_GROUP_ROWS)


class Renderer:
    """Renders slices of a spill with a wardrobe; made once in each process."""

    def __init__(self, folder: Path, out: Path) -> None:
        self._spill = Spill.load(folder)
        self._wardrobe = _load_wardrobe(folder)
        self._out = out

    def __call__(self, part: Slice) -> pa.Table:
        """Write one part and give back what the labels need: ids, accounts, actor of each row."""
        events = self._spill.read(part)
        write_part(events, self._wardrobe, self._out / f"part-{part.number:05d}.parquet")
        accounts = self._wardrobe.accounts["account_id"].take(pa.array(events["account"]))
        return pa.table(
            {
                "exchange_id": hex_strings(events["id"]),
                "account_id": accounts,
                "actor": events["actor"],
                "account": events["account"],
                "ts": pa.array(events["ts"]).cast(TIMESTAMP),
            }
        )


def render_parts(folder: Path, out: Path, slices: list[Slice], processes: int) -> Iterator[pa.Table]:
    """All parts in the order of time; with more than one process they are written side by side."""
    if processes < 2 or len(slices) < 2:
        renderer = Renderer(folder, out)
        yield from map(renderer, slices)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start, (folder, out)) as pool:
        yield from pool.map(_render, slices)


_process: list[Renderer] = []


def _start(folder: Path, out: Path) -> None:
    pa.set_cpu_count(1)
    _process[:] = [Renderer(folder, out)]


def _render(part: Slice) -> pa.Table:
    return _process[0](part)
