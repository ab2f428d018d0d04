"""`--hash-only`: a dataset whose texts are gone, and the signatures that stand for them.

The texts live in the working folder `_texts.partial` inside the output folder while signatures are taken, and are
deleted however that ends; only a killed process leaves them there, until the next import into the same folder.
What the signatures hold is listed in docs/data.md: hashes of words and of word sequences, vectors of random
projections, labels - nothing from which a text can be read back without guessing it whole.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Texts:
    """A finished dataset folder that nobody else needs, and the UTF-8 bytes of its text columns."""

    folder: Path
    sizes: Mapping[str, int]


def replace_text_by_signatures(
    texts: Texts, out: Path, settings: ScanSettings, report: Report, *, replace: bool = False
) -> None:
    """Write the dataset `texts` to `out` without its texts, with signatures beside it; then delete its folder.

    Args:
        texts: see `Texts`.
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
            for file in sorted((texts.folder / EXCHANGES.name).glob("*.parquet")):
                for batch in pq.ParquetFile(file).iter_batches():
                    writer.write(without_text(batch, EXCHANGES))
            for name in _REST:
                (out / name).unlink(missing_ok=True)
                if (texts.folder / name).exists():
                    shutil.move(texts.folder / name, out / name)
    finally:
        shutil.rmtree(texts.folder, ignore_errors=True)


def _take(texts: Texts, signatures: Path, settings: ScanSettings, report: Report) -> None:
    work = texts.folder / "steps"
    engine = DuckdbEngine(work, settings.memory_limit, settings.threads)
    try:
        engine.attach("exchanges", sorted((texts.folder / EXCHANGES.name).glob("*.parquet")))
        take_signatures(Run(engine, report, 8), texts.sizes)
        signatures.mkdir(parents=True, exist_ok=True)
        for name in kept_tables():
            engine.export(name, signatures / f"{name}.parquet")
    finally:
        engine.close()
        shutil.rmtree(work, ignore_errors=True)
