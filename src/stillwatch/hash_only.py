"""`--hash-only`: a dataset whose texts are gone, and the signatures that stand for them.

The texts live in a working folder inside the output folder while signatures are taken, and are deleted whatever
happens then. What the signatures hold is listed in docs/data.md: hashes of words and of word sequences, vectors of
random projections, labels - nothing from which a text can be read back without guessing it whole.
"""

import shutil
from pathlib import Path

import pyarrow.parquet as pq

from stillwatch.engines.duckdb import DuckdbEngine
from stillwatch.engines.run import Report, Run
from stillwatch.exchange.output import written
from stillwatch.exchange.privacy import without_text
from stillwatch.exchange.tables import EXCHANGES
from stillwatch.exchange.writer import DatasetWriter
from stillwatch.signals.stage import kept_tables, take_signatures

SIGNATURES = "signatures"
"""Folder of a dataset in which signatures stand in place of the text."""


def replace_text_by_signatures(
    texts: Path, out: Path, memory_limit: str, threads: int, report: Report
) -> None:
    """Write the dataset in `texts` to `out` without its texts, with signatures beside it; then delete `texts`.

    Args:
        texts: a finished dataset folder that nobody else needs.
        out: the dataset folder to be.
        memory_limit: of the engine.
        threads: of the engine.
        report: told of progress.

    Raises:
        OutputError: `out` cannot be written.
    """
    try:
        with written(out):
            _take(texts, out / SIGNATURES, memory_limit, threads, report)
            with DatasetWriter(out, EXCHANGES) as writer:
                for file in sorted((texts / EXCHANGES.name).glob("*.parquet")):
                    for batch in pq.ParquetFile(file).iter_batches():
                        writer.write(without_text(batch, EXCHANGES))
            for rest in texts.glob("*.*"):
                shutil.move(rest, out / rest.name)
    finally:
        shutil.rmtree(texts, ignore_errors=True)


def _take(texts: Path, signatures: Path, memory_limit: str, threads: int, report: Report) -> None:
    work = texts / "steps"
    engine = DuckdbEngine(work, memory_limit, threads)
    try:
        engine.attach("exchanges", sorted((texts / EXCHANGES.name).glob("*.parquet")))
        take_signatures(Run(engine, report, 8))
        signatures.mkdir(parents=True, exist_ok=True)
        for name in kept_tables():
            shutil.move(engine.file(name), signatures / f"{name}.parquet")
    finally:
        engine.close()
        shutil.rmtree(work, ignore_errors=True)
