"""Linear scores over hashed words and pairs of words: prompts in, scores out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.peers.side import OURS, Comparison, Side, Task

BITS = 16
"""Those of the shipped classifiers: 65,536 features."""
EIGHT = f"{OURS}, 8 outputs"
_WARM = 2_000
_BATCH = 16_384


def count(material: Path) -> int:
    """Prompts."""
    return int(pq.read_metadata(material / "prompts.parquet").num_rows)


def weights(outputs: int) -> Any:
    """The weights of every side, float32 [features, outputs]: what they are makes no difference to the work."""
    return np.random.default_rng(1).normal(size=(1 << BITS, outputs)).astype(np.float32)


def ours_one(material: Path) -> Task:
    return _ours(material, 1)


def ours_eight(material: Path) -> Task:
    return _ours(material, 8)


def _ours(material: Path, outputs: int) -> Task:
    from stillwatch.text.linear import LinearModel, score  # noqa: PLC0415

    model = LinearModel(weights(outputs), np.zeros(outputs, np.float32))

    def scored(texts: pa.ChunkedArray) -> Any:
        batches = pa.table({"prompt": texts}).to_batches(_BATCH)
        return np.concatenate([score(batch.column(0), model) for batch in batches])

    return _task(material, scored)


def sklearn_one(material: Path) -> Task:
    return _sklearn(material, 1)


def sklearn_eight(material: Path) -> Task:
    return _sklearn(material, 8)


def _sklearn(material: Path, outputs: int) -> Task:
    from sklearn.feature_extraction.text import HashingVectorizer  # noqa: PLC0415
    from sklearn.linear_model import SGDClassifier  # noqa: PLC0415

    # Presence, length 1, words of one letter too: the features of ours but for the hash and where words end.
    vectorizer = HashingVectorizer(
        ngram_range=(1, 2),
        n_features=1 << BITS,
        binary=True,
        alternate_sign=False,
        token_pattern=r"(?u)\b\w+\b",
        dtype=np.float32,
    )
    model = SGDClassifier()
    model.coef_ = np.ascontiguousarray(weights(outputs).T)
    model.intercept_ = np.zeros(outputs, np.float32)
    model.classes_ = np.arange(max(outputs, 2))
    model.n_features_in_ = 1 << BITS

    def scored(texts: pa.ChunkedArray) -> Any:
        batches = pa.table({"prompt": texts}).to_batches(_BATCH)
        parts = [
            model.decision_function(vectorizer.transform(batch.column(0).to_pylist())) for batch in batches
        ]
        return np.concatenate(parts).reshape(-1, outputs)

    return _task(material, scored)


def _task(material: Path, scored: Any) -> Task:
    texts = pq.read_table(material / "prompts.parquet").column("prompt")
    few = texts.slice(0, _WARM)
    return Task(lambda: scored(few), lambda: scored(texts), _spread)


def _spread(scores: Any) -> Mapping[str, float]:
    return {"spread": float(scores.std())}


_SKLEARN = (
    "`HashingVectorizer(ngram_range=(1, 2), binary=True)` and `decision_function` of a linear model: the same "
    "features under another hash; a word ends elsewhere in scripts without spaces. "
)
COMPARISON = Comparison(
    "Linear signals",
    f"Prompts as they are, in an Arrow column in memory, to the scores of linear models over {1 << BITS:,} hashed "
    "words and pairs of neighbouring words.",
    "prompts",
    count,
    (
        Side(f"{OURS}, 1 output", ours_one, None, "`text/linear.score`, words found in the same pass."),
        Side(EIGHT, ours_eight, None, "The same features, looked up once for all outputs.", EIGHT),
        Side(
            "scikit-learn, 1 output",
            sklearn_one,
            "scikit-learn",
            _SKLEARN + "More than ours: any tokenizer, characters, tf-idf, every model.",
        ),
        Side(
            "scikit-learn, 8 outputs",
            sklearn_eight,
            "scikit-learn",
            "The same, with eight columns of weights in one sparse product.",
            EIGHT,
        ),
    ),
    {"spread": ("standard deviation of the scores", "{:.2f}")},
)
