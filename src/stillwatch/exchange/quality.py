"""What was wrong with the input, as counts that the summary and the report show."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stillwatch.exchange.dataset import Broken
from stillwatch.exchange.intake import Tally
from stillwatch.exchange.quarantine import ReasonCounts
from stillwatch.exchange.rules import EPOCH
from stillwatch.exchange.tables import EXCHANGES
from stillwatch.exchange.values import REPAIRS

Measure = tuple[str, str, float, str]
"""A row of the table `quality`: measure, subject, value, words."""


@dataclass(frozen=True)
class Quality:
    """An account of one input.

    Attributes:
        tallies: table (exchanges, accounts, releases where present) -> counts of its rows.
        reasons: (column, reason) -> rows in quarantine, of all tables; ("", BROKEN) counts files and parts.
        broken: files and parts of files that cannot be read.
        quarantine: the file of unfit rows, or None where nothing was written.
        missing_columns: optional columns that the input does not have.
        extra_columns: columns of the input that are ignored.
        unfinished: whether the run that wrote the dataset was killed.
    """

    tallies: Mapping[str, Tally]
    reasons: ReasonCounts
    broken: tuple[Broken, ...] = ()
    quarantine: Path | None = None
    missing_columns: tuple[str, ...] = ()
    extra_columns: tuple[str, ...] = ()
    unfinished: bool = False

    @property
    def exchanges(self) -> Tally:
        """Counts of the exchanges."""
        return self.tallies[EXCHANGES.name]

    @property
    def is_clean(self) -> bool:
        """Whether every row of every file could be used."""
        return not self.reasons and not self.broken and not self.unfinished

    @property
    def null_share(self) -> dict[str, float]:
        """Column of exchanges -> part of the fit rows that have no value in it (1 without rows)."""
        rows = self.exchanges.rows_fit
        return {name: self.exchanges.nulls[name] / rows if rows else 1.0 for name in EXCHANGES.names}

    @property
    def first_ts(self) -> dt.datetime | None:
        """Earliest request."""
        return _moment(self.exchanges.first_ts)

    @property
    def last_ts(self) -> dt.datetime | None:
        """Latest request."""
        return _moment(self.exchanges.last_ts)

    def measures(self) -> Iterator[Measure]:
        """Rows of the result table `quality`."""
        for table, tally in self.tallies.items():
            yield "rows read", table, tally.rows_read, f"rows of {table} that could be read"
            yield "rows used", table, tally.rows_fit, f"rows of {table} that the verdicts rest on"
            yield "rows quarantined", table, tally.rows_unfit, "left out; each stands in the quarantine file"
            for (column, repair), n in sorted(tally.repairs.items()):
                yield f"repaired: {repair}", f"{table}.{column}", n, REPAIRS[repair]
            if tally.hashed:
                yield "identifiers hashed", table, tally.hashed, "values replaced by their keyed hash"
            if tally.unhashed:
                yield "identifiers not read", table, tally.unhashed, "values that are no keyed hash"
        for (column, reason), n in sorted(self.reasons.items()):
            yield f"unfit: {reason}", column or "file", n, "see the quarantine file for places and remedies"
        for part in self.broken:
            if part.rows is None:
                yield "file unreadable", part.file, 1, f"{part.what}; nobody can tell how many rows it had"
            else:
                yield "rows unreadable", part.file, part.rows, f"from row {part.first_row}: {part.what}"
        for column, share in self.null_share.items():
            yield "null share", column, share, _null_words(share)
        for column in self.extra_columns:
            yield "ignored column", column, 1, "no stage knows this column"
        if self.unfinished:
            yield (
                "unfinished import",
                "exchanges",
                1,
                "the run that wrote the dataset was stopped; rows may be missing",
            )

    def to_json(self) -> dict[str, Any]:
        """For `--json` and `summary.json`."""
        return {
            "clean": self.is_clean,
            "tables": {
                table: {"read": tally.rows_read, "used": tally.rows_fit, "quarantined": tally.rows_unfit}
                for table, tally in self.tallies.items()
            },
            "unfit": [
                {"column": column, "reason": reason, "rows": n}
                for (column, reason), n in self.reasons.most_common()
            ],
            "repaired": [
                {"table": table, "column": column, "repair": repair, "rows": n}
                for table, tally in self.tallies.items()
                for (column, repair), n in tally.repairs.most_common()
            ],
            "unreadable": [
                {"file": part.file, "first_row": part.first_row, "rows": part.rows, "what": part.what}
                for part in self.broken
            ],
            "quarantine": None if self.quarantine is None else str(self.quarantine),
            "null_share": {name: round(share, 6) for name, share in self.null_share.items()},
            "missing_columns": list(self.missing_columns),
            "ignored_columns": list(self.extra_columns),
            "unfinished": self.unfinished,
            "first_ts": None if self.first_ts is None else self.first_ts.isoformat(),
            "last_ts": None if self.last_ts is None else self.last_ts.isoformat(),
        }


def _moment(microseconds: int | None) -> dt.datetime | None:
    return None if microseconds is None else EPOCH + dt.timedelta(microseconds=microseconds)


def _null_words(share: float) -> str:
    if share == 0:
        return "known for every exchange"
    return (
        "unknown for every exchange: whatever rests on it is silent" if share == 1 else "unknown for a part"
    )
