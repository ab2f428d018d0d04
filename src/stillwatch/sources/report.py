"""What an import found, file by file."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stillwatch.exchange.quality import Quality
from stillwatch.sources.addresses import NOT_BELIEVED

UNKNOWN_FORMAT = "of no known format"


@dataclass
class FileReport:
    """What was found in one file. `parts` = `exchanges` + `merged` + the sums of `skipped` and `unreadable`.

    Attributes:
        file: name as it is shown.
        formats: format -> records of it.
        records: JSON objects and things that should have been some (rows, for Parquet).
        parts: what the records hold: one for most formats, many for OTLP.
        exchanges: parts that are exchanges; the sum of `fit` and `unfit`.
        fit: exchanges that were written.
        unfit: exchanges that are in quarantine.
        merged: parts that were added to an exchange of another part.
        skipped: reason -> parts that are no exchange.
        unreadable: reason -> records that could not be read; they are in quarantine too.
        images: images in the requests; counted, not read.
        texts_missing: exchanges of which the log says that it does not hold their texts.
        addresses: provenance or remark (see `addresses`) -> exchanges.
        joined: exchanges that an access log knew.
        not_joined: exchanges that it did not know, where one was given.
    """

    file: str
    formats: Counter[str] = field(default_factory=Counter)
    records: int = 0
    parts: int = 0
    exchanges: int = 0
    fit: int = 0
    unfit: int = 0
    merged: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    images: int = 0
    texts_missing: int = 0
    addresses: Counter[str] = field(default_factory=Counter)
    joined: int = 0
    not_joined: int = 0

    @property
    def format(self) -> str | None:
        """The format of most of its records, or None where none is known."""
        return self.formats.most_common(1)[0][0] if self.formats else None

    @property
    def share_read(self) -> float:
        """Part of what the file holds that was understood: written, merged, or known to be no exchange."""
        lost = self.unfit + self.unreadable.total()
        return 1.0 - lost / self.parts if self.parts else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        plain = {
            key: dict(value) if isinstance(value, Counter) else value for key, value in vars(self).items()
        }
        return {**plain, "format": self.format, "share_read": self.share_read}


@dataclass(frozen=True)
class JoinReport:
    """What became of the access logs.

    Attributes:
        lines: records of access logs.
        without_id: of them, records without a request id.
        repeated: of them, records whose request id had come before; the first one counts.
        unreadable: of them, records that could not be read or are no access log.
        matched: exchanges that were found in them.
        unmatched: exchanges that were not.
        unused: request ids that no exchange has.
    """

    lines: int
    without_id: int
    repeated: int
    unreadable: int
    matched: int
    unmatched: int
    unused: int


@dataclass(frozen=True)
class IngestReport:
    """What an import found.

    Attributes:
        files: file by file.
        quality: counts of rows, reasons and repairs.
        out: the dataset folder.
        join: what became of the access logs; None without them.
    """

    files: tuple[FileReport, ...]
    quality: Quality
    out: Path
    join: JoinReport | None = None

    @property
    def fit(self) -> int:
        """Exchanges that were written."""
        return self.quality.exchanges.rows_fit

    @property
    def addresses(self) -> Counter[str]:
        """Provenance or remark -> exchanges of all files."""
        return sum((file.addresses for file in self.files), Counter())

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for `--json` and `summary.json`."""
        return {
            "files": [file.as_dict() for file in self.files],
            "exchanges": self.fit,
            "quarantined": sum(file.unfit + file.unreadable.total() for file in self.files),
            "quarantine": None if self.quality.quarantine is None else str(self.quality.quarantine),
            "addresses": dict(self.addresses),
            "join": None if self.join is None else vars(self.join).copy(),
        }

    def advice(self) -> Iterator[str]:
        """What the user may want to do about it, in plain words."""
        counts = self.addresses
        if counts[NOT_BELIEVED]:
            yield (
                f"{counts[NOT_BELIEVED]} exchanges name their address only in a forwarded-for header, "
                "which clients can write themselves; if proxies of yours write it, say how many with "
                "--trusted-hops"
            )
        if missing := sum(file.texts_missing for file in self.files):
            yield f"{missing} exchanges came without texts; docs/sources.md says how to have them logged"
        for file in self.files:
            if file.format is None:
                yield f"{file.file}: {UNKNOWN_FORMAT}, not read"
