"""`stillwatch lab compare`: two detectors, or two versions of one, on the same worlds and seeds.

Runs are paired by world and seed, so what makes a world hard cancels in the difference. Intervals are percentile
bootstrap intervals of the mean difference (Efron and Tibshirani 1993, chapter 13): pairs are drawn with
replacement, over seeds within a world, and over all pairs for the overall figure. Beside them stand exact counts
of the pairs in which B is better, worse or equal, and the p-value of the sign test (Conover 1999, chapter 3).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from stillwatch.exchange.errors import UsageError
from stillwatch.lab.scoring.runs import Key, Runs, ScoredRun, read_runs

RESAMPLES = 10_000
CONFIDENCE = 0.95
_SEED = 20_260_302
_BATCH = 1_000


@dataclass(frozen=True)
class Measure:
    """A figure of a run; `better` is 1 where more is better, -1 where less is."""

    name: str
    better: int
    unit: str


MEASURES = (
    Measure("campaign recall", 1, "share"),
    Measure("account recall", 1, "share"),
    Measure("exchange recall", 1, "share"),
    Measure("benign account error", -1, "share"),
    Measure("false campaigns", -1, "count"),
    Measure("leakage", -1, "share"),
    Measure("time", -1, "seconds"),
    Measure("memory", -1, "bytes"),
)


@dataclass(frozen=True)
class Difference:
    """B less A in one measure over some pairs of runs.

    Attributes:
        measure: name of the measure.
        unit: share, count, seconds or bytes.
        pairs: pairs in which both have the figure.
        mean_a: mean of A over them; None without a pair, as the next two.
        mean_b: mean of B.
        mean: mean difference.
        low: lower end of its 95 % interval; None with fewer than two pairs.
        high: upper end.
        better: pairs in which B is better.
        worse: pairs in which B is worse.
        equal: pairs in which they are equal.
        sign_p: two-sided p-value of the sign test over the pairs that differ; None if none does.
        unmeasured: runs, as "world-seed", in which one of the two lacks the figure.
    """

    measure: str
    unit: str
    pairs: int
    mean_a: float | None
    mean_b: float | None
    mean: float | None
    low: float | None
    high: float | None
    better: int
    worse: int
    equal: int
    sign_p: float | None
    unmeasured: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Two sets of runs.

    Attributes:
        worlds: world -> each measure over its seeds.
        overall: each measure over all pairs.
        pairs: runs that both have.
        only_a: runs, as "world-seed", that B lacks.
        only_b: runs that A lacks.
        failed_a: runs of A that failed, so have no score; they are in no pair.
        failed_b: the same of B.
    """

    worlds: dict[str, tuple[Difference, ...]]
    overall: tuple[Difference, ...]
    pairs: tuple[str, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    failed_a: tuple[str, ...]
    failed_b: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "method": f"B less A, paired by world and seed; percentile bootstrap, {RESAMPLES} resamples, 95 %",
            **asdict(self),
        }


def compare(a: Path, b: Path, detector_a: str | None = None, detector_b: str | None = None) -> Comparison:
    """Compares the runs of two folders of scores, or of two detectors in quality.json files.

    Args:
        a: folder with quality.json or with <world>-<seed>.json files of `lab score --json`, or a quality.json.
        b: the same for the other; may be the same file.
        detector_a: which detector of a quality.json; needed where it holds several.
        detector_b: the same for b.

    Raises:
        UnreadableInputError: for a missing or broken file.
        UsageError: where the detector is not clear, a run stands twice, or no run has a partner.
    """
    first, second = read_runs(a, detector_a), read_runs(b, detector_b)
    compared = compare_runs(first, second)
    if not compared.pairs:
        what = f"no run has a partner in {b} (here {_names(first.scored)}; there {_names(second.scored)})"
        raise UsageError(what, "Score both on the same worlds and seeds.", file=a)
    return compared


def compare_runs(first: Runs, second: Runs) -> Comparison:
    """Compares runs that were read, by (world, seed)."""
    a, b = first.scored, second.scored
    both = sorted(a.keys() & b.keys())
    worlds = sorted({world for world, _ in both})
    return Comparison(
        {world: _differences([k for k in both if k[0] == world], a, b) for world in worlds},
        _differences(both, a, b),
        _spelled(both),
        _spelled(sorted(a.keys() - b.keys() - set(second.failed))),
        _spelled(sorted(b.keys() - a.keys() - set(first.failed))),
        _spelled(sorted(first.failed)),
        _spelled(sorted(second.failed)),
    )


def _differences(
    keys: Sequence[Key], a: Mapping[Key, ScoredRun], b: Mapping[Key, ScoredRun]
) -> tuple[Difference, ...]:
    figures = {key: (figures_of(a[key]), figures_of(b[key])) for key in keys}
    return tuple(
        difference(
            measure,
            {key: (left[measure.name], right[measure.name]) for key, (left, right) in figures.items()},
        )
        for measure in MEASURES
    )


def figures_of(run: ScoredRun) -> dict[str, float | None]:
    """Each measure of a run; None where there is nothing to measure, or nobody measured it."""
    score = run.score
    found = [campaign.found for campaign in score.campaigns]
    shares = [campaign.leakage.share for campaign in score.campaigns if campaign.leakage.share is not None]
    return {
        "campaign recall": sum(found) / len(found) if found else None,
        "account recall": score.accounts.recall.share,
        "exchange recall": score.exchanges.recall.share,
        "benign account error": score.benign.share,
        "false campaigns": float(len(score.false_campaigns)),
        # Only where every campaign's is known: else a detector would gain by not being measured.
        "leakage": float(np.median(shares)) if shares and len(shares) == len(found) else None,
        "time": run.wall_s if run.wall_s is not None else score.spent.wall_s,
        "memory": run.peak_bytes if run.peak_bytes is not None else score.spent.peak_bytes,
    }


def difference(measure: Measure, figures: Mapping[Key, tuple[float | None, float | None]]) -> Difference:
    """B less A of one measure, from the figures (a, b) of each pair of runs."""
    pairs = [(x, y) for x, y in figures.values() if x is not None and y is not None]
    unmeasured = _spelled([key for key, (x, y) in figures.items() if x is None or y is None])
    if not pairs:
        none = (None, None, None, None, None)
        return Difference(measure.name, measure.unit, 0, *none, 0, 0, 0, None, unmeasured)
    left, right = np.array(pairs).T
    apart = right - left
    better = int(np.sum(apart * measure.better > 0))
    worse = int(np.sum(apart * measure.better < 0))
    return Difference(
        measure.name,
        measure.unit,
        len(pairs),
        float(left.mean()),
        float(right.mean()),
        float(apart.mean()),
        *bootstrap_interval(apart),
        better,
        worse,
        len(pairs) - better - worse,
        float(binomtest(better, better + worse).pvalue) if better + worse else None,
        unmeasured,
    )


def bootstrap_interval(values: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float | None, float | None]:
    """95 % percentile bootstrap interval of the mean; (None, None) with fewer than two values.

    The same values give the same interval. With few values it is too narrow: three seeds are three seeds.
    """
    if len(values) < 2:
        return None, None
    chance = np.random.Generator(np.random.PCG64(_SEED))
    means = [
        values[chance.integers(len(values), size=(_BATCH, len(values)))].mean(axis=1)
        for _ in range(RESAMPLES // _BATCH)
    ]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)


def _names(runs: Mapping[Key, ScoredRun]) -> str:
    names = _spelled(sorted(runs))
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "") or "none"


def _spelled(keys: Sequence[Key]) -> tuple[str, ...]:
    return tuple(f"{world}-{seed}" for world, seed in keys)
