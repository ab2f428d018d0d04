"""The file of rows that could not be used: one JSON object a line, with place, reason and remedy."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from stillwatch.exchange.errors import OutputError
from stillwatch.exchange.output import partial_of, written
from stillwatch.exchange.reasons import Unfit

MAX_ROWS = 1_000_000

ReasonCounts = Counter[tuple[str, str]]
"""(column, reason) -> rows; column "" means the whole row or file."""


class Quarantine:
    """Takes unfit rows, counts all of them, and writes them down.

    Lines go to `<path>.partial`, which gets its name when the writer is closed without an error. Where every
    row was fit nothing is written, and the file of an earlier run is removed. Values of
    identifiers and texts are not shown in it.

    Args:
        path: the JSON-lines file; None only counts.
        max_rows: beyond so many lines rows are only counted, and a last line says how many.

    Raises:
        OutputError: something that is no file stands at `path`.
    """

    def __init__(self, path: Path | None, max_rows: int = MAX_ROWS) -> None:
        self.path = path
        self.counts: ReasonCounts = Counter()
        self._max_rows = max_rows
        self._rows = 0
        self._file: TextIO | None = None
        if path is not None and path.exists() and not path.is_file():
            raise OutputError(  # replacing it would remove a folder or a device such as /dev/null
                "the quarantine file would stand where something else is",
                "name a file, or leave the option out: unfit rows are counted without it too",
                file=path,
            )

    @property
    def rows(self) -> int:
        """Unfit rows so far."""
        return self._rows

    @property
    def written_to(self) -> Path | None:
        """The file, or None where nothing was (or is to be) written."""
        return self.path if self.path is not None and self._rows else None

    def add(self, unfit: Iterable[Unfit]) -> None:
        """Count and write some rows.

        Raises:
            OutputError: the file cannot be written.
        """
        lines = []
        for row in unfit:
            self._rows += 1
            self.counts[row.column, row.reason] += 1
            if self._rows <= self._max_rows:
                lines.append(json.dumps(asdict(row), ensure_ascii=False) + "\n")
        if lines and self.path is not None:
            with written(self.path):
                self._opened(self.path).writelines(lines)

    def _opened(self, path: Path) -> TextIO:
        if self._file is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            # File names of a foreign system may hold what is no UTF-8.
            self._file = partial_of(path).open("w", encoding="utf-8", errors="backslashreplace")
        return self._file

    def close(self) -> None:
        """Finish the file and give it its name."""
        if self.path is None:
            return
        with written(self.path):
            if self._file is None:
                if not self._rows:
                    self.path.unlink(missing_ok=True)  # of an earlier run: it would speak of other rows
                return
            if self._rows > self._max_rows:
                more = {
                    "more_rows": self._rows - self._max_rows,
                    "reason": "counted only; the first rows are above",
                }
                self._file.write(json.dumps(more) + "\n")
            self._file.close()
            partial_of(self.path).replace(self.path)
        self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        elif self._file is not None:
            self._file.close()
            self._file = None
