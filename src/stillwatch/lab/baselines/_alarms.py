"""Alarms of detectors that look at one account at a time, as campaigns of one account each."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from stillwatch.campaigns.tables import Rung
from stillwatch.lab.baselines._vectors import Prompts
from stillwatch.lab.baselines.tables import Found

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Alarm:
    """One account that alarms.

    Attributes:
        account: place in `Prompts.accounts`.
        row: row of `Prompts` that raised the alarm.
    """

    account: int
    row: int


def moment(prompts: Prompts, row: int) -> dt.datetime:
    """When a prompt arrived."""
    return _EPOCH + dt.timedelta(microseconds=int(prompts.ts[row]))


def one_each(prompts: Prompts, alarms: Iterable[Alarm], name: str, notes: Mapping[str, Any]) -> Found:
    """Every account that alarms as a campaign of its own, with all its exchanges.

    Args:
        prompts: of the dataset.
        alarms: at most one an account.
        name: of the detector; campaigns and the family of evidence are named after it.
        notes: further figures for the summary.
    """
    ids = prompts.accounts.to_pylist()
    first = {ids[alarm.account]: moment(prompts, alarm.row) for alarm in alarms}
    members = pa.table(
        {
            "campaign_id": pa.array([f"{name}-{account}" for account in first], pa.string()),
            "account_id": pa.array(list(first), pa.string()),
        }
    )
    flagged_at = {f"{name}-{account}": when for account, when in first.items()}
    notes = {**notes, "n_prompts": len(prompts), "n_without_words": prompts.n_without}
    return Found(Rung.REPETITIVE, members, None, (name,), flagged_at, notes)
