"""Baseline (e): accounts that repeatedly send the same prompt within a fixed time window are tied.

As the coordination toolkits for social media do it. From CooRTweet (Righetti & Balluff, R): accounts with
fewer than `min_participation` = 2 shares are left out; two shares of one object by two accounts within
`time_window` = 10 seconds are a pair; pairs of which neither account has `min_participation` shares in any
pair are dropped; the weight of an edge is its number of pairs; `edge_quantile` keeps only edges above that
quantile of all weights (CooRTweet suggests 0.5; off here, since it would drop every edge where all weights
are equal). From the Coordination Network Toolkit (QUT Digital Observatory, Python): `min_edge_weight` = 2,
texts are equal after lower case and white space, and `content = "similar"` takes texts for one object whose
sets of words have a Jaccard index of at least 0.8 (0.8 in CooRTweet's `detect_similar_text`, too).

Neither toolkit says what a campaign is: they draw the network. We take its connected components (or, with
`groups = "communities"`, its communities by modularity) of at least two accounts, and flag all exchanges of
the members (`flag = "share"`: only the shares that met a counterpart).

The Jaccard index is estimated from one byte of each of 64 min-hash bins (standard error 0.05 at 0.8; chance
agreement of 1/256 is taken out). Windows can hold many pairs: each share meets at most `max_counterparts`
earlier ones, nearest first; the summary says how many shares had more.

Blind to: a shared queue that never hands the same text out twice (no duplicate, no edge), and jitter beyond
the window. Hits: viral prompts, cron fleets, benchmarks, starter code, "hello" and "continue".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from stillwatch.campaigns.tables import Rung
from stillwatch.lab.baselines import _windows
from stillwatch.lab.baselines._components import components, members_of
from stillwatch.lab.baselines._objects import object_hashes
from stillwatch.lab.baselines.reading import reading
from stillwatch.lab.baselines.tables import Found
from stillwatch.lab.parameters import Parameter, Value
from stillwatch.links.communities import communities
from stillwatch.text.minhash import BINS, signatures
from stillwatch.text.tokens import tokenize

NAME = "co_occurrence"
TITLE = "Fixed-window co-occurrence"
SOURCE = (
    "CooRTweet 2 (Righetti & Balluff), https://github.com/nicolarighetti/CooRTweet; Coordination Network "
    "Toolkit (Graham & QUT Digital Observatory 2020), doi:10.25912/RDF_1632782596538"
)
PARAMETERS = (
    Parameter(
        "content", "identical", choices=("identical", "similar"), meaning="which prompts are one object"
    ),
    Parameter("time_window", 10.0, 0, 86_400, meaning="seconds"),
    Parameter("min_participation", 2, 1, 1_000_000, meaning="shares in pairs that one of two accounts needs"),
    Parameter("min_edge_weight", 2, 1, 1_000_000, meaning="pairs of shares that tie two accounts"),
    Parameter("edge_quantile", 0.0, 0, 1, meaning="edges must exceed this quantile of weights; 0 for off"),
    Parameter("similarity", 0.8, 0.1, 1, meaning='Jaccard index of the words (content = "similar")'),
    Parameter("groups", "components", choices=("components", "communities"), meaning="what is a campaign"),
    Parameter("min_accounts", 2, 2, 1_000_000, meaning="smallest group that is a campaign"),
    Parameter("flag", "account", choices=("account", "share"), meaning="all exchanges of members, or shares"),
    Parameter("max_counterparts", 200, 1, 1_000_000, meaning="earlier shares that one share is paired with"),
)

_ROWS = 16_384
_NAMES = """
CREATE TEMP TABLE names AS
SELECT account_id, ROW_NUMBER() OVER (ORDER BY account_id) - 1 AS account
FROM (SELECT account_id FROM exchanges WHERE trim(prompt) <> '' GROUP BY account_id
      HAVING COUNT(*) >= $least)
"""
_SHARES = """
SELECT n.account, epoch_us(e.ts) AS ts, e.prompt {exchange}
FROM exchanges e JOIN names n USING (account_id) WHERE trim(e.prompt) <> ''
"""


@dataclass(frozen=True)
class _Shares:
    """n shares in the order of a sweep.

    Attributes:
        accounts: by whom (n,).
        times: microseconds (n,).
        content: objects (n,), or signatures (n, BINS).
        exchanges: their names, if asked for.
    """

    accounts: NDArray[np.int64]
    times: NDArray[np.int64]
    content: NDArray[np.uint64] | NDArray[np.uint8]
    exchanges: pa.Array | None


def run(dataset: Path, settings: Mapping[str, Value]) -> Found:
    """Components of the graph of accounts that co-occur often enough."""
    with reading(dataset) as connection:
        connection.execute(_NAMES, {"least": settings["min_participation"]})
        names = connection.sql("SELECT account_id FROM names ORDER BY account").to_arrow_table()["account_id"]
        shares = _read(connection, settings)
    took = np.zeros(len(shares.times), np.uint8)
    pairs = _windows.count_pairs(
        _sweep(shares, took, settings), len(took), max(len(names), 1), int(settings["max_counterparts"])
    )
    kept = _kept(pairs, np.bincount(shares.accounts[took > 0], minlength=len(names)), settings)
    labels = _groups(len(names), pairs, kept, settings)
    members = members_of(NAME, names.combine_chunks(), labels, int(settings["min_accounts"]))
    notes = {
        "shares": len(took),
        "shares_in_pairs": int(took.sum()),
        "pairs_of_accounts": len(pairs.weight),
        "edges": int(kept.sum()),
        "shares_capped": pairs.n_cut,
    }
    flagged = _flagged(shares, took, names, members) if settings["flag"] == "share" else None
    return Found(Rung.COORDINATED, members, flagged, families=("co_occurrence",), notes=notes)


def _read(connection: duckdb.DuckDBPyConnection, settings: Mapping[str, Value]) -> _Shares:
    identical = settings["content"] == "identical"
    exchange = ", e.exchange_id" if settings["flag"] == "share" else ""
    sql = _SHARES.format(exchange=exchange)
    parts: dict[str, list[NDArray[np.generic]]] = {"account": [], "ts": [], "content": []}
    exchanges = []
    for every in connection.sql(sql).to_arrow_reader(_ROWS):
        content, worded = _objects(every["prompt"]) if identical else _signatures(every["prompt"])
        batch = every.filter(pa.array(worded))
        parts["content"].append(content[worded])
        parts["account"].append(batch["account"].to_numpy())
        parts["ts"].append(batch["ts"].to_numpy())
        exchanges += [batch["exchange_id"]] if exchange else []
    if not parts["ts"]:
        none = np.empty(0, np.int64)
        return _Shares(none, none, np.empty((0, BINS), np.uint8), None)
    found = {name: np.concatenate(part) for name, part in parts.items()}
    times, accounts = found["ts"].astype(np.int64), found["account"].astype(np.int64)
    # Shares of one moment are ordered by account: rows come in any order, results must not depend on it.
    keys = (accounts, times, found["content"]) if identical else (accounts, times)
    order = np.lexsort(keys)
    ordered = pa.chunked_array(exchanges).combine_chunks().take(pa.array(order)) if exchanges else None
    return _Shares(accounts[order], times[order], found["content"][order], ordered)


def _objects(texts: pa.Array) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    hashes = object_hashes(texts)
    return hashes, hashes > 0


def _signatures(texts: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Signatures, and which texts have words: without words nothing can be similar."""
    tokens = tokenize(texts)
    return signatures(tokens.offsets, tokens.hashes).astype(np.uint8), tokens.counts > 0


def _sweep(shares: _Shares, took: NDArray[np.uint8], settings: Mapping[str, Value]) -> _windows.Sweep:
    window, cap = int(float(settings["time_window"]) * 1e6), int(settings["max_counterparts"])
    if settings["content"] == "identical":
        objects = shares.content.astype(np.uint64, copy=False)
        return _windows.identical(objects, shares.times, shares.accounts, took, np.array([window, cap]))
    # Bins of different words agree in their low byte once in 256 times.
    equal = BINS * (float(settings["similarity"]) * 255 + 1) / 256
    limits = np.array([window, cap, BINS - int(np.ceil(equal - 1e-9))])
    bytes_ = shares.content.astype(np.uint8, copy=False)
    return _windows.similar(bytes_, shares.times, shares.accounts, took, limits)


def _kept(
    pairs: _windows.Pairs, participation: NDArray[np.int64], settings: Mapping[str, Value]
) -> NDArray[np.bool_]:
    """Which pairs of accounts are edges."""
    active = participation >= int(settings["min_participation"])
    kept = np.asarray(active[pairs.left] | active[pairs.right], np.bool_)
    quantile = float(settings["edge_quantile"])
    if quantile > 0 and kept.any():
        kept = kept & (pairs.weight > np.quantile(pairs.weight[kept], quantile))
    return kept & (pairs.weight >= int(settings["min_edge_weight"]))


def _groups(
    n: int, pairs: _windows.Pairs, kept: NDArray[np.bool_], settings: Mapping[str, Value]
) -> NDArray[np.int64]:
    left, right = pairs.left[kept], pairs.right[kept]
    if settings["groups"] == "components":
        return components(n, left, right)
    weight = pairs.weight[kept].astype(np.float64)
    half = sparse.coo_array((weight, (left, right)), shape=(n, n))
    return communities(sparse.csr_array(half + half.T))


def _flagged(shares: _Shares, took: NDArray[np.uint8], names: pa.ChunkedArray, members: pa.Table) -> pa.Table:
    campaigns = dict(zip(members["account_id"].to_pylist(), members["campaign_id"].to_pylist(), strict=True))
    of_account = pa.array([campaigns.get(name) for name in names.to_pylist()], pa.string())
    places = np.flatnonzero(took)
    found = of_account.take(pa.array(shares.accounts[places]))
    exchanges = (shares.exchanges if shares.exchanges is not None else pa.array([], pa.string())).take(
        pa.array(places)
    )
    return pa.table({"exchange_id": exchanges, "campaign_id": found}).filter(found.is_valid())
