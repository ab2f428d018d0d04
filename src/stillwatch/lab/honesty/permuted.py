"""Permuted worlds: a dataset whose accounts no longer have anything to do with each other in one respect.

What a permutation keeps decides whose null it is:

* `contents`: within each hour, what was asked (texts, model, tokens, answer) is dealt anew to the requests of
  that hour. Each account keeps its requests, times, addresses and conversations' names; what it asks is a random
  sample of what everybody asks. This is "account labels are permuted" (design, 5.3) with volumes and hours kept.
  Two things follow. Nothing ties few accounts together any more, so no group may be singled out. But within a
  template the account says nothing of the content, and that is the very alternative of the exchangeability test
  (C): its null, that users are loyal to contents of their own, is false here for every template. Silence here
  is asked of the tool as a whole; it says nothing of C's own error rate.
* `days`: each account's requests move together by a random number of whole days, round the end of the world.
  Its hours, gaps and contents stay; what ties accounts to one another on a day is gone. The null of evidence from
  synchrony (alternation, release pivot), not of C and D: a pool is as much a pool on another day. Nor of B as we
  test it: that reads how evenly each account works through its own life, and that stays (a campaign's family
  `common_stream` survives this permutation although no stream is left that the accounts could share).
* `attributes`: payment, mail domain, birth, addresses, program and key each go to another account, each by a
  permutation of its own. How common every value is stays. The null of the links, not of A to D.

Every permutation keeps an account between its birth and its ban. In a world without campaigns all three leave
nothing to report. In a world with campaigns `days` and `attributes` must take away only the evidence that they are
about, so campaigns may still be found; whoever wants silence there asks for `contents`. Permuting accounts within
one template is no null of anything: it makes honest users a pool.

Everything is done in memory: this is for small worlds.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from stillwatch.exchange.tables import ACCOUNTS, EXCHANGES
from stillwatch.lab.behaviour.clocks import DAY, HOUR, Ints

_CONTENT = (
    "operation",
    "model",
    "system_prompt",
    "prompt",
    "response",
    "n_messages",
    "n_tools",
    "input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cached_tokens",
    "finish_reason",
    "status",
    "latency_ms",
)
_ROUNDS = 30
Dataset = tuple[pa.Table, pa.Table]


def write_permuted(dataset: Path, out: Path, kind: str, seed: int) -> None:
    """Write a permuted copy of a dataset.

    Args:
        dataset: folder with exchanges/, accounts.parquet and releases.parquet.
        out: folder of the copy; made if missing.
        kind: one of KINDS.
        seed: of the permutation.

    Raises:
        KeyError: for an unknown kind.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    exchanges = ds.dataset(dataset / "exchanges").to_table().combine_chunks()
    accounts = pq.read_table(dataset / "accounts.parquet").combine_chunks()
    exchanges, accounts = KINDS[kind]((exchanges, accounts), rng)
    (out / "exchanges").mkdir(parents=True, exist_ok=True)
    exchanges = exchanges.sort_by([("ts", "ascending"), ("exchange_id", "ascending")])
    pq.write_table(exchanges.cast(EXCHANGES.arrow), out / "exchanges" / "part-00000.parquet")
    pq.write_table(accounts.cast(ACCOUNTS.arrow), out / "accounts.parquet")
    shutil.copyfile(dataset / "releases.parquet", out / "releases.parquet")


def _contents(dataset: Dataset, rng: np.random.Generator) -> Dataset:
    exchanges, accounts = dataset
    hour = _instants(exchanges["ts"]) // HOUR
    places = np.argsort(hour, kind="stable")
    donors = np.empty(len(hour), np.int64)
    donors[places] = np.lexsort((rng.random(len(hour)), hour))
    return _with(exchanges, {name: exchanges[name].take(pa.array(donors)) for name in _CONTENT}), accounts


def _days(dataset: Dataset, rng: np.random.Generator) -> Dataset:
    exchanges, accounts = dataset
    ts, who = _instants(exchanges["ts"]), _places(exchanges, accounts)
    start = ts.min() // DAY * DAY
    length = (ts.max() - start) // DAY * DAY + DAY
    shift = rng.integers(0, length // DAY, accounts.num_rows) * DAY
    moved = start + (ts - start + shift[who]) % length
    first, last = _ends(moved, who, accounts.num_rows)
    born, banned = _instants(accounts["created_at"]), _instants(accounts["banned_at"])
    # Whoever now acts before his birth, or after his ban, was born so much earlier or is banned so much later.
    born = np.where(born > first, born - length, born)
    banned = np.where(banned <= last, banned + length, banned)
    changed = {
        "created_at": _as_ts(born, accounts["created_at"]),
        "banned_at": _as_ts(banned, accounts["banned_at"]),
    }
    return _with(exchanges, {"ts": _as_ts(moved, exchanges["ts"])}), _with(accounts, changed)


def _attributes(dataset: Dataset, rng: np.random.Generator) -> Dataset:
    exchanges, accounts = dataset
    count, who = accounts.num_rows, _places(exchanges, accounts)
    used = np.flatnonzero(np.bincount(who, minlength=count))
    columns = {}
    for names in (("client_ip",), ("user_agent", "ja4"), ("key_id",)):
        donor = np.arange(count)
        donor[used] = rng.permutation(used)
        rows = pa.array(_borrowed(who, donor))
        columns.update({name: exchanges[name].take(rows) for name in names})
    changed = {
        name: accounts[name].take(pa.array(rng.permutation(count))) for name in ("payment_id", "email_domain")
    }
    first, _ = _ends(_instants(exchanges["ts"]), who, count)
    born = _swapped(_instants(accounts["created_at"]), first, rng)
    changed["created_at"] = _as_ts(born, accounts["created_at"])
    return _with(exchanges, columns), _with(accounts, changed)


KINDS: dict[str, Callable[[Dataset, np.random.Generator], Dataset]] = {
    "contents": _contents,
    "days": _days,
    "attributes": _attributes,
}
"""The permutations by name."""


def _borrowed(who: Ints, donor: Ints) -> Ints:
    """For each row one of the donor's rows: the account's rows in order go round those of its donor."""
    order = np.argsort(who, kind="stable")
    many = np.bincount(who, minlength=len(donor))
    begin = np.cumsum(many) - many
    rank = np.empty(len(who), np.int64)
    rank[order] = np.arange(len(who)) - begin[who[order]]
    theirs = donor[who]
    return np.asarray(order[begin[theirs] + rank % many[theirs]], np.int64)


def _swapped(born: Ints, first: Ints, rng: np.random.Generator) -> Ints:
    """Births exchanged between random pairs of accounts, wherever both are still born before their first request."""
    born = born.copy()
    half = len(born) // 2
    for _ in range(_ROUNDS):
        order = rng.permutation(len(born))
        a, b = order[:half], order[half : 2 * half]
        fits = (born[b] < first[a]) & (born[a] < first[b])
        a, b = a[fits], b[fits]
        born[a], born[b] = born[b], born[a]
    return born


def _ends(ts: Ints, who: Ints, count: int) -> tuple[Ints, Ints]:
    """First and last request of each account; of one without requests the far future and the far past."""
    limits = np.iinfo(np.int64)
    first, last = np.full(count, limits.max), np.full(count, limits.min)
    np.minimum.at(first, who, ts)
    np.maximum.at(last, who, ts)
    return first, last


def _places(exchanges: pa.Table, accounts: pa.Table) -> Ints:
    """Row of each exchange's account in accounts."""
    names = accounts["account_id"].to_numpy(zero_copy_only=False).astype(str)
    order = np.argsort(names)
    wanted = exchanges["account_id"].to_numpy(zero_copy_only=False).astype(str)
    return np.asarray(order[np.searchsorted(names[order], wanted)], np.int64)


def _instants(column: pa.ChunkedArray) -> Ints:
    """Microseconds; the far future for null."""
    return np.asarray(column.cast(pa.int64()).fill_null(np.iinfo(np.int64).max // 2), np.int64)


def _as_ts(instants: Ints, like: pa.ChunkedArray) -> pa.Array:
    """The instants in the column's type, null where it is."""
    missing = np.asarray(like.is_null())
    return pa.array(np.where(missing, 0, instants), pa.int64(), mask=missing).cast(like.type)


def _with(table: pa.Table, columns: dict[str, pa.Array]) -> pa.Table:
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    return table
