"""Trains the signal classifiers and writes them with their card: what `stillwatch lab train-signals` runs."""

import hashlib
import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stillwatch.exchange.errors import OutputError
from stillwatch.lab.training.capabilities import CAPABILITIES
from stillwatch.lab.training.card import card_markdown, make_card
from stillwatch.lab.training.corpus import load_corpus
from stillwatch.lab.training.evaluation import LEAST, Calibrated, calibrate
from stillwatch.lab.training.examples import build_examples
from stillwatch.lab.training.fitting import fit_outputs, score_held_out, targets_of
from stillwatch.lab.training.regression import Fit
from stillwatch.signals.classifiers import LABELS

BITS = 16
CLIPPED = 1e-4
"""Share of the largest weights that is cut off, lest a few take the steps of eight bits from the rest."""


@dataclass(frozen=True)
class TrainingReport:
    """What was trained.

    Attributes:
        folder: where weights.npy, model.json and card.json stand.
        card: the content of card.json.
        text: the card for people, in Markdown.
    """

    folder: Path
    card: dict[str, Any]
    text: str


def train_signals(data: Path, out: Path, seed: int = 0, date: str = "undated") -> TrainingReport:
    """Train the classifiers of `stillwatch.signals` and count their errors on projects they have not seen.

    Args:
        data: folder that holds `corpora/*.parquet`.
        out: folder to write weights.npy, model.json and card.json into; made if it is not there.
        seed: of the fillings and samples; the same data and seed give the same bytes.
        date: written into the card as it stands (the clock is never asked).

    Raises:
        UnreadableInputError: the data are missing or broken.
        OutputError: `out` cannot be written.
    """
    corpus = load_corpus(data, seed)
    examples = build_examples(corpus, BITS, seed)
    targets = targets_of(examples)
    calibrated = calibrate(examples, targets, score_held_out(examples, targets))
    fit = fit_outputs(examples, targets, examples.trained, calibrated.penalties)
    card = make_card(corpus, examples, calibrated, {"seed": seed, "date": date, "bits": BITS})
    _write(out, fit, calibrated, card)
    return TrainingReport(out, card, card_markdown(card))


def quantise(weights: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Weights in eight bits: int8 [d, k] and the float32 [k] that each output's steps are worth."""
    used = np.abs(weights[np.abs(weights).max(axis=1) > 0])
    top = np.quantile(used, 1 - CLIPPED, axis=0) if len(used) else np.ones(weights.shape[1])
    scale = (np.maximum(top, 1e-12) / 127).astype(np.float32)
    return np.clip(np.rint(weights / scale), -127, 127).astype(np.int8), scale


def _write(out: Path, fit: Fit, calibrated: Calibrated, card: dict[str, Any]) -> None:
    quantised, scale = quantise(fit.weights)
    buffer = BytesIO()
    np.save(buffer, quantised, allow_pickle=False)
    model = {
        "bits": BITS,
        "capabilities": list(CAPABILITIES),
        "labels": list(LABELS),
        "scale": [_rounded(value) for value in scale],
        "bias": [_rounded(value) for value in fit.bias],
        "temperature": _rounded(calibrated.temperature),
        "platt": [[_rounded(value) for value in pair] for pair in calibrated.platt],
        "least": LEAST,
        "weights_sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "weights.npy").write_bytes(buffer.getvalue())
        (out / "model.json").write_text(json.dumps(model, indent=1) + "\n", "utf-8")
        (out / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        raise OutputError(
            f"the classifiers cannot be written ({error})", "give --out a folder with room", file=out
        ) from error


def _rounded(value: float) -> float:
    # The number of threads changes the order of sums, and with it the last digits.
    return float(f"{float(value):.4g}")
