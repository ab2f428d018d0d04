"""What evasion costs: the cheapest dose of a conduct at which half of a campaign's exchanges escape."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from stillwatch.lab.scoring.rates import Rate
from stillwatch.lab.scoring.scenarios import Scenario

TARGET = 0.5


class Reached(StrEnum):
    """Where recall falls to the target."""

    BETWEEN = "between two doses"
    CHEAPEST = "at the cheapest dose already"
    NOT = "not reached"


@dataclass(frozen=True)
class Dose:
    """One dose of a family: exchange recall, and the operator's cost per 1,000 exchanges."""

    dose: float | None
    recall: Rate
    money_eur: float
    accounts: float | None
    delay_hours: float | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "recall": self.recall.to_dict()}


@dataclass(frozen=True)
class Price:
    """The price of a family at 50 % exchange recall.

    Attributes:
        family: name of the family.
        reached: whether, and where, recall falls to 50 % or below.
        money_eur: money per 1,000 exchanges there; None if not reached. At the cheapest dose it is an upper
            bound: a smaller dose might do.
        accounts: accounts per 1,000 exchanges there.
        delay_hours: delay there.
        dose: dose there.
        doses: every dose tried, cheapest first.
    """

    family: str
    reached: Reached
    money_eur: float | None
    accounts: float | None
    delay_hours: float | None
    dose: float | None
    doses: tuple[Dose, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "doses": [dose.to_dict() for dose in self.doses]}


def prices(campaigns: Iterable[tuple[Scenario, Rate]]) -> tuple[Price, ...]:
    """The price of each family, by name, from its campaigns' exchange recall.

    Campaigns of one dose are added up; those without a stated cost are left out.
    """
    families: dict[str, dict[float | None, list[tuple[Scenario, Rate]]]] = {}
    for scenario, recall in campaigns:
        if scenario.cost_money_eur is not None and recall.total:
            families.setdefault(scenario.family, {}).setdefault(scenario.dose, []).append((scenario, recall))
    return tuple(
        _price(family, [_dose(dose, tried) for dose, tried in doses.items()])
        for family, doses in sorted(families.items())
    )


def _dose(dose: float | None, tried: list[tuple[Scenario, Rate]]) -> Dose:
    recall = Rate(sum(r.hits for _, r in tried), sum(r.total for _, r in tried))
    scenarios = [scenario for scenario, _ in tried]
    thousands = sum(s.n_exchanges or r.total for s, r in tried) / 1000
    money = sum(s.cost_money_eur or 0.0 for s in scenarios) / thousands
    accounts = [s.cost_accounts for s in scenarios if s.cost_accounts is not None]
    delays = [s.cost_delay_hours for s in scenarios if s.cost_delay_hours is not None]
    return Dose(
        dose,
        recall,
        money,
        sum(accounts) / thousands if len(accounts) == len(scenarios) else None,
        sum(delays) / len(delays) if delays else None,
    )


def _price(family: str, doses: list[Dose]) -> Price:
    # To the cent: chance differences between doses that cost the same must not order them; delay then does.
    doses.sort(key=lambda d: (round(d.money_eur, 2), d.delay_hours or 0.0, d.accounts or 0.0, d.dose or 0.0))
    tried = tuple(doses)
    at = next((n for n, d in enumerate(doses) if (d.recall.share or 0.0) <= TARGET), None)
    if at is None:
        return Price(family, Reached.NOT, None, None, None, None, tried)
    end = doses[at]
    if at == 0:
        figures = (end.money_eur, end.accounts, end.delay_hours, end.dose)
        return Price(family, Reached.CHEAPEST, *figures, tried)
    start = doses[at - 1]
    high, low = start.recall.share or 0.0, end.recall.share or 0.0
    way = (high - TARGET) / (high - low)
    return Price(
        family,
        Reached.BETWEEN,
        start.money_eur + way * (end.money_eur - start.money_eur),
        _between(start.accounts, end.accounts, way),
        _between(start.delay_hours, end.delay_hours, way),
        _between(start.dose, end.dose, way),
        tried,
    )


def _between(start: float | None, end: float | None, way: float) -> float | None:
    return None if start is None or end is None else start + way * (end - start)
