"""What a template keeps of a text (its skeleton), and what is left of the text without it (the task).

Prompts of one template with long slots share few of their words, so they are compared by what the template
keeps. Which words those are is read off the document frequencies of word shingles (`frequency.Sketch`):

1. *Ties.* Two neighbouring words are tied when the words on one side all but determine the word on the other:
   of the texts with the same `ORDER` - 1 words before it (or after it), at least `Settings.tie` go on (or
   begin) alike, and at least `Settings.texts` distinct texts do. At the edge of a slot the continuations
   scatter and the tie breaks, however frequent the template is; an absolute threshold would keep every
   frequent opening of a slot.
2. *Runs.* Tied words form runs; those shorter than `Settings.run` words are phrases of the language, not
   templates.
3. *Levels.* A word's level is the largest number of texts that tie it. A template's words reach the same
   level, while an item that stands in several templates, or in several slots, stays below: words under
   `Settings.level` of the level of the runs that open or close the text are dropped.

The skeleton is the hash of the kept words with a mark at each slot. A text without a skeleton that is
repeated word for word (a viral prompt, a cron job) is all skeleton, with an empty task.

Misses: templates of fewer than `Settings.run` words between slots; templates in fewer than `Settings.texts`
distinct texts. Evaded by rewording the template for every request.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.text.content import DIMENSIONS, describe
from stillwatch.text.frequency import Sketch, frequent_lines, text_hashes, times
from stillwatch.text.keeping import keep_words
from stillwatch.text.tokens import Tokens, tokenize


class Settings(NamedTuple):
    """When words count as a template's.

    Attributes:
        texts: fewest distinct texts that share a shingle of a template.
        tie: smallest share of continuations that ties two words.
        run: fewest words of a run; the edge of the text counts as one.
        level: smallest share of the template's level that a run must reach.
        trim: smallest share of its own run's level that a word must reach.
        repeats: how often a text without a skeleton must come, word for word, to be a template by itself.
        words: fewest words of such a text.
    """

    texts: int = 10
    tie: float = 0.5
    run: int = 5
    level: float = 0.3
    trim: float = 0.02
    repeats: int = 20
    words: int = 8


@dataclass(frozen=True)
class Skeletons:
    """Skeletons and tasks of n texts.

    Attributes:
        skeleton: uint64 [n], hash of what the template keeps; 0 = no template.
        kept: bool [n_tokens], whether a token belongs to the template.
        kept_share: float32 [n], share of the tokens that do.
        item: uint64 [n], hash of the other tokens; 0 = none are left.
        content: int8 [n, 64], random-sign projection of the other tokens' hashes, weighted by the logarithm
            of inverse document frequency; cosines between rows approximate those between the weighted word
            counts.
        n_tokens: int32 [n].
        text_hash: uint64 [n], hash of all tokens; 0 = no words.
    """

    skeleton: npt.NDArray[np.uint64]
    kept: npt.NDArray[np.bool_]
    kept_share: npt.NDArray[np.float32]
    item: npt.NDArray[np.uint64]
    content: npt.NDArray[np.int8]
    n_tokens: npt.NDArray[np.int32]
    text_hash: npt.NDArray[np.uint64]


def skeletons(
    texts: pa.Array | pa.ChunkedArray | Tokens,
    sketch: Sketch,
    settings: Settings | None = None,
    lines: npt.NDArray[np.uint16] | None = None,
) -> Skeletons:
    """Separate template and task in every text; null texts have neither.

    Args:
        texts: Arrow strings, or their tokens.
        sketch: document frequencies of the whole dataset, these texts included.
        settings: thresholds.
        lines: `frequency.frequent_lines(sketch, settings.texts)`, for who has many batches of texts.
    """
    tokens = texts if isinstance(texts, Tokens) else tokenize(texts)
    settings = settings or Settings()
    n = len(tokens)
    hashes = text_hashes(tokens)
    verbatim = (times(sketch, hashes) >= settings.repeats) & (tokens.counts >= settings.words)
    out = Skeletons(
        np.zeros(n, np.uint64),
        np.zeros(len(tokens.hashes), np.bool_),
        np.zeros(n, np.float32),
        np.zeros(n, np.uint64),
        np.zeros((n, DIMENSIONS), np.int8),
        tokens.counts.astype(np.int32),
        hashes,
    )
    counted = sketch.cells, frequent_lines(sketch, settings.texts) if lines is None else lines
    keep_words(tokens.offsets, tokens.hashes, counted, tuple(settings), verbatim, out.kept)
    hashed = out.skeleton, out.kept_share, out.item, out.content
    describe(tokens.offsets, tokens.hashes, (sketch.cells, sketch.n_counted), out.kept, hashed)
    return out


def mask(
    text: str,
    sketch: Sketch,
    settings: Settings | None = None,
    lines: npt.NDArray[np.uint16] | None = None,
) -> str:
    """The text with `…` in place of what its template does not keep; "" for a text without a template.

    Args:
        text: any text.
        sketch: see `skeletons`; so with `settings` and `lines`.
    """
    tokens = tokenize(pa.array([text], pa.large_string()), spans=True)
    kept = skeletons(tokens, sketch, settings, lines).kept
    if not kept.any():
        return ""
    data = text.encode()
    base = int(tokens.view.starts[0])
    out: list[str] = []
    position, in_slot = 0, False
    for start, stop, keep in zip(
        (tokens.starts - base).tolist(), (tokens.stops - base).tolist(), kept, strict=True
    ):
        if keep:
            between = data[position:start].decode()
            out.append(" " if in_slot and between.strip() == "" else between)
            out.append(data[start:stop].decode())
        elif not in_slot:
            out.append(data[position:start].decode() + "…")
        in_slot = not keep
        position = stop
    return "".join(out) + ("" if in_slot else data[position:].decode())
