"""The measures of the targets: scores of a suite -> one figure for the static or the adaptive campaigns."""

from collections.abc import Callable, Iterable, Sequence

from stillwatch.lab.scoring.calibration import Outcome
from stillwatch.lab.scoring.campaign import CampaignScore
from stillwatch.lab.scoring.grouping import Part
from stillwatch.lab.scoring.leakage import Stopped
from stillwatch.lab.scoring.rates import Rate
from stillwatch.lab.suites.variants import HASH_ONLY, WITHOUT_NETWORK
from stillwatch.lab.targets.adaptivity import Side
from stillwatch.lab.targets.figures import (
    NOTHING,
    Figure,
    event_rate,
    paired_difference,
    quantile,
    resampled,
    share,
)
from stillwatch.lab.targets.material import Material, Simulation

Measure = Callable[[Material, Side], Figure]
MONTH_DAYS = 30.4375
MILLION = 1_000_000
LARGE = 100
"""Accounts from which a campaign is large."""
SMALL = 31
"""Accounts up to which a campaign counts as one of about 20: nearer to 20 than to 50 by ratio."""
_MIXTURES = ("mixture", "evading_mixture")


def campaigns_found(least: int, most: int | None = None) -> Measure:
    """Share of the true campaigns with so many accounts that any reported one matches."""

    def measure(material: Material, wanted: Side) -> Figure:
        kept = [c for s in material.scans() for c in s.campaigns(wanted) if _sized(c, least, most)]
        return share(_found(kept))

    return measure


def found_without_network(material: Material, wanted: Side) -> Figure:
    """The same for large campaigns, network, payment and header columns left out."""
    runs = material.scans(detector=WITHOUT_NETWORK)
    kept = [c for s in runs for c in s.campaigns(wanted) if _sized(c, LARGE, None)]
    usual = [
        c for s, _ in material.pairs(WITHOUT_NETWORK) for c in s.campaigns(wanted) if _sized(c, LARGE, None)
    ]
    return share(_found(kept), f"(with them {_found(usual).hits:,})")


def benign_accused(material: Material, wanted: Side) -> Figure:
    """Benign accounts that are members of reported campaigns."""
    return share(Rate.add(s.score.benign for s in material.scans(wanted)))


def worst_stratum(material: Material, wanted: Side) -> Figure:
    """The same in the stratum in which it is largest; where none is accused, in the one that says least."""
    runs = material.scans(wanted)
    names = sorted({name for s in runs for name in s.score.benign_by_stratum})
    rates = {n: Rate.add(s.score.benign_by_stratum.get(n, Rate(0, 0)) for s in runs) for n in names}
    if not rates:
        return NOTHING
    worst = max(names, key=lambda name: (rates[name].share or 0.0, rates[name].high or 0.0))
    return share(rates[worst], f"in {worst}")


def false_campaigns(material: Material, wanted: Side) -> Figure:
    """False campaigns in a month of a million benign accounts."""
    runs = material.scans(wanted)
    months = sum(s.score.benign.total * s.days / MONTH_DAYS for s in runs)
    events = sum(len(s.score.false_campaigns) for s in runs)
    return event_rate(events, months, MILLION, f"{events} in {months:,.0f} account-months")


def leakage(level: float, *, missed: bool) -> Measure:
    """Quantile over campaigns of the true exchanges gone before the verdict of a replay.

    With `missed` a campaign that was never flagged counts as gone altogether, otherwise it is left out.
    """

    def measure(material: Material, wanted: Side) -> Figure:
        slices, gone, never = set(), [], 0
        for every, simulation in material.replays():
            for campaign in simulation.campaigns(wanted):
                is_missed = campaign.leakage.stopped is Stopped.MISSED
                if campaign.leakage.gone is not None and (missed or not is_missed):
                    slices.add(every)
                    gone.append(float(campaign.leakage.gone))
                    never += is_missed
        words = f"{len(gone):,} campaigns" + (f", {never:,} of them missed" if never else "")
        return quantile(gone, level, f"{words}; slices of {', '.join(sorted(slices))}") if gone else NOTHING

    return measure


def b_cubed(material: Material, wanted: Side) -> Figure:
    """B-cubed F1 over the accounts that are true or reported members."""
    return _of_parts(material, wanted, lambda part: part.b_cubed_f1)


def pair_precision(material: Material, wanted: Side) -> Figure:
    """Of the pairs of accounts reported together, those that belong together."""
    return _of_parts(material, wanted, lambda part: part.pair_precision)


def mixture_exchanges(percent: float, kind: str) -> Measure:
    """`precision` or `recall` of flagged exchanges, of campaigns with this share of a reseller's traffic."""

    def measure(material: Material, wanted: Side) -> Figure:
        kept = [
            c
            for s in material.scans()
            for c in s.campaigns(wanted)
            if c.scenario.family in _MIXTURES and c.scenario.dose == percent
        ]
        rate = Rate.add(getattr(c.exchanges, kind) for c in kept)
        return (
            share(rate, f"exchanges; {_found(kept).hits} of {len(kept)} campaigns found") if kept else NOTHING
        )

    return measure


def joined_after(bound: int) -> Measure:
    """Median number of a replaced account's exchanges until it is joined; short lives say nothing and are left out."""

    def measure(material: Material, wanted: Side) -> Figure:
        joinings = [c.joining for _, s in material.replays() for c in s.campaigns(wanted) if c.joining]
        waits = [float(n) for joining in joinings for n in joining.waits]
        never = [n for joining in joinings for n in joining.never]
        counted = sum(n >= bound for n in never)
        words = f"{len(waits) + counted:,} accounts, {counted:,} of them never"
        if len(never) > counted:
            words += f"; {len(never) - counted:,} ended before {bound}"
        return quantile(waits + [float("inf")] * counted, 0.5, words)

    return measure


def joined_rightly(material: Material, wanted: Side) -> Figure:
    """Of the accounts that a campaign took in after its verdict, those that are its members."""
    return share(
        Rate.add(c.joining.joined for _, s in material.replays() for c in s.campaigns(wanted) if c.joining)
    )


def kept_its_rate(detectors: Sequence[str], level: float) -> Measure:
    """Share of the simulations in which no more than `level` of what is reported at this level is false.

    Of a simulation that several detectors ran on, the first of them counts that reports up to this level.
    """

    def measure(material: Material, wanted: Side) -> Figure:
        kept: dict[object, bool] = {}
        for detector in detectors:
            for simulation in material.scans(wanted, detector):
                told = simulation.score.discoveries
                if told.usable and told.nominal is not None and told.nominal >= level:
                    at = [d.outcome for d in told.reported if d.fdr is not None and d.fdr <= level]
                    kept.setdefault(simulation.key, at.count(Outcome.FALSE) <= level * len(at))
        return share(Rate(sum(kept.values()), len(kept)), "simulations")

    return measure


def lost_without_text(material: Material, wanted: Side) -> Figure:
    """Difference in campaigns found when the text is dropped after its signatures are taken."""
    lost = won = total = 0
    for usual, other in material.pairs(HASH_ONLY):
        for before, after in zip(usual.campaigns(wanted), other.campaigns(wanted), strict=True):
            lost += before.found and not after.found
            won += after.found and not before.found
            total += 1
    return paired_difference(lost, won, total)


def exchanges_lost_without_text(material: Material, wanted: Side) -> Figure:
    """Difference in the share of the campaigns' exchanges that are flagged."""
    pairs = [
        (before.exchanges.recall, after.exchanges.recall)
        for usual, other in material.pairs(HASH_ONLY)
        for before, after in zip(usual.campaigns(wanted), other.campaigns(wanted), strict=True)
    ]

    def difference(drawn: Sequence[tuple[Rate, Rate]]) -> float | None:
        before, after = Rate.add(b for b, _ in drawn), Rate.add(a for _, a in drawn)
        return (after.share or 0.0) - (before.share or 0.0) if before.total else None

    return resampled(pairs, difference, f"{len(pairs):,} campaigns") if pairs else NOTHING


def _of_parts(material: Material, wanted: Side, figure: Callable[[Part], float | None]) -> Figure:
    runs = [s for s in material.scans(wanted) if s.score.campaigns]

    def pooled(drawn: Sequence[Simulation]) -> float | None:
        own = [campaign.part for s in drawn for campaign in s.campaigns(wanted)]
        return figure(Part.add([*own, *(s.score.false_part for s in drawn)]))

    items = sum(c.part.items for s in runs for c in s.campaigns(wanted))
    return resampled(runs, pooled, f"{items:,} accounts in {len(runs):,} simulations") if runs else NOTHING


def _sized(campaign: CampaignScore, least: int, most: int | None) -> bool:
    accounts = campaign.accounts.recall.total
    return accounts >= least and (most is None or accounts <= most)


def _found(campaigns: Iterable[CampaignScore]) -> Rate:
    kept = list(campaigns)
    return Rate(sum(campaign.found for campaign in kept), len(kept))
