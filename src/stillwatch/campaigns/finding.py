"""What one family of evidence says about one group, in figures and in words."""

from dataclasses import dataclass

from stillwatch.campaigns.evalues import LN10
from stillwatch.campaigns.tables import Rung


@dataclass(frozen=True)
class Finding:
    """One row of the `evidence` table.

    Attributes:
        rung: rung of the ladder that it speaks to.
        family: family of evidence.
        statistic: name of the statistic shown.
        value: the statistic; None where it could not be computed.
        expected: what the innocent null model expects of it.
        n: accounts, exchanges or pairs it rests on.
        log_e: natural logarithm of the e-value.
        null_model: the innocent null model, in words.
        words: the finding, in words.
    """

    rung: Rung
    family: str
    statistic: str
    value: float | None
    expected: float | None
    n: int
    log_e: float
    null_model: str
    words: str

    @property
    def log10_e(self) -> float:
        """Common logarithm of the e-value, within what a double and a reader can take."""
        return max(-9_999.0, min(9_999.0, self.log_e / LN10))
