"""Dataset folders: which files there are, what they lack, and their rows in batches of bounded memory."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.exchange.raw import MAX_BATCH_BYTES, RawBatch
from stillwatch.exchange.schema import TableSchema
from stillwatch.exchange.tables import ACCOUNTS, EXCHANGES, LABELS, RELEASES
from stillwatch.exchange.writer import INCOMPLETE

BATCH_ROWS = 16_384
_BUFFER_BYTES = 1 << 20


class OnBroken(StrEnum):
    """What to do about a file that is truncated or broken."""

    SKIP = "skip"
    ERROR = "error"


@dataclass(frozen=True)
class Broken:
    """A file, or some rows of it, that cannot be read.

    Attributes:
        file: name as it is shown.
        first_row: 1-based; 1 for a whole file.
        rows: how many rows; None where nobody can know.
        what: what was wrong.
    """

    file: str
    first_row: int
    rows: int | None
    what: str


@dataclass(frozen=True)
class RowGroup:
    """One row group of a Parquet file: its number from 0, the number of its first row from 1, its rows."""

    number: int
    first_row: int
    rows: int


@dataclass(frozen=True)
class TableFile:
    """One readable Parquet file of a dataset.

    Attributes:
        path: where it is.
        name: how it is shown: relative to the dataset folder.
        rows: its rows.
        schema: its Arrow schema.
    """

    path: Path
    name: str
    rows: int
    schema: pa.Schema

    def batches(self, table: TableSchema, report: Callable[[Broken], None]) -> Iterator[RawBatch]:
        """The rows of the columns that `table` knows.

        A row group that turns out to be broken is reported from its first unread row on, and the next one is
        read.
        """
        for group in self.groups():
            yield from self.group_batches(group, table, report)

    def groups(self) -> "list[RowGroup]":
        """Its row groups, in order."""
        counts = _group_rows(self.path)
        firsts = accumulate(counts[:-1], initial=1)
        return [RowGroup(n, first, rows) for n, (first, rows) in enumerate(zip(firsts, counts, strict=False))]

    def group_batches(
        self, group: "RowGroup", table: TableSchema, report: Callable[[Broken], None]
    ) -> Iterator[RawBatch]:
        """The same for one row group; threads may read several at once."""
        columns = [name for name in dict.fromkeys(self.schema.names) if name in table.names]
        read = 0
        try:
            with _opened(self.path, _unfolding(self.path, group.number, columns)) as file:
                batches = file.iter_batches(
                    _batch_rows(file, group.number),
                    row_groups=[group.number],
                    columns=columns,
                    use_threads=False,  # whoever wants more than one thread reads several groups
                )
                for batch in batches:
                    yield from RawBatch.from_arrow(batch, self.name, group.first_row + read).bounded()
                    read += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            report(Broken(self.name, group.first_row + read, group.rows - read, _what(error)))


@dataclass(frozen=True)
class Dataset:
    """A dataset folder.

    Attributes:
        folder: where it is.
        exchanges: its readable files of exchanges, by name.
        accounts: its accounts table, if there is one.
        releases: its releases table, if there is one.
        has_labels: whether it is a laboratory world with labels (which no scan reads).
        broken: files that cannot be read.
        unfinished: whether the run that wrote it was killed, so that rows may be missing.
    """

    folder: Path
    exchanges: tuple[TableFile, ...]
    accounts: TableFile | None
    releases: TableFile | None
    has_labels: bool
    broken: tuple[Broken, ...]
    unfinished: bool

    @property
    def rows(self) -> int:
        """Exchanges in all readable files."""
        return sum(file.rows for file in self.exchanges)

    @property
    def extra_columns(self) -> list[str]:
        """Columns of the exchanges that no stage knows; they are ignored."""
        found = dict.fromkeys(name for file in self.exchanges for name in file.schema.names)
        return [name for name in found if name not in EXCHANGES.names]

    @property
    def missing_columns(self) -> list[str]:
        """Optional columns that no file of exchanges has; they are taken as null."""
        found = {name for file in self.exchanges for name in file.schema.names}
        return [name for name in EXCHANGES.names if name not in found]

    def batches(self, report: Callable[[Broken], None] = lambda broken: None) -> Iterator[RawBatch]:
        """All exchanges, file by file, at most `BATCH_ROWS` rows and about 64 MB of text at a time.

        Args:
            report: told of row groups that turn out to be broken.
        """
        for file in self.exchanges:
            yield from file.batches(EXCHANGES, report)


def open_dataset(path: Path, on_broken: OnBroken = OnBroken.SKIP) -> Dataset:
    """Look at a dataset folder (or at one Parquet file of exchanges); rows are not read yet.

    Args:
        path: folder with `exchanges/*.parquet` or `exchanges.parquet`.
        on_broken: whether truncated files are left out (and told in `Dataset.broken`) or an error.

    Raises:
        UnreadableInputError: there is nothing to read, or a required column is missing.
    """
    if not path.exists():
        raise UnreadableInputError("there is no such file or folder", "check the path", file=path)
    folder = path if path.is_dir() else path.parent
    broken: list[Broken] = []
    files = [_open_file(file, folder, broken) for file in _exchange_files(path)]
    side = {
        table.name: _side_table(folder / f"{table.name}.parquet", folder, broken) if path.is_dir() else None
        for table in (ACCOUNTS, RELEASES)
    }
    if broken and on_broken is OnBroken.ERROR:
        raise UnreadableInputError(
            f"the file cannot be read: {broken[0].what}",
            "write or copy it again, or leave broken files out, as is done by default",
            file=folder / broken[0].file,
        )
    readable = tuple(file for file in files if file is not None)
    if not readable and path.is_file() and _looks_like_json(path):
        raise UnreadableInputError(
            "this is a log, not a dataset of Parquet files",
            "scan it as it is, or turn it into a dataset with `stillwatch import LOGS --out FOLDER`",
            file=path,
        )
    if not readable:
        raise UnreadableInputError(
            f"none of the {len(files)} files of exchanges can be read: {broken[0].what}",
            "write or copy them again; a Parquet file is only whole when its writer has closed it",
            file=path,
        )
    for table, found in ((EXCHANGES, readable), (ACCOUNTS, side["accounts"]), (RELEASES, side["releases"])):
        for file in found if isinstance(found, tuple) else (found,):
            _require_columns(file, table)
    return Dataset(
        folder,
        readable,
        side["accounts"],
        side["releases"],
        has_labels=(folder / f"{LABELS.name}.parquet").exists(),
        broken=tuple(broken),
        unfinished=(folder / EXCHANGES.name / INCOMPLETE).exists(),
    )


def _looks_like_json(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def _exchange_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    single, parts = path / "exchanges.parquet", path / "exchanges"
    found = sorted(parts.rglob("*.parquet")) if parts.is_dir() else []
    if single.is_file() and found:
        raise UnreadableInputError(
            "there are both exchanges.parquet and a folder exchanges/ with files",
            "keep one of them, otherwise exchanges may count twice",
            file=path,
        )
    if single.is_file():
        return [single]
    if found:
        return found
    partial = sorted(parts.rglob("*.partial")) if parts.is_dir() else []
    if partial:
        raise UnreadableInputError(
            f"there is no whole file of exchanges, only {partial[0].name}",
            "the run that wrote it was stopped; run it again",
            file=path,
        )
    raise UnreadableInputError(
        "this is no dataset: there is neither exchanges.parquet nor exchanges/*.parquet",
        "name a dataset folder, or turn logs into one with `stillwatch import LOGS --out FOLDER`",
        file=path,
    )


def _open_file(path: Path, folder: Path, broken: list[Broken]) -> TableFile | None:
    name = path.relative_to(folder).as_posix()
    try:
        with _opened(path) as file:
            return TableFile(path, name, file.metadata.num_rows, file.schema_arrow)
    except PermissionError as error:
        raise UnreadableInputError(
            "the file may not be read", "give yourself the right to read it", file=path
        ) from error
    except (pa.ArrowException, OSError) as error:
        size = path.stat().st_size
        what = "the file is empty" if size == 0 else _what(error)
        broken.append(Broken(name, 1, None, what))
        return None


def _side_table(path: Path, folder: Path, broken: list[Broken]) -> TableFile | None:
    return _open_file(path, folder, broken) if path.is_file() else None


def _require_columns(file: TableFile | None, table: TableSchema) -> None:
    if file is None:
        return
    missing = [name for name in table.required if name not in file.schema.names]
    if missing:
        there = ", ".join(file.schema.names[:40]) or "none"
        raise UnreadableInputError(
            f"required columns are missing: {', '.join(missing)}; there are: {there}",
            "rename or add them as docs/data.md says; a log of another form is read by `stillwatch import`",
            file=file.path,
        )


def _opened(path: Path, as_dictionary: list[str] | None = None) -> pq.ParquetFile:
    # Pages are read through a small buffer: a row group may be larger than the memory.
    return pq.ParquetFile(
        path,
        buffer_size=_BUFFER_BYTES,
        pre_buffer=False,
        read_dictionary=as_dictionary,
        page_checksum_verification=True,
    )


def _group_rows(path: Path) -> list[int]:
    with _opened(path) as file:
        return [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]


def _batch_rows(file: pq.ParquetFile, group: int) -> int:
    meta = file.metadata.row_group(group)
    bytes_per_row: int = max(meta.total_byte_size // max(meta.num_rows, 1), 1)
    return max(1, min(BATCH_ROWS, MAX_BATCH_BYTES // bytes_per_row))


def _unfolding(path: Path, group: int, columns: list[str]) -> list[str]:
    """Columns of a row group of which a batch could be far larger than its part of the file.

    One long text, named by every row of a dictionary page, fills the memory when it is decoded; such columns
    are left as dictionaries until their batch has been cut into pieces. The first row is enough to see the
    longest word of the dictionary.
    """
    with _opened(path) as file:
        meta = file.metadata.row_group(group)
    chunks = [meta.column(index) for index in range(meta.num_columns)]
    coded = {c.path_in_schema for c in chunks if c.physical_type == "BYTE_ARRAY" and c.has_dictionary_page}
    asked = [name for name in columns if name in coded]
    if not asked or not meta.num_rows:
        return []
    with _opened(path, asked) as file:
        first = next(file.iter_batches(1, row_groups=[group], columns=asked))
    rows = min(BATCH_ROWS, meta.num_rows)
    return [
        name
        for name, column in zip(first.schema.names, first.columns, strict=True)
        if pa.types.is_dictionary(column.type) and _longest(column.dictionary) * rows > 4 * MAX_BATCH_BYTES
    ]


def _longest(words: pa.Array) -> int:
    return int(pc.max(pc.binary_length(words)).as_py() or 0)


def _what(error: BaseException) -> str:
    """What was wrong, without the words of the reading library, which change from release to release."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else "truncated, damaged, or no Parquet file"
