"""The targets: what is measured, and what it shall be for static and for adaptive campaigns."""

from dataclasses import dataclass
from enum import StrEnum

from stillwatch.lab.suites.variants import STILLWATCH, WIDE
from stillwatch.lab.targets import measures as of
from stillwatch.lab.targets.adaptivity import Side
from stillwatch.lab.targets.evasion import cost_of_evasion
from stillwatch.lab.targets.figures import Figure
from stillwatch.lab.targets.measures import LARGE, SMALL, Measure


class Unit(StrEnum):
    """How a figure is told."""

    SHARE = "share"
    POINTS = "points"
    COUNT = "count"
    TIMES = "times"


class Standing(StrEnum):
    """Whether an aim is met."""

    MET = "met"
    MET_SO_FAR = "met, but the interval reaches beyond"
    MISSED = "missed"
    NOT_MEASURED = "not measured"
    NO_AIM = "no aim"


@dataclass(frozen=True)
class Aim:
    """A bound, and whether a figure shall be at least that (else at most)."""

    bound: float
    at_least: bool = True

    def standing(self, figure: Figure) -> Standing:
        """By the figure; whether the whole interval agrees is told apart."""
        if figure.value is None:
            return Standing.NOT_MEASURED
        if not self._met(figure.value):
            return Standing.MISSED
        far = figure.low if self.at_least else figure.high
        return Standing.MET if far is not None and self._met(far) else Standing.MET_SO_FAR

    def _met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True)
class Target:
    """One row of the table.

    Attributes:
        name: what is measured.
        unit: how it is told.
        static: aim for static campaigns; None for none.
        adaptive: aim for adaptive ones.
        measure: of static campaigns.
        measure_adaptive: of adaptive ones, where it differs.
    """

    name: str
    unit: Unit
    static: Aim | None
    adaptive: Aim | None
    measure: Measure
    measure_adaptive: Measure | None = None

    def aim(self, side: Side) -> Aim | None:
        """The aim of a column."""
        return self.static if side is Side.STATIC else self.adaptive

    def measure_of(self, side: Side) -> Measure:
        """The measure of a column."""
        return self.measure_adaptive or self.measure if side is Side.ADAPTIVE else self.measure


def _at_least(bound: float | None) -> Aim | None:
    return None if bound is None else Aim(bound)


def _at_most(bound: float) -> Aim:
    return Aim(bound, at_least=False)


def _shares(
    name: str, static: float | None, adaptive: float | None, measure: Measure, unit: Unit = Unit.SHARE
) -> Target:
    return Target(name, unit, _at_least(static), _at_least(adaptive), measure)


def _counts(name: str, static: float, adaptive: float, measure: Measure, unit: Unit = Unit.COUNT) -> Target:
    return Target(name, unit, _at_most(static), _at_most(adaptive), measure)


TARGETS: tuple[Target, ...] = (
    _shares(f"campaigns of {LARGE} accounts and more that are found", 1.0, 0.90, of.campaigns_found(LARGE)),
    _shares(
        f"campaigns of {SMALL + 1} to {LARGE - 1} accounts that are found",
        None,
        None,
        of.campaigns_found(SMALL + 1, LARGE - 1),
    ),
    _shares(
        f"campaigns of about 20 accounts (up to {SMALL}) that are found",
        0.95,
        0.60,
        of.campaigns_found(1, SMALL),
    ),
    _counts("benign accounts in reported campaigns", 1e-5, 1e-5, of.benign_accused, Unit.SHARE),
    _counts("the same in the worst stratum", 1e-4, 1e-4, of.worst_stratum, Unit.SHARE),
    _counts("false campaigns in a benign month of a million accounts", 1, 1, of.false_campaigns),
    _counts(
        "exchanges gone before the verdict, median; a missed campaign's are all gone",
        1_000,
        10_000,
        of.leakage(0.5, missed=True),
    ),
    _counts("the same, 95th percentile", 5_000, 50_000, of.leakage(0.95, missed=True)),
    _counts(
        "exchanges gone before the verdict, median of the found campaigns",
        1_000,
        10_000,
        of.leakage(0.5, missed=False),
    ),
    _counts(
        "the same, 95th percentile of the found campaigns", 5_000, 50_000, of.leakage(0.95, missed=False)
    ),
    _shares("B-cubed F1 of the accounts", 0.97, 0.90, of.b_cubed),
    _shares("pairs of accounts reported together that belong together", 0.999, 0.99, of.pair_precision),
    _shares(
        "exchanges in a reseller at 20 %: precision", 0.98, 0.90, of.mixture_exchanges(20.0, "precision")
    ),
    _shares("exchanges in a reseller at 20 %: recall", 0.90, 0.75, of.mixture_exchanges(20.0, "recall")),
    _shares("exchanges in a reseller at 5 %: precision", 0.90, None, of.mixture_exchanges(5.0, "precision")),
    _shares("exchanges in a reseller at 5 %: recall", 0.80, None, of.mixture_exchanges(5.0, "recall")),
    Target(
        "exchanges of a replaced account until it is joined, median",
        Unit.COUNT,
        _at_most(10),
        _at_most(50),
        of.joined_after(10),
        of.joined_after(50),
    ),
    _shares("accounts joined after the verdict that are members", 0.99, 0.99, of.joined_rightly),
    *(
        _shares(
            f"simulations in which false discovery stays within {100 * level:g} %",
            0.95,
            0.95,
            of.kept_its_rate((STILLWATCH, WIDE), level),
        )
        for level in (0.001, 0.01, 0.05)
    ),
    _shares("text dropped: difference in campaigns found", -0.02, -0.05, of.lost_without_text, Unit.POINTS),
    _shares(
        "text dropped: difference in exchanges found",
        -0.02,
        -0.05,
        of.exchanges_lost_without_text,
        Unit.POINTS,
    ),
    _shares(
        f"network, payment and header columns absent: campaigns of {LARGE} accounts and more found",
        0.95,
        0.80,
        of.found_without_network,
    ),
    _shares("attacker's cost at 50 % recall, naive campaign = 1", None, 10.0, cost_of_evasion, Unit.TIMES),
)
