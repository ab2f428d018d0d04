"""What analysts' verdicts say of the stated error rates: counted, with exact intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Any

import pyarrow as pa
from scipy.stats import binomtest

from stillwatch.campaigns.analyst_verdicts import AnalystVerdict, Opinion
from stillwatch.campaigns.known import KnownGroup
from stillwatch.campaigns.labelled import MOSTLY, Labelled, climb_log_e

CONFIDENCE = 0.95

MEANINGS = {
    Opinion.CONFIRMED: "groups like theirs need up to half a decade less evidence",
    Opinion.BENIGN: "groups like theirs need up to half a decade more evidence",
    Opinion.UNSURE: "change nothing",
}
OVER = {
    "benign_groups": "of {of} such groups that this run holds again reach the e-value of a campaign (their rate: "
    "{low:.1%} to {high:.1%}; stated: at most {stated:.2g})",
    "reported_before": "of {of} such campaigns with a verdict were found benign (their rate: {low:.1%} to {high:.1%}; "
    "stated: at most {stated:.2g})",
}


@dataclass(frozen=True)
class Count:
    """How many of how many, against a stated rate.

    Attributes:
        name: what is counted.
        of: how many were looked at.
        over: how many of them went wrong.
        stated: the rate that is stated of it.
    """

    name: str
    of: int
    over: int
    stated: float

    @property
    def interval(self) -> tuple[float, float]:
        """Exact 95% interval of the rate (Clopper & Pearson 1934); (0, 1) where nothing was looked at."""
        if not self.of:
            return 0.0, 1.0
        found = binomtest(self.over, self.of).proportion_ci(CONFIDENCE, "exact")
        return float(found.low), float(found.high)

    @property
    def contradicts(self) -> bool:
        """Whether the whole interval lies above the stated rate."""
        return self.interval[0] > self.stated

    def as_dict(self) -> dict[str, Any]:
        """For `summary.json`."""
        return {
            "of": self.of,
            "over": self.over,
            "interval": list(self.interval),
            "stated": self.stated,
            "contradicts": self.contradicts,
        }


@dataclass(frozen=True)
class AnalystCalibration:
    """Stated rates against analysts' verdicts.

    Attributes:
        benign_groups: groups found benign before that this run holds again; over: their e-values reach what a scan
            without verdicts needs.
        reported_before: campaigns of the known results with a verdict; over: those found benign.
    """

    benign_groups: Count
    reported_before: Count

    def as_dict(self) -> dict[str, Any]:
        """For `summary.json`."""
        return {
            "confidence": CONFIDENCE,
            "benign_groups": self.benign_groups.as_dict(),
            "reported_before": self.reported_before.as_dict(),
            "warnings": self.warnings(),
        }

    def warnings(self) -> list[str]:
        """What contradicts the stated rates, in words."""
        told = []
        if self.benign_groups.contradicts:
            told.append(
                _told(self.benign_groups, "groups that analysts found benign reach the e-value of a campaign")
            )
        if self.reported_before.contradicts:
            told.append(_told(self.reported_before, "campaigns with an analyst's verdict were found benign"))
        return told


def analyst_calibration(
    judged: Labelled,
    verdicts: Sequence[AnalystVerdict],
    groups: Mapping[str, KnownGroup],
    fdr: float,
) -> AnalystCalibration:
    """Count.

    Args:
        judged: this run's groups under the verdicts.
        verdicts: all that count.
        groups: of the known results.
        fdr: stated false-discovery rate.
    """
    said = {verdict.group_id: verdict.opinion for verdict in verdicts if verdict.account_id is None}
    settled = [
        opinion
        for name, opinion in said.items()
        if name is not None and groups[name].reported and opinion is not Opinion.UNSURE
    ]
    reported = Count("reported_before", len(settled), settled.count(Opinion.BENIGN), fdr)
    return AnalystCalibration(_benign_groups(judged), reported)


def with_measures(quality: pa.Table, told: Mapping[str, Any]) -> pa.Table:
    """The table `quality` with what `summary.json` says of analysts' verdicts (`Memory.told`)."""
    if not told:
        return quality
    counts, found = told["analyst_verdicts"], told["analyst_calibration"]
    rows = [
        ("analysts' verdicts", str(opinion), counts[str(opinion)], MEANINGS[opinion]) for opinion in Opinion
    ]
    quiet = len(counts["rows_without_traffic"])
    rows.append(
        ("analysts' verdicts", "without traffic", quiet, "on accounts that made no exchange in this run")
    )
    for name, subject in (("benign_groups", "found benign"), ("reported_before", "reported before")):
        count = found[name]
        low, high = count["interval"]
        what = OVER[name].format(of=count["of"], low=low, high=high, stated=count["stated"])
        rows.append(("analysts' calibration", subject, count["over"], what))
    rows += [("analysts' calibration", "warning", 1, warning) for warning in found["warnings"]]
    columns = zip(*rows, strict=True)
    added = [pa.array(values, kind) for values, kind in zip(columns, quality.schema.types, strict=True)]
    return pa.concat_tables([quality, pa.table(added, schema=quality.schema)])


def _benign_groups(judged: Labelled) -> Count:
    """Each group counts once, by the candidate that is most like it: chosen by discovery, not by its e-value."""
    over = of = 0
    stated = 0.0
    for label, shares in zip(judged.labels, judged.alike, strict=True):
        if label.verdict.opinion is not Opinion.BENIGN or not len(shares) or shares.max() < MOSTLY:
            continue
        alike = [(share, judged.groups[place].n_exchanges, -place) for place, share in enumerate(shares)]
        place = -max(alike)[2]
        needed = judged.without[place].required_log_e
        of += 1
        over += climb_log_e(judged.groups[place].tests) >= needed
        # An e-value of the null is that large with a probability of one in it at most (Markov).
        stated = max(stated, min(1.0, exp(-needed)))
    return Count("benign_groups", of, over, stated)


def _told(count: Count, what: str) -> str:
    low, high = count.interval
    return (
        f"{count.over} of {count.of} {what} ({low:.1%} to {high:.1%} with {CONFIDENCE:.0%} confidence), where at most "
        f"{count.stated:.2g} is stated: the null models do not fit this traffic, or verdicts are wrong; look at the "
        "groups again, and lower --fdr until it is settled"
    )
