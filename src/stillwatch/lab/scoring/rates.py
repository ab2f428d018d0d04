"""Shares with exact intervals, and precision with recall."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scipy.stats import beta

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Rate:
    """`hits` of `total` with the exact (Clopper-Pearson) interval at 95 %; None where total is 0."""

    hits: int
    total: int

    @classmethod
    def add(cls, rates: "Iterable[Rate]") -> "Rate":
        """The rate over several groups that share nothing: hits and totals are added."""
        rates = list(rates)
        return cls(sum(rate.hits for rate in rates), sum(rate.total for rate in rates))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Rate":
        """From `to_dict`; only hits and total are read."""
        return cls(int(data["hits"]), int(data["total"]))

    @property
    def share(self) -> float | None:
        """hits / total."""
        return self.hits / self.total if self.total else None

    @property
    def low(self) -> float | None:
        """Lower end of the interval (Clopper and Pearson 1934: a quantile of a Beta distribution)."""
        if not self.total:
            return None
        tail = (1 - CONFIDENCE) / 2
        return float(beta.ppf(tail, self.hits, self.total - self.hits + 1)) if self.hits else 0.0

    @property
    def high(self) -> float | None:
        """Upper end of the interval."""
        if not self.total:
            return None
        tail = (1 - CONFIDENCE) / 2
        return (
            float(beta.ppf(1 - tail, self.hits + 1, self.total - self.hits))
            if self.hits < self.total
            else 1.0
        )

    def to_dict(self) -> dict[str, float | int | None]:
        """For JSON."""
        return {
            "hits": self.hits,
            "total": self.total,
            "share": self.share,
            "low": self.low,
            "high": self.high,
        }


@dataclass(frozen=True)
class Agreement:
    """Reported things against true things: precision and recall, each with its interval."""

    precision: Rate
    recall: Rate

    @classmethod
    def of(cls, reported: set[str], true: set[str]) -> "Agreement":
        """Of two sets of names."""
        hits = len(reported & true)
        return cls(Rate(hits, len(reported)), Rate(hits, len(true)))

    @classmethod
    def add(cls, agreements: "Iterable[Agreement]") -> "Agreement":
        """Over several groups that share nothing."""
        agreements = list(agreements)
        return cls(Rate.add(a.precision for a in agreements), Rate.add(a.recall for a in agreements))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Agreement":
        """From `to_dict`."""
        return cls(Rate.from_dict(data["precision"]), Rate.from_dict(data["recall"]))

    def to_dict(self) -> dict[str, dict[str, float | int | None]]:
        """For JSON."""
        return {"precision": self.precision.to_dict(), "recall": self.recall.to_dict()}
