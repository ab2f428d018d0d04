"""What is gone before the verdict: true exchanges of a campaign up to the moment that it is flagged."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.exchange.errors import UnreadableInputError, UsageError
from stillwatch.exchange.tables import EXCHANGES
from stillwatch.lab.scoring.store import Store, check_columns, parquet_files

_REMEDY = "Name the dataset folder of the same simulation with --dataset."


class Stopped(StrEnum):
    """When a campaign was stopped."""

    AT_VERDICT = "at the verdict"
    AFTER_EVERYTHING = "after everything"
    MISSED = "never"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Leakage:
    """Exchanges of one true campaign that were gone before its first verdict.

    Attributes:
        gone: exchanges up to and with that moment; all of them without a verdict in time; None if unknown.
        total: its exchanges.
        stopped: whether the verdict has a time (flagged_at), came after everything (flagged_at is null), never
            came, or has a time while the exchanges' times are not known.
        flagged_at: time of the verdict in microseconds; None for none.
    """

    gone: int | None
    total: int
    stopped: Stopped
    flagged_at: int | None = None

    @property
    def share(self) -> float | None:
        """gone / total."""
        return None if self.gone is None else self.gone / self.total

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Gone:
    """Leakage over campaigns: exchanges and share of the campaign, median and 95th percentile.

    Quantiles between two campaigns are interpolated linearly; None where there is no campaign.
    """

    campaigns: int
    median: float | None
    p95: float | None
    median_share: float | None
    p95_share: float | None


@dataclass(frozen=True)
class LeakageSummary:
    """Leakage of many campaigns.

    Attributes:
        found: of the campaigns that were found.
        all: of all true campaigns; a missed one is all gone.
        after_everything: found campaigns whose verdict has no time: all gone, too.
        unknown: campaigns whose verdict has a time while the exchanges' times are not known: left out above.
    """

    found: Gone
    all: Gone
    after_everything: int
    unknown: int

    @classmethod
    def of(cls, leaks: Iterable[Leakage]) -> "LeakageSummary":
        """Of single campaigns'."""
        leaks = list(leaks)
        return cls(
            _gone([leak for leak in leaks if leak.stopped != Stopped.MISSED]),
            _gone(leaks),
            sum(leak.stopped == Stopped.AFTER_EVERYTHING for leak in leaks),
            sum(leak.stopped == Stopped.UNKNOWN for leak in leaks),
        )


def measure(
    store: Store, totals: Mapping[str, int], verdicts: Mapping[str, list[int | None]], dataset: Path | None
) -> dict[str, Leakage]:
    """Leakage of each true campaign.

    Args:
        store: holds `labels`.
        totals: exchanges of each true campaign.
        verdicts: flagged_at of the reported campaigns that match it.
        dataset: dataset folder, for the times of exchanges; None if there is none.

    Raises:
        UnreadableInputError: the dataset cannot be read.
        UsageError: it is not that of the labels.
    """
    first = {
        campaign: min(instants)
        for campaign, found in verdicts.items()
        if (instants := [instant for instant in found if instant is not None])
    }
    gone = _gone_before(store, totals, first, dataset) if dataset is not None and first else None
    leaks = {}
    for campaign, total in totals.items():
        if campaign in first:
            before = gone[campaign] if gone is not None else None
            stopped = Stopped.UNKNOWN if before is None else Stopped.AT_VERDICT
            leaks[campaign] = Leakage(before, total, stopped, first[campaign])
        else:
            stopped = Stopped.AFTER_EVERYTHING if verdicts[campaign] else Stopped.MISSED
            leaks[campaign] = Leakage(total, total, stopped)
    return leaks


def _gone_before(
    store: Store, totals: Mapping[str, int], first: Mapping[str, int], dataset: Path
) -> dict[str, int]:
    folder = dataset / "exchanges"
    files = parquet_files(folder) if folder.is_dir() else []
    if not files:
        raise UnreadableInputError("no exchanges/*.parquet in it", _REMEDY, file=dataset)
    needed = ("exchange_id", "ts")
    for file in files:
        try:
            schema = pq.read_schema(file)
        except (OSError, pa.ArrowException) as error:
            raise UnreadableInputError(f"cannot be read: {error}", _REMEDY, file=file) from error
        check_columns(schema.names, needed, file)
        if not pa.types.is_timestamp(schema.field("ts").type):
            raise UnreadableInputError("ts is no timestamp", _REMEDY, file=file)
    store.attach_instants(EXCHANGES.name, files, folder)
    store.put("verdicts", "campaign_id VARCHAR, instant BIGINT", list(first.items()))
    rows = store.rows(
        "SELECT l.campaign_id, count(*), count(*) FILTER (e.ts <= v.instant) FROM labels AS l "
        "JOIN verdicts AS v ON l.campaign_id = v.campaign_id "
        "JOIN exchanges AS e ON l.exchange_id = e.exchange_id GROUP BY ALL",
        EXCHANGES.name,
    )
    seen = {campaign: (n, before) for campaign, n, before in rows}
    for campaign in first:
        n, _ = seen.get(campaign, (0, 0))
        if n != totals[campaign]:
            what = f"it holds {n} of the {totals[campaign]} labelled exchanges of campaign {campaign}"
            raise UsageError(what, _REMEDY, file=dataset)
    return {campaign: before for campaign, (_, before) in seen.items()}


def _gone(leaks: list[Leakage]) -> Gone:
    known = [leak for leak in leaks if leak.gone is not None]
    if not known:
        return Gone(0, None, None, None, None)
    counts = np.quantile([leak.gone for leak in known if leak.gone is not None], [0.5, 0.95])
    shares = np.quantile([leak.share for leak in known if leak.share is not None], [0.5, 0.95])
    return Gone(len(known), *map(float, counts), *map(float, shares))
