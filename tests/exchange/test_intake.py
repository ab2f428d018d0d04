"""The way of logs into a dataset: the same checks, on rows that come as objects."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.exchange.dataset import open_dataset
from stillwatch.exchange.duplicates import DuplicateDetector
from stillwatch.exchange.intake import Intake
from stillwatch.exchange.prepare import check
from stillwatch.exchange.privacy import IdentifierHasher
from stillwatch.exchange.quarantine import Quarantine
from stillwatch.exchange.reasons import UNREADABLE, Unfit
from stillwatch.exchange.tables import EXCHANGES
from stillwatch.exchange.writer import DatasetWriter
from tests.exchange.rows import RULES, TS, batch, row

HASHER = IdentifierHasher(b"k" * 32)
CORPORA = Path(__file__).parents[3] / "shared" / "data" / "corpora"


def take(rows: list[dict[str, object]], folder: Path, *, hash_only: bool = False) -> Intake:
    with Quarantine(folder / "quarantine.jsonl") as quarantine, DuplicateDetector() as duplicates:
        intake = Intake(EXCHANGES, RULES, quarantine, HASHER, duplicates, hash_only=hash_only)
        with DatasetWriter(folder, EXCHANGES) as writer:
            for start in range(0, len(rows), 1000):
                for taken in intake.take(batch(*rows[start : start + 1000])):
                    writer.write(taken.batch)
        intake.refuse(Unfit("log.jsonl", 99, "", UNREADABLE.words, UNREADABLE.remedy, "not JSON"))
    return intake


@pytest.mark.parametrize("hash_only", [False, True])
def test_what_an_import_writes_is_clean(tmp_path: Path, hash_only: bool) -> None:
    rows = [
        row(1, key_id="sk-1", ts=TS.timestamp()),
        row(2, status=-1),
        row(1),
        row(3, end_user_id="me@x.org"),
    ]
    tally = take(rows, tmp_path, hash_only=hash_only).tally
    assert (tally.rows_read, tally.rows_fit, tally.rows_unfit, tally.hashed) == (5, 2, 3, 2)
    assert tally.rows_read == tally.rows_fit + tally.rows_unfit
    quality = check(open_dataset(tmp_path), RULES)
    assert quality.is_clean and quality.exchanges.rows_fit == 2 and not quality.exchanges.repairs
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"sk-1" not in stored and b"me@x.org" not in stored
    assert quality.null_share["prompt"] == (1.0 if hash_only else 0.0)


@pytest.mark.skipif(not CORPORA.exists(), reason="../shared/data is not there")
def test_real_prompts_pass_unchanged(tmp_path: Path) -> None:
    texts = pq.read_table(CORPORA / "benign_prompts.parquet")
    column = next(name for name in texts.column_names if name in ("text", "prompt"))
    prompts = texts[column].to_pylist()[:5000]
    intake = take([row(n, prompt=prompt) for n, prompt in enumerate(prompts)], tmp_path)
    assert intake.tally.rows_fit == len(prompts)
    assert intake.tally.bytes["prompt"] == sum(len(prompt.encode()) for prompt in prompts)
    stored = pa.concat_tables(
        [pa.Table.from_arrays([raw.values["prompt"]], ["prompt"]) for raw in open_dataset(tmp_path).batches()]
    )
    kept = dict(zip(range(len(prompts)), stored["prompt"].to_pylist(), strict=True))
    changed = [n for n, prompt in enumerate(prompts) if kept[n] != prompt]
    repaired = sum(n for (name, _), n in intake.tally.repairs.items() if name == "prompt")
    assert len(changed) <= repaired <= len(prompts) * 0.01


def test_a_stale_quarantine_of_an_earlier_run_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.jsonl"
    with Quarantine(path) as first:
        first.add([Unfit("f", 1, "c", "r", "w", "v")])
    assert path.exists()
    with Quarantine(path):
        pass
    assert not path.exists()
