"""The runs of a suite -> one row for each world and detector, pooled over seeds, and one for each detector."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from stillwatch.lab.scoring.rates import Rate
from stillwatch.lab.suites.records import rounded

ALL_WORLDS = "all worlds"

Score = Mapping[str, Any]


def table(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a suite's table.

    Counts are added over seeds before they become shares, so that a world with more accounts weighs more;
    intervals are exact (Clopper and Pearson) and take accounts, and campaigns, as independent.

    Args:
        runs: those of quality.json.

    Returns:
        For each world, then for all worlds, one row a detector in the order of the runs: world, detector,
        baseline, seeds, null_seeds, failed (runs without a score), campaigns (found of all),
        accounts_precision, accounts_recall, exchanges_precision, exchanges_recall, benign (benign accounts
        reported of all), false_campaigns, fragments, leakage (median share of a campaign that is gone before
        its verdict), null_reports (campaigns reported in worlds without any), null_benign (accounts reported
        there of all).
    """
    runs = detectors_only(runs)
    worlds = list(dict.fromkeys(run["world"] for run in runs))
    detectors = list(dict.fromkeys(run["detector"] for run in runs))
    rows = []
    for world in [*worlds, ALL_WORLDS]:
        for detector in detectors:
            mine = [r for r in runs if r["detector"] == detector and world in (r["world"], ALL_WORLDS)]
            if mine:
                rows.append({"world": world, "detector": detector} | _row(mine))
    return rows


def _row(runs: list[Mapping[str, Any]]) -> dict[str, Any]:
    scores = [run["score"] for run in runs if run["score"] is not None and not run["null"]]
    quiet = [run["score"] for run in runs if run["score"] is not None and run["null"]]
    campaigns = [campaign for score in scores for campaign in score["campaigns"]]
    figures = {
        "baseline": runs[0]["baseline"],
        "seeds": len({(run["world"], run["seed"]) for run in runs if not run["null"]}),
        "null_seeds": len({(run["world"], run["seed"]) for run in runs if run["null"]}),
        "failed": sum(run["score"] is None for run in runs),
        "campaigns": Rate(sum(c["found"] for c in campaigns), len(campaigns)).to_dict(),
        "accounts_precision": _pooled(scores, lambda s: s["accounts"]["precision"]),
        "accounts_recall": _pooled(scores, lambda s: s["accounts"]["recall"]),
        "exchanges_precision": _pooled(scores, lambda s: s["exchanges"]["precision"]),
        "exchanges_recall": _pooled(scores, lambda s: s["exchanges"]["recall"]),
        "benign": _pooled(scores, lambda s: s["benign"]),
        "false_campaigns": sum(len(score["false_campaigns"]) for score in scores),
        "fragments": sum(len(score["fragments"]) for score in scores),
        "leakage": _leakage(scores),
        "null_reports": sum(reports(score) for score in quiet),
        "null_benign": _pooled(quiet, lambda s: s["benign"]),
    }
    return dict(rounded(figures))


def detectors_only(runs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Without the variants of Stillwatch: they ran on some of the worlds only, and stand in the targets."""
    return [run for run in runs if not run.get("variant", False)]


def scenarios(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Rate]]:
    """Campaigns found of all, by family of scenario and detector, over all worlds and seeds."""
    runs = detectors_only(runs)
    detectors = list(dict.fromkeys(run["detector"] for run in runs))
    cells: dict[str, dict[str, list[bool]]] = {}
    for run in runs:
        for campaign in run["score"]["campaigns"] if run["score"] is not None else []:
            row = cells.setdefault(campaign["scenario"]["family"], {name: [] for name in detectors})
            row[run["detector"]].append(campaign["found"])
    return {
        family: {name: Rate(sum(found), len(found)) for name, found in cells[family].items()}
        for family in sorted(cells)
    }


def strata(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Rate]]:
    """Benign accounts reported of all, by stratum and detector, over all worlds and seeds, null ones too."""
    runs = detectors_only(runs)
    detectors = list(dict.fromkeys(run["detector"] for run in runs))
    cells: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for run in runs:
        for stratum, rate in run["score"]["benign_by_stratum"].items() if run["score"] is not None else []:
            cells.setdefault(stratum, {name: [] for name in detectors})[run["detector"]].append(rate)
    return {
        stratum: {
            name: Rate(sum(r["hits"] for r in rates), sum(r["total"] for r in rates))
            for name, rates in cells[stratum].items()
        }
        for stratum in sorted(cells)
    }


def reports(score: Score) -> int:
    """Campaigns that a detector reported in a world that has none."""
    return len(score["false_campaigns"]) + len(score["fragments"])


def _pooled(scores: Iterable[Score], rate: Callable[[Score], Mapping[str, Any]]) -> dict[str, Any]:
    rates = [rate(score) for score in scores]
    return Rate(sum(r["hits"] for r in rates), sum(r["total"] for r in rates)).to_dict()


def _leakage(scores: Iterable[Score]) -> float | None:
    """Median over the true campaigns; one that was missed, or judged when all was over, is gone as a whole."""
    shares = [campaign["leakage"] for score in scores for campaign in score["campaigns"]]
    known = [share for share in shares if share is not None]
    return median(known) if known else None
