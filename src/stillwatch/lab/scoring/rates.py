"""Shares with exact intervals, and precision with recall."""

from dataclasses import dataclass

from scipy.stats import beta

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Rate:
    """`hits` of `total` with the exact (Clopper-Pearson) interval at 95 %; None where total is 0."""

    hits: int
    total: int

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

    def to_dict(self) -> dict[str, dict[str, float | int | None]]:
        """For JSON."""
        return {"precision": self.precision.to_dict(), "recall": self.recall.to_dict()}
