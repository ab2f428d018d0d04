"""Which files a list of paths means: files, folders, globs, and standard input."""

import glob
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stillwatch.exchange.errors import UnreadableInputError

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class InputFile:
    """One file to read.

    Attributes:
        path: where it stands; None for standard input.
        named: True where the user named it; False where it was met in a folder or through a glob. A named
            file of unknown format is an error, a met one is reported.
    """

    path: Path | None
    named: bool = True

    @property
    def label(self) -> str:
        """The name as it is shown to the user."""
        return "standard input" if self.path is None else str(self.path)

    def open(self) -> BinaryIO:
        """The file's bytes as they are stored.

        Raises:
            UnreadableInputError: it cannot be opened.
        """
        if self.path is None:
            return (
                io.BufferedReader(sys.stdin.buffer.raw)
                if hasattr(sys.stdin.buffer, "raw")
                else sys.stdin.buffer
            )
        try:
            return self.path.open("rb")
        except OSError as error:
            raise UnreadableInputError(
                f"cannot be opened: {error.strerror or error}",
                "check the path and its permissions",
                file=self.path,
            ) from error


def expand(paths: Sequence[str | Path]) -> list[InputFile]:
    """The files that `paths` mean, in a stable order, each once.

    A folder means every file in it and below (hidden ones and those whose name begins with an underscore
    are left out, as other tools leave their marks there). A pattern with `*`, `?` or `[` that is no file's
    name is a glob; `**` crosses folders. `-` is standard input.

    Raises:
        UnreadableInputError: a path does not exist, or a pattern or folder holds no file.
    """
    if not paths:
        raise UnreadableInputError(
            "no input was given", "name a file, a folder, a glob, or - for standard input"
        )
    found: dict[Path | None, InputFile] = {}
    for path in paths:
        for file in _expand_one(path):
            key = None if file.path is None else file.path.resolve()
            found.setdefault(key, file)
    return list(found.values())


def _expand_one(path: str | Path) -> list[InputFile]:
    if str(path) == STANDARD_INPUT:
        return [InputFile(None)]
    here = Path(path)
    if here.is_dir():
        return _in_folder(here)
    if here.exists():
        return [InputFile(here)]
    if glob.has_magic(str(path)):
        matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207 - the pattern may be absolute
        files = [file for match in matches for file in _expand_match(match)]
        if files:
            return files
        raise UnreadableInputError(
            "the pattern matches no file", "check the pattern, and quote it", file=here
        )
    raise UnreadableInputError("there is no such file or folder", "check the path", file=here)


def _expand_match(match: Path) -> list[InputFile]:
    return _in_folder(match) if match.is_dir() else [InputFile(match, named=False)]


def _in_folder(folder: Path) -> list[InputFile]:
    files = [
        InputFile(file, named=False)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not _is_hidden(file.relative_to(folder))
    ]
    if not files:
        raise UnreadableInputError(
            "the folder holds no file", "name the folder that the logs are in", file=folder
        )
    return files


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)
