"""Errors that a user can act on: which file, which row, what is wrong, what to do."""

from pathlib import Path


class StillwatchError(Exception):
    """Base of every error that Stillwatch raises on purpose.

    `exit_code` is what the command line ends with (docs/command-line.md).
    """

    exit_code = 2

    def __init__(
        self, what: str, remedy: str, *, file: str | Path | None = None, row: int | None = None
    ) -> None:
        self.what = what
        self.remedy = remedy
        self.file = str(file) if file is not None else None
        self.row = row
        super().__init__(str(self))

    def __str__(self) -> str:
        place = self.file or ""
        if self.row is not None:
            place += f", row {self.row}"
        head = f"{place}: {self.what}" if place else self.what
        return f"{head}\n  What to do: {self.remedy}"


class UsageError(StillwatchError):
    """The command or a setting was used wrongly."""

    exit_code = 2


class UnreadableInputError(StillwatchError):
    """The input cannot be read at all (missing, truncated from the start, of no known format)."""

    exit_code = 3


class OutputError(StillwatchError):
    """The results cannot be written (no permission, full disk)."""

    exit_code = 4
