"""What a world says of its campaigns beside the labels: their scenario and price, and who replaced whom."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.exchange.errors import UnreadableInputError, UsageError
from stillwatch.lab.scoring.store import check_columns

SCENARIOS_FILE = "scenarios.parquet"
REPLACEMENTS_FILE = "replacements.parquet"
_AGAIN = "Simulate the world again, or score without this file."


@dataclass(frozen=True)
class Scenario:
    """How a true campaign behaves and what that costs its operator.

    Attributes:
        family: what is varied, such as "jitter"; the campaign's own name where the world says nothing.
        dose: how much of it, in the family's own unit; None where it has no degree.
        n_exchanges: exchanges that the costs are for; 0 if unknown.
        cost_accounts: accounts that the operator has to open; None if not said, as all costs.
        cost_money_eur: money.
        cost_delay_hours: delay.
    """

    family: str
    dose: float | None = None
    n_exchanges: int = 0
    cost_accounts: float | None = None
    cost_money_eur: float | None = None
    cost_delay_hours: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Replacement:
    """An account that took the place of another in a campaign."""

    campaign_id: str
    account_id: str
    replaces: str


def read_scenarios(folder: Path, campaigns: Collection[str]) -> dict[str, Scenario] | None:
    """Reads scenarios.parquet beside the labels; None if there is none.

    Raises UnreadableInputError if it is broken, UsageError if a campaign of the labels is not in it.
    """
    path = folder / SCENARIOS_FILE
    if not path.exists():
        return None
    needed = ("campaign_id", "family", "dose", "n_exchanges")
    costs = ("cost_accounts", "cost_money_eur", "cost_delay_hours")
    rows = _rows(path, needed, costs)
    found = {
        row["campaign_id"]: Scenario(
            row["family"],
            row["dose"],
            row["n_exchanges"] or 0,
            *(row.get(name) for name in costs),
        )
        for row in rows
    }
    for row, values in enumerate(rows):
        if values["campaign_id"] is None or values["family"] is None:
            raise UnreadableInputError("no campaign_id or no family", _AGAIN, file=path, row=row)
    unknown = sorted(set(campaigns) - found.keys())
    if unknown:
        raise UsageError(f"campaign {unknown[0]} of the labels does not stand in it", _AGAIN, file=path)
    return found


def read_replacements(folder: Path) -> list[Replacement] | None:
    """Reads replacements.parquet beside the labels; None if there is none.

    Raises UnreadableInputError if it is broken.
    """
    path = folder / REPLACEMENTS_FILE
    if not path.exists():
        return None
    names = ("campaign_id", "account_id", "replaces")
    rows = _rows(path, names)
    for row, values in enumerate(rows):
        empty = [name for name in names if values[name] is None]
        if empty:
            raise UnreadableInputError(f"no {', '.join(empty)}", _AGAIN, file=path, row=row)
    return [Replacement(row["campaign_id"], row["account_id"], row["replaces"]) for row in rows]


def _rows(path: Path, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise UnreadableInputError(f"cannot be read: {error}", _AGAIN, file=path) from error
    check_columns(table.column_names, needed, path)
    kept = [*needed, *(name for name in optional if name in table.column_names)]
    rows: list[dict[str, Any]] = table.select(kept).to_pylist()
    return rows
