"""`summary.json` of a scan, read and checked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stillwatch.exchange.errors import UnreadableInputError

COUNTS = ("exchanges", "accounts", "quarantined", "groups_tested", "campaigns")
_REMEDY = "Run `stillwatch scan` again with --out on this folder, or name the folder that a scan wrote."


@dataclass(frozen=True)
class ScanStep:
    """One step of the scan: its name, wall seconds, and rows of the table it made."""

    name: str
    seconds: float
    rows: int


@dataclass(frozen=True)
class Summary:
    """What a scan says of itself.

    Attributes:
        version: of Stillwatch.
        generated_from: what was read (`command`, if given, is the command that was typed).
        counts: exchanges, accounts, quarantined, groups_tested, campaigns.
        period: first and last exchange; None if there was none.
        settings: as they held in the scan.
        steps: in the order they ran.
        fdr: false-discovery rate under which campaigns are reported.
    """

    version: str
    generated_from: Mapping[str, Any]
    counts: Mapping[str, int]
    period: tuple[datetime, datetime] | None
    settings: Mapping[str, Any]
    steps: tuple[ScanStep, ...]
    fdr: float


def load_summary(file: Path) -> Summary:
    """Read `summary.json`.

    Raises:
        UnreadableInputError: it is missing, no JSON, or lacks what a scan writes; the message names the key.
    """
    content = _read_json(file)
    try:
        return Summary(
            version=str(content["version"]),
            generated_from=_mapping(content, "generated_from"),
            counts={name: _whole(_mapping(content, "counts"), name) for name in COUNTS},
            period=_period(content["period"]),
            settings=_mapping(content, "settings"),
            steps=tuple(
                ScanStep(str(step["name"]), float(step["seconds"]), int(step["rows"] or 0))
                for step in content["steps"]
            ),
            fdr=float(content["fdr"]),
        )
    except KeyError as error:
        raise UnreadableInputError(f"the key {error.args[0]!r} is missing", _REMEDY, file=file) from error
    except (TypeError, ValueError) as error:
        raise UnreadableInputError(f"a value is unfit: {error}", _REMEDY, file=file) from error


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UnreadableInputError("the summary of the scan is missing", _REMEDY, file=file) from error
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableInputError(f"no readable JSON ({error})", _REMEDY, file=file) from error
    if not isinstance(content, dict):
        raise UnreadableInputError("the JSON is no object", _REMEDY, file=file)
    return content


def _mapping(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = content[name]
    if not isinstance(value, dict):
        raise TypeError(f"{name} is no object")
    return value


def _whole(content: Mapping[str, Any], name: str) -> int:
    value = content[name]
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"counts.{name} is {value!r}, not a count")
    return value


def _period(value: Any) -> tuple[datetime, datetime] | None:
    if not value or value[0] is None:
        return None
    first, last = (_moment(text) for text in value)
    return first, last


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
