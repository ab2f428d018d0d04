"""Room on the disk, looked at before hours of work run into its end."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from stillwatch.exchange.dataset import open_dataset
from stillwatch.exchange.errors import OutputError
from stillwatch.inputs import is_dataset
from stillwatch.sources.files import expand

BYTES_PER_EXCHANGE = 850
"""Working tables and ids, the most at any moment of a scan, for each exchange, and a third more for what is spilled.

Measured on half a million exchanges: 630 bytes each, and 90 MB of sketches; together 2.3 times their compressed
Parquet with prompts of 600 characters. None of the tables holds texts, so longer ones need no more.
"""
LEAST_BYTES = 128 << 20
_BYTES_A_RECORD = 1_000  # of a log; few records are smaller
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".lz4")
_UNPACKED = 8  # times the size of a packed log


def expected_bytes(inputs: Sequence[str], *, copied: bool) -> int:
    """About how much a scan writes below its results folder.

    Args:
        inputs: a dataset folder, or logs.
        copied: whether the exchanges of a dataset are written again.

    Raises:
        UnreadableInputError: there is no such input.
    """
    if is_dataset(inputs):
        dataset = open_dataset(Path(inputs[0]))
        held = sum(file.path.stat().st_size for file in dataset.exchanges)
        return LEAST_BYTES + dataset.rows * BYTES_PER_EXCHANGE + (held if copied else 0)
    size = sum(_plain_bytes(file.path) for file in expand(inputs) if file.path is not None)
    return LEAST_BYTES + size + size // _BYTES_A_RECORD * BYTES_PER_EXCHANGE


def _plain_bytes(file: Path) -> int:
    return file.stat().st_size * (_UNPACKED if file.suffix.lower() in _PACKED else 1)


def require_room(folder: Path, needed: int) -> None:
    """See that a folder has room.

    Args:
        folder: where it is needed; what stands in it already counts as a part of it.
        needed: bytes.

    Raises:
        OutputError: there is less; the message says how much of both.
    """
    there = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    free = shutil.disk_usage(folder).free
    if needed > there + free:
        raise OutputError(
            f"this scan needs about {_size(needed - there)} for its working tables here, and {_size(free)} are free",
            "make room, or choose another disk with --out; STILLWATCH_CHECK_DISK=false tries it all the same",
            file=folder,
        )


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"
