"""What the users of some templates did, without a look at all live exchanges in every slice.

The same rows as the step `user_cells` (campaigns/cells.py). The cells of before are counted once a day, entity by
entity; a slice asks for those of the entities at stake, and adds what came since.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.campaigns.cells import KEYS
from stillwatch.engines.memory import MemoryEngine
from stillwatch.engines.step import SqlStep

_BEFORE, _SINCE, _MADE = "cells_before", "signals_since", "user_cells"
_KEYED = f"SELECT s.entity AS entity, s.account_id AS account_id, s.ts AS ts, {KEYS} FROM {{signals}} AS s"
_KEY = "entity, account_id, prompt_template, system_template, settings"

_COUNTED = f"""
WITH keyed AS ({_KEYED.format(signals="signals")})
SELECT {_KEY}, COUNT(*) AS n, MIN(ts) AS first_ts, MAX(ts) AS last_ts FROM keyed GROUP BY {_KEY} ORDER BY entity
"""

_ADDED = f"""
WITH keyed AS ({_KEYED.format(signals=_SINCE)}), parts AS (
    SELECT {_KEY}, n, first_ts, last_ts FROM {_BEFORE}
    UNION ALL
    SELECT {_KEY}, 1 AS n, ts AS first_ts, ts AS last_ts FROM keyed
)
SELECT {_KEY}, CAST(SUM(n) AS BIGINT) AS n, MIN(first_ts) AS first_ts, MAX(last_ts) AS last_ts
FROM parts GROUP BY {_KEY} ORDER BY account_id, prompt_template, system_template, settings
"""

_READ = ["entity", "account_id", "ts", "prompt_template", "system_template", "model", "max_output_tokens"]


class LiveCells:
    """Cells of all entities over the live exchanges.

    Args:
        live: engine that holds the live `signals`.
    """

    def __init__(self, live: MemoryEngine) -> None:
        self._live = live
        self._before: pa.Table | None = None
        # Cells from where to where are an entity's.
        self._rows: dict[str, tuple[int, int]] = {}
        self._since: list[pa.Table] = []

    def add(self, signals: pa.Table) -> None:
        """Take note of a slice that was added to `signals`."""
        if self._before is not None:
            self._since.append(signals.select(_READ))

    def forget(self) -> None:
        """Count anew when asked next: days have left `signals`."""
        self._before, self._since = None, []

    def of(self, entities: Sequence[str]) -> pa.Table:
        """Cells of these entities: entity, account_id, prompt_template, system_template, settings, n, first_ts,
        last_ts, in order of account, templates and settings."""
        if self._before is None:
            self._count()
        assert self._before is not None
        wanted = pa.array(list(entities), pa.string())
        spans = [self._rows[name] for name in entities if name in self._rows]
        rows = np.concatenate([np.zeros(0, np.int64), *(np.arange(first, last) for first, last in spans)])
        recent = pa.concat_tables(self._since)
        self._live.put(_BEFORE, self._before.take(pa.array(rows)))
        self._live.put(_SINCE, recent.filter(pc.is_in(recent.column("entity"), wanted)))
        self._live.run(SqlStep(_MADE, (_BEFORE, _SINCE), _ADDED))
        return self._live.table(_MADE)

    def _count(self) -> None:
        self._live.run(SqlStep(_BEFORE, ("signals",), _COUNTED))
        self._before = self._live.table(_BEFORE).combine_chunks()
        runs = pc.run_end_encode(self._before.column("entity").combine_chunks())
        ends = runs.run_ends.to_pylist()
        begins = [0, *ends][: len(ends)]
        self._rows = dict(zip(runs.values.to_pylist(), zip(begins, ends, strict=True), strict=True))
        none = SqlStep(_SINCE, ("signals",), f"SELECT {', '.join(_READ)} FROM signals LIMIT 0")
        self._live.run(none)
        self._since = [self._live.table(_SINCE)]
