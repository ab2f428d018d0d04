"""The attacker's cost of evasion against that of a naive campaign, per exchange."""

from collections.abc import Sequence

from stillwatch.lab.scoring.price import TARGET, Price, Reached, prices
from stillwatch.lab.targets.adaptivity import Side, side
from stillwatch.lab.targets.figures import NOTHING, Figure, resampled
from stillwatch.lab.targets.material import Material, Simulation

NAIVE = "dirty"
"""Family of the naive campaign: accounts in bulk, rented servers, a balancer, fixed templates."""


def cost_of_evasion(material: Material, wanted: Side) -> Figure:
    """Money per exchange of the cheapest family of which half of the exchanges escape, against the naive campaign.

    Money only: accounts and delay stand in the prices of `lab score`. Where no family of the column escapes, the
    cost is more than that of the dearest one tried, which is then the figure.
    """
    runs = material.scans()
    naive = _naive(runs)
    found = _cheapest(runs, wanted)
    if naive is None or found is None:
        return NOTHING
    _, price = found
    words = f"{naive:,.2f} EUR per 1,000 exchanges if naive"
    if price is None:
        words = f"no family escapes by half; the dearest tried; {words}"
    else:
        bound = "at most " if price.reached is Reached.CHEAPEST else ""
        words = f"{price.family}: {bound}{price.money_eur:,.2f}; {words}"
    return resampled(runs, lambda drawn: _ratio(drawn, wanted), words)


def _ratio(runs: Sequence[Simulation], wanted: Side) -> float | None:
    naive, found = _naive(runs), _cheapest(runs, wanted)
    return found[0] / naive if naive and found is not None else None


def _naive(runs: Sequence[Simulation]) -> float | None:
    tried = [c.scenario for s in runs for c in s.score.campaigns if c.scenario.family == NAIVE]
    exchanges = sum(scenario.n_exchanges for scenario in tried)
    return (
        1_000 * sum(scenario.cost_money_eur or 0.0 for scenario in tried) / exchanges if exchanges else None
    )


def _cheapest(runs: Sequence[Simulation], wanted: Side) -> tuple[float, Price | None] | None:
    """Money per 1,000 exchanges, and the price it is of; no price where every family is found."""
    campaigns = [c for s in runs for c in s.score.campaigns if side(c.scenario) is wanted]
    tried = prices((c.scenario, c.exchanges.recall) for c in campaigns)
    escaped = [(p.money_eur, p) for p in tried if p.money_eur is not None]
    if escaped:
        return min(escaped, key=lambda one: (one[0], one[1].family))
    dearest = [d.money_eur for p in tried for d in p.doses if (d.recall.share or 0.0) > TARGET]
    return (max(dearest), None) if dearest else None
