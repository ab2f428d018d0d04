"""Two quality.json compared, run by run: what became worse, what became better.

Compared are the runs that both files have: same world, seed, with or without campaigns, and detector. The
same code gives the same file, so by default nothing may become worse but the two recalls, by two points
(`Tolerance`). Baselines are others' rules: what changes there is told and is no regression of ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stillwatch.lab.suites.settings import Tolerance

Run = Mapping[str, Any]
Pair = tuple[Run, Run]


@dataclass(frozen=True)
class Comparison:
    """What has changed, in sentences.

    Attributes:
        regressions: worse than the tolerance allows.
        improvements: better.
        remarks: changes within the tolerance, of baselines, or of what was run.
    """

    regressions: list[str] = field(default_factory=list)
    improvements: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def compare(before: Mapping[str, Any], now: Mapping[str, Any], tolerance: Tolerance) -> Comparison:
    """Compares two contents of quality.json."""
    found = Comparison()
    old, new = _by_key(before), _by_key(now)
    _tell_missing(old, new, found)
    pairs: dict[tuple[str, str], list[Pair]] = {}
    for key in new:
        if key not in old or (old[key]["score"] is None and new[key]["score"] is None):
            continue
        where = f"{_place(new[key])}, {new[key]['detector']}"
        if new[key]["score"] is None:
            _worse(found, new[key], f"{where}: the run fails now: {new[key]['error']}")
        elif old[key]["score"] is None:
            found.improvements.append(f"{where}: the run failed and has a score now")
        else:
            pairs.setdefault((new[key]["world"], new[key]["detector"]), []).append((old[key], new[key]))
    for (world, detector), runs in pairs.items():
        _campaigns(f"{world}, {detector}", runs, tolerance, found)
        _counts(f"{world}, {detector}", runs, tolerance, found)
        _recalls(f"{world}, {detector}", runs, tolerance, found)
    return found


def _by_key(quality: Mapping[str, Any]) -> dict[tuple[Any, ...], Run]:
    names = ("world", "seed", "null", "detector")
    return {tuple(run[name] for name in names): run for run in quality["runs"]}


def _place(run: Run) -> str:
    return f"{run['world']} seed {run['seed']}{' without campaigns' if run['null'] else ''}"


def _worse(found: Comparison, run: Run, words: str, *, tolerated: bool = False) -> None:
    (found.remarks if tolerated or run["baseline"] else found.regressions).append(words)


def _tell_missing(
    old: Mapping[tuple[Any, ...], Run], new: Mapping[tuple[Any, ...], Run], found: Comparison
) -> None:
    for one, other, words in ((old, new, "was run before and is not run now"), (new, old, "is run anew")):
        missing: dict[str, list[str]] = {}
        for key in one:
            if key not in other:
                missing.setdefault(one[key]["detector"], []).append(_place(one[key]))
        found.remarks.extend(f"{name} {words} on {', '.join(where)}" for name, where in missing.items())


def _campaigns(where: str, runs: list[Pair], tolerance: Tolerance, found: Comparison) -> None:
    lost, won, gone = [], [], []
    for before, now in runs:
        old = {c["campaign_id"]: c["found"] for c in before["score"]["campaigns"]}
        new = {c["campaign_id"]: c["found"] for c in now["score"]["campaigns"]}
        names = {name: f"{name} (seed {now['seed']})" for name in sorted(old | new)}
        lost += [words for name, words in names.items() if old.get(name) and new.get(name) is False]
        won += [words for name, words in names.items() if old.get(name) is False and new.get(name)]
        gone += [words for name, words in names.items() if (name in old) != (name in new)]
    if lost:
        words = f"{where}: found before and missed now: {', '.join(lost)}"
        _worse(found, runs[0][1], words, tolerated=len(lost) <= tolerance.lost_campaigns)
    if won:
        found.improvements.append(f"{where}: missed before and found now: {', '.join(won)}")
    if gone:
        found.remarks.append(f"{where}: campaigns that stand in one of the files only: {', '.join(gone)}")


def _counts(where: str, runs: list[Pair], tolerance: Tolerance, found: Comparison) -> None:
    """Worlds with and without campaigns together: an innocent account is innocent in both."""
    for words, allowed, count in (
        ("benign accounts reported", tolerance.benign_accounts, lambda s: s["benign"]["hits"]),
        ("false campaigns", tolerance.false_campaigns, lambda s: len(s["false_campaigns"])),
    ):
        old, new = (sum(count(pair[side]["score"]) for pair in runs) for side in (0, 1))
        if new > old:
            _worse(found, runs[0][1], f"{where}: {words}: {old} -> {new}", tolerated=new - old <= allowed)
        elif new < old:
            found.improvements.append(f"{where}: {words}: {old} -> {new}")


def _recalls(where: str, runs: list[Pair], tolerance: Tolerance, found: Comparison) -> None:
    for kind, allowed in (
        ("accounts", tolerance.accounts_recall),
        ("exchanges", tolerance.exchanges_recall),
    ):
        old, new = (_recall([pair[side] for pair in runs], kind) for side in (0, 1))
        if old is None or new is None or round(old, 4) == round(new, 4):
            continue
        words = f"{where}: share of the campaigns' {kind} found: {old:.2%} -> {new:.2%}"
        if new < old:
            _worse(found, runs[0][1], words, tolerated=old - new <= allowed)
        else:
            found.improvements.append(words)


def _recall(runs: list[Run], kind: str) -> float | None:
    rates = [run["score"][kind]["recall"] for run in runs]
    total = sum(rate["total"] for rate in rates)
    return sum(rate["hits"] for rate in rates) / total if total else None
