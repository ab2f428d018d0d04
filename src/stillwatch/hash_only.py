"""`--hash-only`: a dataset whose texts are gone, and the signatures that stand for them.

The texts live in the working folder `_texts.partial` inside the output folder while signatures are taken, and are
deleted however that ends; only a killed process leaves them there, until the next import into the same folder.
What the signatures hold is listed in docs/data.md: hashes of words and of word sequences, vectors of random
projections, labels - nothing from which a text can be read back without guessing it whole.
"""

import shutil
from pathlib import Path

import pyarrow.parquet as pq

from stillwatch.engines.duckdb import DuckdbEngine
from stillwatch.engines.run import Report, Run
from stillwatch.exchange.prepare import QUARANTINE_FILE
from stillwatch.exchange.privacy import without_text
from stillwatch.exchange.tables import ACCOUNTS, EXCHANGES, RELEASES
from stillwatch.exchange.writer import DatasetWriter
from stillwatch.settings import ScanSettings
from stillwatch.signals.stage import kept_tables, take_signatures
from stillwatch.trouble import computed

SIGNATURES = "signatures"
"""Folder of a dataset in which signatures stand in place of the text."""
_REST = (f"{ACCOUNTS.name}.parquet", f"{RELEASES.name}.parquet", QUARANTINE_FILE)


def replace_text_by_signatures(
    texts: Path, out: Path, settings: ScanSettings, report: Report, *, replace: bool = False
) -> None:
    """Write the dataset in `texts` to `out` without its texts, with signatures beside it; then delete `texts`.

    Args:
        texts: a finished dataset folder that nobody else needs.
        out: the dataset folder to be.
        settings: the engine's memory and threads.
        report: told of progress.
        replace: whether a finished dataset in `out` may be replaced.

    Raises:
        OutputError: `out` cannot be written, or holds a finished dataset.
        UsageError: the memory of the settings is too small.
    """
    try:
        # The writer is first: it refuses a finished dataset before its signatures are touched, and marks the
        # folder as unfinished until exchanges and signatures are both there.
        with computed(out), DatasetWriter(out, EXCHANGES, replace=replace) as writer:
            _take(texts, out / SIGNATURES, settings, report)
            for file in sorted((texts / EXCHANGES.name).glob("*.parquet")):
                for batch in pq.ParquetFile(file).iter_batches():
                    writer.write(without_text(batch, EXCHANGES))
            for name in _REST:
                (out / name).unlink(missing_ok=True)
                if (texts / name).exists():
                    shutil.move(texts / name, out / name)
    finally:
        shutil.rmtree(texts, ignore_errors=True)


def _take(texts: Path, signatures: Path, settings: ScanSettings, report: Report) -> None:
    work = texts / "steps"
    engine = DuckdbEngine(work, settings.memory_limit, settings.threads)
    try:
        engine.attach("exchanges", sorted((texts / EXCHANGES.name).glob("*.parquet")))
        take_signatures(Run(engine, report, 8))
        signatures.mkdir(parents=True, exist_ok=True)
        for name in kept_tables():
            shutil.move(engine.file(name), signatures / f"{name}.parquet")
    finally:
        engine.close()
        shutil.rmtree(work, ignore_errors=True)
