"""Min-hash signatures of 64 values: prompts in, signatures out; and how well they estimate the Jaccard index."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.peers.side import OURS, Comparison, Side, Task

VALUES = 64
SEEDS = 8
_WARM = 2_000
_BATCH = 16_384


Sign = Callable[[pa.ChunkedArray, int], Any]
"""Texts and a seed -> signatures, in whatever form a library keeps them."""


def count(material: Path) -> int:
    """Prompts."""
    return int(pq.read_metadata(material / "words.parquet").num_rows)


def errors(sign: Sign, matrix: Callable[[Any], Any], material: Path) -> Mapping[str, float]:
    """Bias and root mean square of the estimate's error, over the sampled pairs and several seeds.

    Pairs have common words in common, so that with one seed all of them would err to the same side.

    Args:
        sign: the side.
        matrix: what it gives -> values [n, VALUES].
        material: folder with pairs.parquet.
    """
    pairs = pq.read_table(material / "pairs.parquet")
    exact = pairs.column("jaccard").to_numpy()
    off = []
    for seed in range(1, SEEDS + 1):
        left, right = (matrix(sign(pairs.column(name), seed)) for name in ("left", "right"))
        off.append((left == right).mean(axis=1) - exact)
    return {"bias": float(np.mean(off)), "rmse": float(np.sqrt(np.mean(np.square(off))))}


def _task(material: Path, sign: Sign, matrix: Callable[[Any], Any]) -> Task:
    texts = pq.read_table(material / "words.parquet").column("words")
    few = texts.slice(0, _WARM)
    return Task(lambda: sign(few, 1), lambda: sign(texts, 1), lambda _: errors(sign, matrix, material))


def ours(material: Path) -> Task:
    from stillwatch.text.minhash import signatures  # noqa: PLC0415
    from stillwatch.text.tokens import tokenize  # noqa: PLC0415

    def sign(texts: pa.ChunkedArray, seed: int) -> Any:
        parts = []
        for batch in pa.table({"words": texts}).to_batches(_BATCH):
            tokens = tokenize(batch.column(0))
            # Ours has no seed: it mixes what it is given, so that another number in it is another function.
            hashes = tokens.hashes if seed == 1 else tokens.hashes ^ np.uint64(seed)
            parts.append(signatures(tokens.offsets, hashes))
        return np.concatenate(parts)

    return _task(material, sign, lambda made: made)


def rensa(material: Path) -> Task:
    return _rensa(material, "digest_matrix_from_token_sets")


def rensa_rho(material: Path) -> Task:
    return _rensa(material, "digest_matrix_from_token_sets_rho")


def _rensa(material: Path, method: str) -> Task:
    from rensa import RMinHash  # noqa: PLC0415

    def sign(texts: pa.ChunkedArray, seed: int) -> Any:
        return getattr(RMinHash, method)([text.split() for text in texts.to_pylist()], VALUES, seed)

    return _task(material, sign, lambda made: np.array(made.to_rows()))


def datasketch(material: Path) -> Task:
    from datasketch import MinHash  # noqa: PLC0415

    def sign(texts: pa.ChunkedArray, seed: int) -> Any:
        # Splitting bytes spares the encoding of every word.
        split = (text.split() for text in texts.cast(pa.large_binary()).to_pylist())
        return MinHash.bulk(split, num_perm=VALUES, seed=seed)

    return _task(material, sign, lambda made: np.array([each.hashvalues for each in made]))


def daft(material: Path) -> Task:
    import daft as library  # noqa: PLC0415
    from daft.functions import minhash  # noqa: PLC0415

    def sign(texts: pa.ChunkedArray, seed: int) -> Any:
        frame = library.from_arrow(pa.table({"words": texts}))
        signed = minhash(frame["words"], num_hashes=VALUES, ngram_size=1, seed=seed, hash_function="xxhash")
        return frame.select(signed.alias("signature")).to_arrow()

    def matrix(made: pa.Table) -> Any:
        return made.column(0).combine_chunks().flatten().to_numpy().reshape(-1, VALUES)

    return _task(material, sign, matrix)


COMPARISON = Comparison(
    "Near-duplicate signatures",
    "Prompts in an Arrow column in memory, to 64 min-hash values of their sets of words. The words are folded "
    "to lower case and parted by single spaces beforehand, so that all sides have the same sets.",
    "prompts",
    count,
    (
        Side(
            OURS,
            ours,
            None,
            "Finds the words itself, of any script, from the bytes of the Arrow buffer; one hash a word "
            "(one permutation, optimal densification), 64 bits a value.",
        ),
        Side(
            "rensa",
            rensa,
            "rensa",
            "`RMinHash.digest_matrix_from_token_sets` on lists of words: the split into Python strings, which "
            "it needs, is part of its time. 32 bits a value. More than ours: index and deduplicator on top.",
        ),
        Side(
            "rensa, rho",
            rensa_rho,
            "rensa",
            "Its quicker sketch, which samples the positions of words: it depends on order and length, "
            "and is not made for estimates of the Jaccard index.",
        ),
        Side(
            "datasketch",
            datasketch,
            "datasketch",
            "`MinHash.bulk` with its default SHA-1 and 64 permutations. More than ours: weighted sets, "
            "sketches that can be updated and merged, indexes in outside stores.",
        ),
        Side(
            "Daft",
            daft,
            "daft",
            "`minhash` with xxhash inside its engine, on its own tables; splits at single spaces only. 64 "
            "permutations of 32 bits. More than ours: a distributed engine; runs of more words as one item.",
        ),
    ),
    {"bias": ("bias of the estimate", "{:+.4f}"), "rmse": ("its error (root mean square)", "{:.4f}")},
)
