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
AS_THEY_ARE = f"{OURS}, prompts as they are"
_WARM = 2_000
_BATCH = 16_384


Sign = Callable[[pa.ChunkedArray, int], Any]
"""Texts and a seed -> signatures, in whatever form a library keeps them."""


def count(material: Path) -> int:
    """Prompts."""
    return int(pq.read_metadata(material / "words.parquet").num_rows)


def errors(sign: Sign, matrix: Callable[[Any], Any], material: Path) -> Mapping[str, float]:
    """Bias and root mean square of the estimate's error, over the sampled pairs and several seeds.

    Pairs share common words: with one seed all of them would err to the same side.

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
    texts = pq.read_table(material / "words.parquet").column(0)
    few = texts.slice(0, _WARM)
    return Task(lambda: sign(few, 1), lambda: sign(texts, 1), lambda _: errors(sign, matrix, material))


def _as_they_are(material: Path, sign: Sign) -> Task:
    """The same on prompts that were not folded: every side has words of its own then."""
    texts = pq.read_table(material / "prompts.parquet").column(0)
    few = texts.slice(0, _WARM)
    return Task(lambda: sign(few, 1), lambda: sign(texts, 1))


def _batches(texts: pa.ChunkedArray) -> list[pa.Array]:
    return [batch.column(0) for batch in pa.table([texts], names=["text"]).to_batches(_BATCH)]


def ours(material: Path) -> Task:
    return _task(material, _our_signatures, lambda made: made)


def ours_as_they_are(material: Path) -> Task:
    return _as_they_are(material, _our_signatures)


def _our_signatures(texts: pa.ChunkedArray, seed: int) -> Any:
    from stillwatch.text.minhash import signatures  # noqa: PLC0415
    from stillwatch.text.tokens import tokenize  # noqa: PLC0415

    parts = []
    for batch in _batches(texts):
        tokens = tokenize(batch)
        # Ours has no seed: it mixes what it is given, so that another number in it is another function.
        hashes = tokens.hashes if seed == 1 else tokens.hashes ^ np.uint64(seed)
        parts.append(signatures(tokens.offsets, hashes))
    return np.concatenate(parts)


def rensa(material: Path) -> Task:
    return _rensa(material, "digest_matrix_from_token_sets")


def rensa_rho(material: Path) -> Task:
    return _rensa(material, "digest_matrix_from_token_sets_rho")


def _rensa(material: Path, method: str) -> Task:
    from rensa import RMinHash  # noqa: PLC0415

    def sign(texts: pa.ChunkedArray, seed: int) -> Any:
        split = ([text.split() for text in batch.to_pylist()] for batch in _batches(texts))
        return [getattr(RMinHash, method)(some, VALUES, seed) for some in split]

    def matrix(made: Any) -> Any:
        return np.concatenate([np.array(part.to_rows()) for part in made])

    return _task(material, sign, matrix)


def datasketch(material: Path) -> Task:
    from datasketch import MinHash  # noqa: PLC0415

    def sign(texts: pa.ChunkedArray, seed: int) -> Any:
        # Splitting bytes spares the encoding of every word.
        split = (text.split() for text in texts.cast(pa.large_binary()).to_pylist())
        return MinHash.bulk(split, num_perm=VALUES, seed=seed)

    return _task(material, sign, lambda made: np.array([each.hashvalues for each in made]))


def daft(material: Path) -> Task:
    def matrix(made: pa.Table) -> Any:
        return made.column(0).combine_chunks().flatten().to_numpy().reshape(-1, VALUES)

    return _task(material, _daft(folding=False), matrix)


def daft_as_they_are(material: Path) -> Task:
    return _as_they_are(material, _daft(folding=True))


def _daft(folding: bool) -> Sign:
    import daft as library  # noqa: PLC0415
    from daft.functions import minhash, normalize  # noqa: PLC0415

    def sign(texts: pa.ChunkedArray, seed: int) -> Any:
        frame = library.from_arrow(pa.table([texts], names=["text"]))
        words = frame["text"]
        if folding:
            words = normalize(words, remove_punct=True, lowercase=True, white_space=True)
        signed = minhash(words, num_hashes=VALUES, ngram_size=1, seed=seed, hash_function="xxhash")
        return frame.select(signed.alias("signature")).to_arrow()

    return sign


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
            "(one permutation, optimal densification), 64 bits a value. `text/minhash` serves a baseline; a scan's "
            "own signatures are skeletons.",
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
        Side(
            AS_THEY_ARE, ours_as_they_are, None, "The same from the prompts themselves; it needs no folding."
        ),
        Side(
            "Daft, prompts as they are",
            daft_as_they_are,
            "daft",
            "With its `normalize` before. Takes punctuation out of words instead of ending them there.",
            AS_THEY_ARE,
        ),
    ),
    {"bias": ("bias of the estimate", "{:+.4f}"), "rmse": ("its error (root mean square)", "{:.4f}")},
)
