"""SEAT: does one account send too many pairs of similar queries?

Zhang, Chen, Wagner: SEAT: Similarity Encoder by Adversarial Training for Detecting Model Extraction Attack
Queries, AISec 2021 (doi 10.1145/3474369.3486863). Two queries are similar when the encoder puts them closer
than delta; an account with more than N = 50 similar pairs is cancelled at the query that makes them so many;
delta is set on benign accounts such that a share of 0.0001 of them alarms.

What had to be adapted: the encoder is our text vector (`_vectors`), so that closeness is a cosine above delta
and there is no adversarial training. A text that an account sends again, word for word, counts once: images
of a benign user never repeat, prompts of a cron job do, and no threshold could part those pairs. Delta is set
on the accounts of the first part of the stream, which nobody has labelled. Pairs grow with the square of an
account's life: where counts never expire (`memory = "ever"`, the paper's), accounts that live longer than the
reference alarm far more often than it promises, so by default an account is counted anew in each stretch of
time as long as the reference. Every account that alarms is a campaign of its own, with all its exchanges.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stillwatch.lab.baselines._alarms import Alarm, one_each
from stillwatch.lab.baselines._vectors import DIMENSIONS, Prompts, read_prompts
from stillwatch.lab.baselines.tables import Found
from stillwatch.lab.parameters import Parameter, Value

NAME = "seat"
TITLE = "SEAT: pairs of similar queries, one account at a time"
SOURCE = "Zhang, Chen, Wagner, SEAT, AISec 2021, https://doi.org/10.1145/3474369.3486863"
PARAMETERS = (
    Parameter("pairs", 50, 1, 1_000_000, meaning="similar pairs that an account may have"),
    Parameter("delta", 0.0, 0, 1, meaning="cosine above which two queries are similar; 0 sets it itself"),
    Parameter("reference", 0.2, 0.01, 0.9, meaning="first share of the time, on which delta is set"),
    Parameter("false_alarms", 0.0001, 0, 0.5, meaning="share of the reference's accounts that may alarm"),
    Parameter("memory", "stretch", choices=("stretch", "ever"), meaning="when an account is counted anew"),
    Parameter("queries", 10_000, 2, 1_000_000, meaning="different queries of a count that are looked at"),
    Parameter("dimensions", DIMENSIONS, 64, 1024, meaning="of the text vectors, a multiple of 64"),
)

_BLOCK = 1024


def run(dataset: Path, settings: Mapping[str, Value]) -> Found:
    """Accounts with too many similar pairs."""
    prompts = read_prompts(dataset, int(settings["dimensions"]))
    pairs, most = int(settings["pairs"]), int(settings["queries"])
    delta, notes = float(settings["delta"]), dict[str, Any]()
    if not delta:
        end = prompts.until(float(settings["reference"]))
        closest = [
            kth_closest(prompts.units(rows), pairs + 1)
            for rows in (_different(prompts, rows[rows < end])[:most] for _, rows in prompts.by_account())
            if len(rows) * (len(rows) - 1) // 2 > pairs
        ]
        delta = threshold(closest, float(settings["false_alarms"]))
        notes = {"n_reference_accounts": len(closest)}
    share = float(settings["reference"]) if settings["memory"] == "stretch" else 1.0
    alarms, capped = [], 0
    for account, rows in prompts.by_account():
        for stretch in _stretches(prompts, rows, share):
            different = _different(prompts, stretch)
            capped += len(different) > most
            query = first_excess(prompts.units(different[:most]), delta, pairs)
            if query is not None:
                alarms.append(Alarm(account, int(different[query])))
                break
    return one_each(prompts, alarms, NAME, {**notes, "delta": delta, "n_counts_capped": capped})


def kth_closest(units: npt.NDArray[np.float32], k: int) -> float:
    """The k-th largest cosine among all pairs of queries: more than k - 1 pairs are similar below it.

    Args:
        units: vectors of length 1, [n, dimensions].
        k: at least 1; -1 is returned where there are fewer pairs.
    """
    top = np.zeros(0, np.float32)
    for cosines in _earlier(units):
        top = np.concatenate([top, *cosines])
        if len(top) > k:
            top = np.partition(top, len(top) - k)[len(top) - k :]
    return float(top.min()) if len(top) == k else -1.0


def first_excess(units: npt.NDArray[np.float32], delta: float, pairs: int) -> int | None:
    """The query with which an account has more similar pairs than it may; None if it never has.

    Args:
        units: vectors of length 1 in order of time, [n, dimensions].
        delta: cosine above which a pair is similar.
        pairs: similar pairs that are allowed.
    """
    count = query = 0
    for cosines in _earlier(units):
        for own in cosines:
            count += int(np.count_nonzero(own > delta))
            if count > pairs:
                return query
            query += 1
    return None


def threshold(closest: list[float], rate: float) -> float:
    """The smallest delta at which no more than a share of the accounts alarm.

    Args:
        closest: of each account the cosine below which delta makes it alarm.
        rate: the share.
    """
    if not closest:
        return 1.0
    return sorted(closest, reverse=True)[math.floor(rate * len(closest))]


def _stretches(prompts: Prompts, rows: npt.NDArray[np.int64], share: float) -> list[npt.NDArray[np.int64]]:
    """An account's rows by stretches of time, each a share of the whole stream's."""
    first, last = int(prompts.ts[0]), int(prompts.ts[-1])
    # At most one stretch for each microsecond; the last moment belongs to the last stretch.
    length = max(round(share * (last - first)), 1)
    stretch = np.minimum((prompts.ts[rows] - first) // length, max((last - first - 1) // length, 0))
    return np.split(rows, np.flatnonzero(np.diff(stretch)) + 1)


def _different(prompts: Prompts, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The rows in which a text comes for the first time."""
    _, first = np.unique(prompts.text[rows], return_index=True)
    return rows[np.sort(first)]


def _earlier(units: npt.NDArray[np.float32]) -> Iterator[list[npt.NDArray[np.float32]]]:
    """Of each query its cosines with the queries before it, a block of queries at a time."""
    for first in range(0, len(units), _BLOCK):
        last = min(first + _BLOCK, len(units))
        block = units[first:last] @ units[:last].T
        yield [block[i, : first + i] for i in range(last - first)]
