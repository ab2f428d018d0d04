"""An interrupted scan that is gone on with: what must be the same, what the input was found to be, what is kept.

A scan writes every step's table into the working folder, and after each of them the manifest (`engines/journal.py`).
Whatever stops it, `scan --resume` takes up the input as it was found, then every step that is whole, and goes on
behind the last. All that lies between the tables of steps is computed anew from them.
"""

import datetime as dt
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch import __version__
from stillwatch.engines.journal import Journal
from stillwatch.exchange.errors import UnreadableInputError, UsageError
from stillwatch.exchange.output import iso, write_text
from stillwatch.exchange.privacy import IdentifierHasher
from stillwatch.exchange.tables import ACCOUNTS
from stillwatch.exchange.writer import write_table
from stillwatch.inputs import Input
from stillwatch.results_folder import clear_results, require_own
from stillwatch.settings import ScanSettings
from stillwatch.sources.files import STANDARD_INPUT, expand

_INPUT = "input/found.json"
_ACCOUNTS = "input/accounts.parquet"
_WHATEVER = ("threads", "memory_limit", "check_disk", "key_file", "master")
"""Settings that change no result, and the place of the key, whose id is compared."""

Identity = Mapping[str, Any]


def identity(inputs: Sequence[str], join: Sequence[str], settings: ScanSettings, out: Path) -> Identity:
    """What must be the same for a scan to be gone on with; plain JSON.

    Args:
        inputs: what the user named.
        join: access logs.
        settings: see `ScanSettings`.
        out: results folder; its files are no input.
    """
    others = [str(path) for path in (settings.known, settings.verdicts) if path is not None]
    named = [*inputs, *join, *others]
    return {
        "version": __version__,
        "key": IdentifierHasher.from_key_file(settings.key_file).key_id(),
        "settings": {n: value for n, value in settings.shown().items() if n not in _WHATEVER},
        "inputs": list(inputs),
        "join": list(join),
        "files": {str(file): _stamp(file) for name in named for file in _files(name, out.resolve())},
    }


def _files(name: str, out: Path) -> Iterator[Path]:
    try:
        found = expand([name])
    except UnreadableInputError:  # whoever reads it will say so
        return
    for file in found:
        if file.path is not None and out not in file.path.resolve().parents:
            yield file.path


def _stamp(file: Path) -> list[int]:
    """Bytes, and nanoseconds since 1970 of the last change."""
    known = file.stat()
    return [known.st_size, known.st_mtime_ns]


def begin(out: Path, working: str, wanted: Identity, tell: Callable[[str], None] | None) -> Journal:
    """Make the working folder ready, with all that an interrupted scan left there or empty.

    Args:
        out: results folder.
        working: name of the working folder in it.
        wanted: identity of this scan.
        tell: told what is gone on with; None where the scan begins anew whatever stands there.

    Raises:
        UsageError: what stands there was left by another scan; the message says what differs.
    """
    folder = out / working
    held = None
    if tell is not None:
        require_own(folder)
        held = Journal.load(folder)
        if held is not None and STANDARD_INPUT in held.identity["inputs"]:
            raise UsageError(
                "a scan of standard input cannot be gone on with: nobody can tell whether it is the same",
                "run it without --resume",
                file=folder,
            )
        if held is None or not is_worth_keeping(folder):
            held = None
            tell(f"There is nothing to go on with in {out}: the scan starts anew.")
    if held is not None:
        _require_same(held.identity, wanted, folder)
    clear_results(out, working, keep=held is not None)
    if held is None:
        journal = Journal(folder, wanted)
        journal.write()
        return journal
    shutil.rmtree(folder / "spill", ignore_errors=True)
    last = held.finished[-1].name.replace("_", " ") if held.finished else "checking the input"
    if tell is not None:
        tell(f"Going on behind {len(held.finished) + 1} finished steps, of which the last was: {last}.")
    return held


def is_worth_keeping(folder: Path) -> bool:
    """Whether a scan could go on from what stands in a working folder."""
    return (folder / _INPUT).exists()


def _require_same(held: Identity, wanted: Identity, folder: Path) -> None:
    differs = _difference(held, wanted)
    if differs is not None:
        raise UsageError(
            f"what stands here was left by another scan: {differs}",
            "run without --resume to start anew, or repeat the interrupted command",
            file=folder,
        )


def _difference(held: Identity, wanted: Identity) -> str | None:
    if held.get("version") != wanted["version"]:
        return f"it was begun by version {held.get('version')}, and this is {wanted['version']}"
    if held.get("key") != wanted["key"]:
        return "it was begun with another key of the identifiers (--key-file)"
    for name in ("inputs", "join"):
        if held.get(name) != wanted[name]:
            return f"it was begun with {name} {held.get(name)!r}, and now they are {wanted[name]!r}"
    for part, words in (("settings", "the setting"), ("files", "the file")):
        before, now = held.get(part, {}), wanted[part]
        for name in sorted(before.keys() | now.keys()):
            if before.get(name) != now.get(name):
                return _words(f"{words} {name}", before.get(name), now.get(name), part == "files")
    return None


def _words(what: str, before: Any, now: Any, is_file: bool) -> str:
    if not is_file:
        return f"{what} was {before!r}, and is now {now!r}"
    if before is None:
        return f"{what} is new"
    return f"{what} is gone" if now is None else f"{what} has been changed since"


def save_input(folder: Path, found: Input) -> None:
    """Write down what an input was found to be; the last thing that checking it does."""
    write_table(folder / _ACCOUNTS, found.accounts)
    held = {
        "files": [str(file) for file in found.files],
        "rows": found.rows,
        "quarantined": found.quarantined,
        "first_ts": iso(found.first_ts),
        "last_ts": iso(found.last_ts),
        "has_text": found.has_text,
        "hidden": list(found.hidden),
        "text_bytes": dict(found.text_bytes),
        "signatures": None if found.signatures is None else str(found.signatures),
        "measures": [list(measure) for measure in found.measures],
        "origin": found.origin,
    }
    write_text(folder / _INPUT, json.dumps(held))


def load_input(folder: Path) -> Input | None:
    """What an interrupted scan found its input to be; None where it did not come so far, or files are gone."""
    try:
        held = json.loads((folder / _INPUT).read_text("utf-8"))
        accounts = pq.read_table(folder / _ACCOUNTS, schema=ACCOUNTS.arrow)
        files = tuple(Path(file) for file in held["files"])
        rows = sum(pq.read_metadata(file).num_rows for file in files)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return None
    if rows != held["rows"]:
        return None
    return Input(
        files=files,
        accounts=accounts,
        rows=rows,
        quarantined=held["quarantined"],
        first_ts=_moment(held["first_ts"]),
        last_ts=_moment(held["last_ts"]),
        has_text=held["has_text"],
        hidden=tuple(held["hidden"]),
        text_bytes=held["text_bytes"],
        signatures=None if held["signatures"] is None else Path(held["signatures"]),
        measures=tuple(tuple(measure) for measure in held["measures"]),
        origin=held["origin"],
    )


def _moment(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text)
