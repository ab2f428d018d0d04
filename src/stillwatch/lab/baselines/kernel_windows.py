"""Windows of the whole stream against its past: kernel two-sample tests on prompts.

Liu, Guo, Dong: An Embarrassingly Simple Detector for Model Extraction Attacks in Large Language Model API
Traffic, arXiv 2606.05725 (2026). One stream without accounts is cut into windows of 1,500 queries (100 in its
study of small windows). A window is flagged when the unbiased squared maximum mean discrepancy between it and
benign history, with Gaussian kernels of 0.5, 1, 2 and 4 times the median distance averaged, exceeds the 95th
percentile of what 1,000 samples of history of the same size give.

What had to be adapted:

- Queries are our text vectors (`_vectors`), not BGE-small's.
- History is the first part of the stream, as an operator has it: nobody has labelled it. What a campaign sends
  in it is never flagged, and makes the campaign look ordinary later.
- The paper averages over 20 samples of history; the mean over all of history is taken, its limit.
- `null = "windows"` (the default) takes as null windows that were consecutive in history, each against the
  rest of history; `"draws"` takes queries drawn at random from it, as the paper does. Live traffic comes in
  bursts, and with random draws nearly every window is flagged.
- The paper stops at windows. Adjacent flagged windows are one campaign; in it those prompts are flagged whose
  witness function (mean kernel with the window less mean kernel with history) lies above the 99th percentile
  of history's own, if their account has at least 3 of them; those accounts are the members.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.campaigns.tables import Rung
from stillwatch.lab.baselines._alarms import moment
from stillwatch.lab.baselines._kernel import Features, Sample, discrepancy, median_distance
from stillwatch.lab.baselines._vectors import DIMENSIONS, Prompts, read_prompts
from stillwatch.lab.baselines.tables import Found
from stillwatch.lab.parameters import Parameter, Value

NAME = "kernel_windows"
TITLE = "kernel two-sample tests of windows of the whole stream"
SOURCE = "Liu, Guo, Dong, https://arxiv.org/abs/2606.05725"
PARAMETERS = (
    Parameter("window", 1500, 20, 1_000_000, meaning="prompts of a window"),
    Parameter("reference", 0.2, 0.01, 0.9, meaning="first share of the time, taken as history"),
    Parameter("level", 0.05, 0.0001, 0.5, meaning="share of history's windows that may be flagged"),
    Parameter("null", "windows", choices=("windows", "draws"), meaning="what history's windows are"),
    Parameter("witness", 0.99, 0.5, 1, meaning="quantile of history that flagged prompts lie above"),
    Parameter("prompts", 3, 1, 1_000_000, meaning="such prompts that make an account a member"),
    Parameter("frequencies", 256, 16, 4096, meaning="random Fourier frequencies of each bandwidth"),
    Parameter("dimensions", DIMENSIONS, 64, 1024, meaning="of the text vectors, a multiple of 64"),
    Parameter("seed", 0, 0, 2**31, meaning="of the frequencies and draws"),
)

DRAWS = 1000
"""Random samples of history for `null = "draws"`, as in the paper."""
_MEDIAN_SAMPLE = 2000
_HISTORY_SAMPLE = 10_000
# Windows of history start at every fifteenth part of a window: more would say nothing new.
_HOPS = 15
_LEAST = 20


@dataclass(frozen=True)
class History:
    """What windows are compared with.

    Attributes:
        features: of the kernel.
        whole: all prompts of history.
        sampled: float32 [n, n_features], features of some of them.
        threshold: discrepancy above which a window is flagged.
    """

    features: Features
    whole: Sample
    sampled: npt.NDArray[np.float32]
    threshold: float


@dataclass(frozen=True)
class Window:
    """A flagged window.

    Attributes:
        number: place in the stream, counted from the end of history.
        last: its last row.
        rows: its rows above the quantile of the witness function.
    """

    number: int
    last: int
    rows: npt.NDArray[np.int64]


def run(dataset: Path, settings: Mapping[str, Value]) -> Found:
    """Accounts that move windows of the stream away from history."""
    prompts = read_prompts(dataset, int(settings["dimensions"]))
    end = prompts.until(float(settings["reference"]))
    # History must hold two windows, or no null can be made: a smaller world has smaller windows.
    size = min(int(settings["window"]), end // 2)
    notes = {
        "n_prompts": len(prompts),
        "n_without_words": prompts.n_without,
        "n_history": end,
        "window": size,
    }
    if size < _LEAST:
        return _found(prompts, [], 1, {**notes, "why_nothing": f"history holds {end} prompts"})
    random = np.random.default_rng(int(settings["seed"]))
    history = learn(prompts, end, size, settings, random)
    windows = list(flagged(prompts, end, size, history, float(settings["witness"])))
    notes |= {"n_windows": len(list(_cut(end, len(prompts), size))), "n_flagged_windows": len(windows)}
    return _found(prompts, windows, int(settings["prompts"]), {**notes, "threshold": history.threshold})


def learn(
    prompts: Prompts, end: int, size: int, settings: Mapping[str, Value], random: np.random.Generator
) -> History:
    """Kernel and threshold from the first `end` prompts, for windows of `size` prompts."""
    some = np.sort(random.choice(end, min(end, _MEDIAN_SAMPLE), replace=False))
    bandwidth = median_distance(prompts.units(some))
    features = Features.drawn(prompts.content.shape[1], bandwidth, int(settings["frequencies"]), random)
    sampled = features.of(
        prompts.units(np.sort(random.choice(end, min(end, max(_HISTORY_SAMPLE, 2 * size)), replace=False)))
    )
    hop = max(size // _HOPS, 1)
    pieces = [_sample(prompts, features, first, min(first + hop, end)) for first in range(0, end, hop)]
    whole = Sample(np.sum([piece.total for piece in pieces], axis=0), end)
    live = settings["null"] == "windows"
    null = _consecutive(pieces, whole, size // hop) if live else _drawn(sampled, size, random)
    # The level's own quantile of the null, never interpolated downwards.
    threshold = float(np.quantile(null, 1 - float(settings["level"]), method="higher"))
    return History(features, whole, sampled, threshold)


def flagged(prompts: Prompts, end: int, size: int, history: History, quantile: float) -> Iterator[Window]:
    """The windows after row `end` that differ from history, with the prompts that make them differ."""
    usual = history.whole.mean_kernel(history.sampled, own=True)
    for number, (first, last) in enumerate(_cut(end, len(prompts), size)):
        # The last window of the stream is filled up from the one before, to be of the size of the null's.
        start = last - size
        features = history.features.of(prompts.units(slice(start, last)))
        window = Sample(features.sum(axis=0, dtype=np.float64), size)
        if discrepancy(window, history.whole) <= history.threshold:
            continue
        ordinary = window.mean_kernel(history.sampled, own=False) - usual
        witness = window.mean_kernel(features, own=True) - history.whole.mean_kernel(features, own=False)
        above = np.flatnonzero(witness > np.quantile(ordinary, quantile)) + start
        yield Window(number, last - 1, above[above >= first])


def _cut(first: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(first, end, size):
        yield start, min(start + size, end)


def _sample(prompts: Prompts, features: Features, first: int, last: int) -> Sample:
    return features.sample(prompts.units(slice(first, last)))


def _consecutive(pieces: list[Sample], whole: Sample, count: int) -> list[float]:
    """Discrepancies of all runs of `count` pieces from the rest of history."""
    # The last piece may be short: a run that holds it would not be of a window's size.
    totals = np.concatenate(
        [np.zeros((1, len(whole.total))), np.cumsum([piece.total for piece in pieces], axis=0)]
    )
    ends = np.concatenate([[0], np.cumsum([piece.n for piece in pieces])])
    full = count * pieces[0].n
    found = []
    for first in range(len(pieces) - count + 1):
        run_of = Sample(totals[first + count] - totals[first], int(ends[first + count] - ends[first]))
        if run_of.n == full:
            found.append(discrepancy(run_of, whole - run_of))
    return found


def _drawn(sampled: npt.NDArray[np.float32], size: int, random: np.random.Generator) -> list[float]:
    """Discrepancies of random draws of `size` prompts from the rest of the sample."""
    whole = Sample(sampled.sum(axis=0, dtype=np.float64), len(sampled))
    found = []
    for _ in range(DRAWS):
        rows = random.choice(len(sampled), size, replace=False)
        drawn = Sample(sampled[rows].sum(axis=0, dtype=np.float64), size)
        found.append(discrepancy(drawn, whole - drawn))
    return found


def _found(prompts: Prompts, windows: list[Window], least: int, notes: Mapping[str, Any]) -> Found:
    """Adjacent windows become campaigns; their accounts with enough prompts become members."""
    members: list[tuple[str, int]] = []
    rows_of: list[tuple[str, npt.NDArray[np.int64]]] = []
    flagged_at = {}
    # Adjacent windows have the same difference of number and place in the list.
    for _, run_of in groupby(enumerate(windows), key=lambda pair: pair[1].number - pair[0]):
        group = [window for _, window in run_of]
        rows = np.concatenate([window.rows for window in group])
        counts = np.bincount(prompts.account[rows], minlength=len(prompts.accounts))
        enough = np.flatnonzero(counts >= least)
        if len(enough):
            name = f"{NAME}-{group[0].number + 1}-{group[-1].number + 1}"
            members += [(name, int(account)) for account in enough]
            rows_of.append((name, rows[counts[prompts.account[rows]] >= least]))
            flagged_at[name] = moment(prompts, group[0].last)
    rows = np.concatenate([np.zeros(0, np.int64), *(rows for _, rows in rows_of)])
    names = [name for name, own in rows_of for _ in range(len(own))]
    return Found(
        Rung.REPETITIVE,
        pa.table(
            {
                "campaign_id": pa.array([name for name, _ in members], pa.string()),
                "account_id": prompts.accounts.take(pa.array([a for _, a in members], pa.int64())),
            }
        ),
        pa.table(
            {"exchange_id": prompts.exchange_id.take(rows), "campaign_id": pa.array(names, pa.string())}
        ),
        ("prompts",),
        flagged_at,
        notes,
    )
