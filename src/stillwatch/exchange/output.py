"""Writing safely: what is not whole has another name, a disk's complaint becomes an error with a remedy."""

import datetime as dt
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stillwatch.exchange.errors import OutputError

_REMEDIES = {
    errno.ENOSPC: "make room, or choose another folder with --out; what was complete stays and can be used",
    errno.EDQUOT: "the quota is used up: make room, or choose another folder with --out",
    errno.EACCES: "choose a folder that you may write to with --out",
    errno.EPERM: "choose a folder that you may write to with --out",
    errno.EROFS: "the file system is read-only: choose another folder with --out",
    errno.ENOTDIR: "a part of the path is a file: choose another folder with --out",
    errno.EEXIST: "a file stands where a folder is needed: choose another folder with --out",
}


def as_json(value: Any, default: Callable[[Any], Any] | None = None) -> str:
    """One JSON document for people and programs, which any encoding of UTF-8 takes.

    Names of files that are no UTF-8 reach Python as lone surrogates; they are written as JSON's own escapes.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, default=default) + "\n"
    return text.encode("utf-8", "backslashreplace").decode()


def iso(moment: dt.datetime | None) -> str | None:
    """A moment as JSON holds it (ISO 8601)."""
    return None if moment is None else moment.isoformat()


def partial_of(path: Path) -> Path:
    """The name of a file that is not whole yet."""
    return path.with_name(path.name + ".partial")


def write_text(path: Path, text: str) -> None:
    """Write a text file that has its name only when it is whole.

    Raises:
        OutputError: it cannot be written.
    """
    with written(path):
        partial_of(path).write_text(text, encoding="utf-8")
        partial_of(path).replace(path)


def copy_file(source: Path, path: Path) -> None:
    """Copy a file; the copy has its name only when it is whole.

    Raises:
        OutputError: it cannot be written.
    """
    with written(path):
        shutil.copyfile(source, partial_of(path))
        partial_of(path).replace(path)


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Turn an operating-system error while `path` is written into an `OutputError`."""
    try:
        yield
    except OSError as error:
        what = os.strerror(error.errno) if error.errno else str(error)
        remedy = _REMEDIES.get(
            error.errno or 0, "check the disk and the path, or choose another folder with --out"
        )
        raise OutputError(f"cannot be written: {what}", remedy, file=path) from error
