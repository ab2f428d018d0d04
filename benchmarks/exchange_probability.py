"""Are the probabilities what happens? Members, exchanges and shares against the truth of laboratory worlds.

    python -m benchmarks.exchange_probability --world resellers --world personas --seed 47
    python -m benchmarks.exchange_probability --scanned FOLDER   # scans that are there: FOLDER/*/{world,out/steps}

Prints reliability tables (predicted against true share, by decile), what the intervals of shares cover, precision and
recall of the flagged exchanges of each campaign, members by how many exchanges they have, and innocents among the
members. All exchanges of members are counted, those below the threshold of flagging included.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from benchmarks.ablation import OUT, scanned
from stillwatch.lab.scoring.rates import Rate

WORLDS = ("first", "resellers", "reseller_networks", "personas", "imitation", "sittings", "slow", "wording")
LIVES = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, 10**9))
SURE = (0.0, 0.8, 0.9, 0.95, 0.99, 1.0)
DECILES = tuple(round(0.1 * k, 1) for k in range(11))
Floats = NDArray[np.float64]

_TABLES = """
CREATE TABLE label AS SELECT * FROM read_parquet('{world}/labels.parquet');
CREATE TABLE flagged AS SELECT * FROM read_parquet('{out}/flagged.parquet');
CREATE TABLE member AS SELECT * FROM read_parquet('{out}/members.parquet');
CREATE TABLE account AS SELECT account_id, COUNT(*) AS n, COUNT(campaign_id) AS n_campaign, MODE(stratum) AS stratum
    FROM label GROUP BY account_id;
CREATE TABLE probable AS
    SELECT s.exchange_id, c.candidate, c.probability
    FROM read_parquet('{out}/steps/signals.parquet') AS s
    JOIN read_parquet('{out}/steps/cell_probabilities.parquet') AS c ON c.account_id = s.account_id
        AND c.prompt_template = COALESCE(s.prompt_template, '')
        AND c.system_template = COALESCE(s.system_template, '')
        AND c.settings = CONCAT(s.model, ' ', COALESCE(CAST(s.max_output_tokens AS VARCHAR), '-'));
"""
_EXCHANGES = """
SELECT p.probability, l.campaign_id IS NOT NULL FROM (
    SELECT exchange_id, MAX(probability) AS probability FROM probable GROUP BY exchange_id) AS p
JOIN label AS l ON l.exchange_id = p.exchange_id
"""
_MEMBERS = """
SELECT m.probability, a.n_campaign > 0, m.share_low, m.share_high, a.n_campaign * 1.0 / a.n, a.n
FROM (SELECT account_id, MAX(probability) AS probability, MIN(share_low) AS share_low, MAX(share_high) AS share_high
    FROM member GROUP BY account_id) AS m JOIN account AS a ON a.account_id = m.account_id
"""
_CAMPAIGNS = """
WITH hits AS (
    SELECT f.campaign_id AS found, l.campaign_id AS campaign, COUNT(*) AS n
    FROM flagged AS f JOIN label AS l ON l.exchange_id = f.exchange_id GROUP BY ALL
), best AS (
    SELECT found, campaign, n, ROW_NUMBER() OVER (PARTITION BY found ORDER BY n DESC) AS place,
        SUM(n) OVER (PARTITION BY found) AS total,
        SUM(CASE WHEN campaign IS NOT NULL THEN n ELSE 0 END) OVER (PARTITION BY found) AS hostile
    FROM hits
)
SELECT b.campaign, SUM(b.n), SUM(b.hostile), SUM(b.total),
    (SELECT COUNT(*) FROM label WHERE campaign_id = b.campaign) AS true_n
FROM best AS b WHERE b.place = 1 AND b.campaign IS NOT NULL GROUP BY b.campaign ORDER BY b.campaign
"""
_LIVES = """
SELECT a.n, m.account_id IS NOT NULL FROM account AS a
LEFT JOIN (SELECT DISTINCT account_id FROM member) AS m ON m.account_id = a.account_id
WHERE a.account_id IN (SELECT account_id FROM label WHERE campaign_id IN (
    SELECT l.campaign_id FROM flagged AS f JOIN label AS l ON l.exchange_id = f.exchange_id
    WHERE l.campaign_id IS NOT NULL GROUP BY l.campaign_id
    HAVING COUNT(*) >= 0.1 * (SELECT COUNT(*) FROM label AS o WHERE o.campaign_id = l.campaign_id)))
"""
_INNOCENT = """
SELECT a.stratum, COUNT(*), COUNT(m.account_id) FROM account AS a
LEFT JOIN (SELECT DISTINCT account_id FROM member) AS m ON m.account_id = a.account_id
WHERE a.n_campaign = 0 GROUP BY a.stratum
"""


@dataclass(frozen=True)
class Measured:
    """One scan against the truth.

    Attributes:
        name: of the folder.
        exchanges: shape (n, 2); probability, and whether it is of a campaign; all exchanges of members.
        members: shape (n, 6); probability, whether it is a member, low and high end of the share, the true share,
            exchanges of the account.
        campaigns: name, exchanges flagged that are of it, that are of any, flagged, and of it in all.
        lives: shape (n, 2); exchanges of each true account of a campaign that was found, and whether it is a member.
        innocent: stratum -> accounts, members.
    """

    name: str
    exchanges: Floats
    members: Floats
    campaigns: list[tuple[str, int, int, int, int]]
    lives: Floats
    innocent: dict[str, tuple[int, int]]


def main(wanted: list[str] | None = None) -> None:
    given = _arguments(wanted)
    if given.scanned is not None:
        folders = sorted(path.parent.parent for path in given.scanned.glob("*/out/steps"))
    else:
        folders = [scanned(world, given.seed, given.scale, OUT) for world in given.world or WORLDS]
    measured = [measure(folder) for folder in folders if (folder / "out" / "summary.json").exists()]
    print("\n".join(report(measured)))


def measure(folder: Path) -> Measured:
    """Reads folder/out (results with their steps) and folder/world (labels)."""
    store = duckdb.connect()
    store.execute(_TABLES.format(world=folder / "world", out=folder / "out"))

    def floats(query: str, columns: int) -> Floats:
        return np.array(store.execute(query).fetchall(), dtype=np.float64).reshape(-1, columns)

    return Measured(
        folder.name,
        floats(_EXCHANGES, 2),
        floats(_MEMBERS, 6),
        store.execute(_CAMPAIGNS).fetchall(),
        floats(_LIVES, 2),
        {stratum: (n, hit) for stratum, n, hit in store.execute(_INNOCENT).fetchall()},
    )


def report(measured: Sequence[Measured]) -> list[str]:
    """All tables, in lines of Markdown."""
    exchanges = np.concatenate([one.exchanges for one in measured])
    members = np.concatenate([one.members for one in measured])
    lives = np.concatenate([one.lives for one in measured])
    covered = (members[:, 2] - 1e-9 <= members[:, 4]) & (members[:, 4] <= members[:, 3] + 1e-9)
    innocent = [one.innocent for one in measured]
    return [
        f"Scans: {', '.join(one.name for one in measured)}",
        *_reliability("exchanges of members", exchanges[:, 0], exchanges[:, 1], DECILES),
        *_reliability("members", members[:, 0], members[:, 1], SURE),
        "",
        f"True share within its 95 % interval: {_rate(covered)}",
        *_campaigns(measured),
        *_lives(lives),
        *_innocent(innocent),
    ]


def _reliability(what: str, predicted: Floats, happened: Floats, edges: Sequence[float]) -> Iterable[str]:
    yield from ("", f"| {what}, probability | n | predicted | true (95 %) |", "|---|---|---|---|")
    for low, high in pairwise(edges):
        inside = (predicted >= low) & ((predicted < high) | (high == edges[-1]))
        if inside.any():
            mean = predicted[inside].mean()
            yield f"| {low:g} to {high:g} | {inside.sum():,} | {mean:.3f} | {_rate(happened[inside])} |"


def _campaigns(measured: Sequence[Measured]) -> Iterable[str]:
    yield from ("", "| scan | campaign | flagged | precision | recall |", "|---|---|---|---|---|")
    for one in measured:
        for name, own, hostile, flagged, total in one.campaigns:
            yield (
                f"| {one.name} | {name} | {flagged:,} | {Rate(int(hostile), int(flagged)).share or 0:.4f} "
                f"| {Rate(int(own), int(total)).share or 0:.3f} |"
            )


def _lives(lives: Floats) -> Iterable[str]:
    yield from ("", "| exchanges of a campaign's account | members (95 %) |", "|---|---|")
    for low, high in LIVES:
        inside = (lives[:, 0] >= low) & (lives[:, 0] <= high)
        if inside.any():
            name = f"{low} and more" if high >= 10**9 else str(low) if low == high else f"{low} to {high}"
            yield f"| {name} | {_rate(lives[inside, 1])} |"


def _innocent(found: Sequence[dict[str, tuple[int, int]]]) -> Iterable[str]:
    strata = sorted({stratum for one in found for stratum in one})
    rates = {s: Rate.add(Rate(one[s][1], one[s][0]) for one in found if s in one) for s in strata}
    yield from ("", "| innocent accounts | members (95 %) |", "|---|---|")
    yield f"| all | {_words(Rate.add(rates.values()))} |"
    yield from (f"| {s} | {_words(rate)} |" for s, rate in rates.items() if rate.hits)


def _rate(hits: Floats | NDArray[np.bool_]) -> str:
    return _words(Rate(int(hits.sum()), len(hits)))


def _words(rate: Rate) -> str:
    return f"{rate.hits:,} of {rate.total:,} = {rate.share or 0:.5f} ({rate.low or 0:.5f} to {rate.high or 0:.5f})"


def _arguments(wanted: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exchange_probability", description=__doc__)
    parser.add_argument("--world", action="append", help="this world; may be repeated")
    parser.add_argument("--seed", type=int, default=47, help="seed of the worlds")
    parser.add_argument("--scale", default="small", help="scale of the worlds")
    parser.add_argument("--scanned", type=Path, help="folder of scans with their steps, instead of worlds")
    return parser.parse_args(wanted)


if __name__ == "__main__":
    main()
