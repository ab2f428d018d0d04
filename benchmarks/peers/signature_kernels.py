"""The same signatures when the words are hashed already: kernel against kernel, no text."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.side import OURS, Comparison, Side, Task
from benchmarks.peers.signatures import VALUES

_WARM = 2_000
Sign = Callable[[Any, Any], Any]


def count(material: Path) -> int:
    """Prompts."""
    return len(np.load(material / "hashes.npz")["offsets"]) - 1


def _task(material: Path, sign: Sign) -> Task:
    given = np.load(material / "hashes.npz")
    offsets, hashes = given["offsets"], given["hashes"]
    few = offsets[: _WARM + 1]
    return Task(lambda: sign(few, hashes[: few[-1]]), lambda: sign(offsets, hashes))


def ours(material: Path) -> Task:
    from stillwatch.text.minhash import signatures  # noqa: PLC0415

    return _task(material, signatures)


def rensa(material: Path) -> Task:
    from rensa import RMinHash  # noqa: PLC0415

    method = RMinHash.digest_matrix_from_flat_token_hashes
    return _task(material, lambda offsets, hashes: method(hashes, offsets.astype(np.uint64), VALUES, 1))


COMPARISON = Comparison(
    "Signatures of hashes that are given",
    "The same prompts as arrays of one 64-bit hash a word (ours), to the same signatures: the kernels alone.",
    "prompts",
    count,
    (
        Side(
            OURS,
            ours,
            None,
            "`text/minhash.signatures`: a branch-free minimum for each hash, then empty bins.",
        ),
        Side(
            "rensa",
            rensa,
            "rensa",
            "`digest_matrix_from_flat_token_hashes`, on the same arrays without a copy in Python. Fast similarity "
            "sketching: up to three rounds of bins, hence the smaller error in the table above.",
        ),
    ),
)
