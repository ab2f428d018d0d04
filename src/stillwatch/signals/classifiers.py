"""What one prompt asks for: its capability and four forms, by linear scores over hashed words and word pairs.

What it sees: the system prompt and the text of the last user turn; of each at most its first `HEAD` and
last `TAIL` characters, where instructions stand. It gives the capability (one of
`Classifiers.capabilities`, `other` for the rest and where none stands out) and the probability of four forms:
`elicitation` (asks that reasoning be written out), `rubric` (asks to judge a text against criteria),
`rewriting` (asks to rewrite so that a censor or a filter lets it pass) and `answer_format` (fixes the
shape of the answer).

When it works badly: short prompts without instruction words, languages other than English (it has seen few
and mostly misses their forms), instructions in the middle of very long prompts, several tasks in one prompt.
`rewriting` was trained on templates of our own making. The card (`weights/card.json`, docs/signals.md)
holds the error rates on unseen projects.

How it is evaded: by any rewording that uses other words, by another language, by hiding the instruction in
the middle of a long text, by a neutral request whose answer happens to be long reasoning.

A single prompt's label is never a verdict: legitimate judges, tutors and benchmarks have the same forms.
Labels describe what a campaign's templates are for, after other evidence has tied its accounts together.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import expit

from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.text.linear import Beginnings, LinearModel
from stillwatch.text.linear import score as linear_score
from stillwatch.text.tokens import Tokens, rows_of, stacked, tokenize

LABELS = ("elicitation", "rubric", "rewriting", "answer_format")
TRAINING_FORMS = ("elicitation", "rubric", "rewriting")
"""The forms that speak of training data; a fixed answer format is far too common in legitimate use to."""
OTHER = "other"
HEAD, TAIL = 2000, 1000
"""Characters read from the start and from the end of a system prompt and of a prompt."""

_NEWLINE = pa.scalar("\n", pa.large_string())
WEIGHTS = Path(__file__).parent / "weights"

_label_fields = [pa.field(name, pa.float32()) for name in LABELS]
SCORE_SCHEMA = pa.schema([pa.field("capability", pa.string()), *_label_fields])


@dataclass(frozen=True)
class Classifiers:
    """Trained classifiers of single prompts.

    Attributes:
        model: linear outputs, first the capabilities, then `LABELS`.
        capabilities: names of the capability outputs, in order.
        temperature: divides the capability scores before the softmax (calibration on unseen projects).
        platt: float64 [4, 2], slope and offset of each label's logistic calibration (Platt 1999).
        least: a capability whose calibrated probability is below this is given as `other`.
        benign_form_rate: probability that at least half of the prompts of a legitimate template of an unseen
            project get at least one of `LABELS`. The larger of two figures of the card: the upper end of the
            exact 95 % interval over all templates, and the mean over projects, because a few projects hold
            most of the templates.
        benign_training_form_rate: the same for `TRAINING_FORMS`, thus without the answer format.
    """

    model: LinearModel
    capabilities: tuple[str, ...]
    temperature: float
    platt: npt.NDArray[np.float64]
    least: float
    benign_form_rate: float
    benign_training_form_rate: float

    def score(self, batch: pa.RecordBatch | pa.Table) -> pa.Table:
        """Label prompts.

        Args:
            batch: n rows with the string columns `system_prompt` and `prompt`, either may be null.

        Returns:
            n rows of `SCORE_SCHEMA`: capability, and the probability of each form in [0, 1]; all null
            where a row has no word at all.
        """
        tokens = tokenize(joined_text(batch.column("system_prompt"), batch.column("prompt")))
        return self._labels(linear_score(tokens, self.model), tokens.counts == 0)

    def score_parts(
        self,
        system_prompts: tuple[pa.Array, Tokens, npt.NDArray[np.int64]],
        prompts: tuple[pa.Array, Tokens],
    ) -> pa.Table:
        """The same for texts whose tokens are known; only those of long texts are made again.

        Args:
            system_prompts: distinct texts, their tokens, and the number of each row's text (-1 for none).
            prompts: texts of the rows, and their tokens.
        """
        texts, tokens, rows = system_prompts
        beginnings = _cut(texts, tokens)
        scores, words = self._scores(prompts[1], Beginnings(beginnings, rows))
        # Few prompts are long: these are scored anew, so that the tokens of all others need not be copied.
        long = _long(prompts[0])
        if len(long):
            ends = tokenize(_ends(prompts[0].take(pa.array(long))))
            scores[long], words[long] = self._scores(ends, Beginnings(beginnings, rows[long]))
        return self._labels(scores, words == 0)

    def _scores(
        self, tokens: Tokens, beginnings: Beginnings
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Raw scores of texts after their beginnings, and the number of words of both."""
        words = tokens.counts + np.append(beginnings.tokens.counts, 0)[beginnings.rows]
        return linear_score(tokens, self.model, beginnings), words

    def _labels(self, scores: npt.NDArray[np.float32], empty: npt.NDArray[np.bool_]) -> pa.Table:
        raw = scores.astype(np.float64)
        k = len(self.capabilities)
        names = self._capability_names(raw[:, :k])
        probabilities = expit(raw[:, k:] * self.platt[:, 0] + self.platt[:, 1]).astype(np.float32)
        columns = [pc.if_else(pa.array(~empty), names, pa.scalar(None, pa.string()))]
        columns += [pa.array(probabilities[:, i], pa.float32(), mask=empty) for i in range(len(LABELS))]
        return pa.Table.from_arrays(columns, schema=SCORE_SCHEMA)

    def _capability_names(self, raw: npt.NDArray[np.float64]) -> pa.Array:
        best = raw.argmax(axis=1)
        scaled = (raw - raw.max(axis=1, keepdims=True)) / self.temperature
        # The largest term of the softmax has a numerator of 1.
        sure = 1.0 / np.exp(scaled).sum(axis=1) >= self.least
        names = pa.array([*self.capabilities, OTHER], pa.string())
        return names.take(pa.array(np.where(sure, best, len(self.capabilities))))


def joined_text(system_prompt: pa.Array | pa.ChunkedArray, prompt: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The text that is classified: starts and ends of system prompt and prompt, n strings."""
    # Not null_handling="skip": some versions of Arrow then leave out rows in which all parts are null.
    parts = [_ends(column).fill_null("") for column in (system_prompt, prompt)]
    both = pc.binary_join_element_wise(*parts, _NEWLINE)
    return both.combine_chunks() if isinstance(both, pa.ChunkedArray) else both


def _cut(texts: pa.Array, tokens: Tokens) -> Tokens:
    """Tokens of the starts and ends of texts."""
    long = _long(texts)
    if not len(long):
        return tokens
    index = np.arange(len(tokens), dtype=np.int64)
    index[long] = len(tokens) + np.arange(len(long))
    return rows_of(stacked(tokens, tokenize(_ends(texts.take(pa.array(long))))), index)


def _long(texts: pa.Array) -> npt.NDArray[np.int64]:
    """Numbers of the texts that may have to be cut: those of more bytes than characters are read."""
    lengths = pc.fill_null(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False)
    return np.flatnonzero(lengths > HEAD + TAIL)


def _ends(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    texts = texts.cast(pa.large_string())
    # Cutting walks the code points; most batches have nothing to cut.
    longest = pc.max(pc.binary_length(texts)).as_py()
    if longest is None or longest <= HEAD + TAIL:
        return texts
    short = pc.less_equal(pc.utf8_length(texts), HEAD + TAIL)
    head = pc.utf8_slice_codeunits(texts, 0, HEAD)
    tail = pc.utf8_slice_codeunits(texts, -TAIL)
    return pc.if_else(short, texts, pc.binary_join_element_wise(head, tail, _NEWLINE))


def load_classifiers(folder: Path = WEIGHTS) -> Classifiers:
    """The shipped classifiers, or those that `stillwatch lab train-signals` wrote into a folder.

    Raises:
        UnreadableInputError: a file is missing or does not belong to the others.
    """
    return _load(folder.resolve())


@lru_cache(maxsize=4)
def _load(folder: Path) -> Classifiers:
    remedy = "install Stillwatch anew, or train with `stillwatch lab train-signals`"
    try:
        stored = (folder / "weights.npy").read_bytes()
        meta: dict[str, Any] = json.loads((folder / "model.json").read_text("utf-8"))
        card = load_card(folder)
        if hashlib.sha256(stored).hexdigest() != meta["weights_sha256"]:
            raise UnreadableInputError(
                "these weights are not those of model.json", remedy, file=folder / "weights.npy"
            )
        quantised = np.load(folder / "weights.npy", allow_pickle=False)
        return Classifiers(
            model=LinearModel(quantised, *(np.asarray(meta[name], np.float32) for name in ("bias", "scale"))),
            capabilities=tuple(meta["capabilities"]),
            temperature=float(meta["temperature"]),
            platt=np.asarray(meta["platt"], np.float64).reshape(len(LABELS), 2),
            least=float(meta["least"]),
            benign_form_rate=_benign_rate(card["any_form"]),
            benign_training_form_rate=_benign_rate(card["training_shaped"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableInputError(
            f"the signal classifiers cannot be read ({error})", remedy, file=folder
        ) from error


def _benign_rate(report: dict[str, Any]) -> float:
    return max(float(report["benign_templates"]["high"]), float(report["benign_projects_mean"]))


def load_card(folder: Path = WEIGHTS) -> dict[str, Any]:
    """The card of the classifiers: data, counts, error rates with intervals by label, limits.

    `card["labels"][label]["benign_templates"]` holds, for each of `LABELS`, the share of legitimate
    templates of unseen projects that get the label: `n`, `labelled`, `rate`, `low`, `high` (95 %,
    Clopper-Pearson). The same for single prompts stands under `benign_prompts`, and for capabilities under
    `card["capability"]["benign_templates"]`.
    """
    card: dict[str, Any] = json.loads((folder / "card.json").read_text("utf-8"))
    return card
