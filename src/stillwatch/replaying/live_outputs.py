"""How long the answers to each template lately were: counts that slices add to and that days are taken from.

The same figures as the step `template_outputs` (campaigns/output_maximisation.py) over the live days, without reading
their exchanges again. Only days within the horizon count.
"""

import numpy as np
import pyarrow as pa
from scipy.sparse import csc_array

from stillwatch.campaigns.output_maximisation import LENGTHS_STEP, Lengths, TemplateScores
from stillwatch.campaigns.repetition import Usage
from stillwatch.engines.memory import MemoryEngine
from stillwatch.exchange.numbering import places_in
from stillwatch.replaying.counts import Counts, Ints
from stillwatch.replaying.names import Names

OUTPUTS = pa.schema(
    [
        pa.field("day", pa.int64(), nullable=False),
        pa.field("template_id", pa.string(), nullable=False),
        pa.field("length_bin", pa.int64(), nullable=False),
        pa.field("n_single", pa.int64(), nullable=False),
        pa.field("n_other", pa.int64(), nullable=False),
    ]
)
_BIN_BITS = 10
"""Of answers below 2^32 tokens a bin's number has at most 9 bits."""


class LiveOutputs:
    """Answers by template and length over the live days.

    Args:
        days: `OUTPUTS` rows of the live days.
    """

    def __init__(self, days: pa.Table) -> None:
        self._days = days
        self._templates = Names.of([days.column("template_id")])
        self._counts, self._today = _none(), _none()
        self._counts.add(
            self._keys(days),
            np.column_stack([days.column(name).to_numpy() for name in ("n_single", "n_other")]),
        )

    def add(self, engine: MemoryEngine) -> None:
        """Count the slice whose `signals` the engine holds."""
        engine.run(LENGTHS_STEP)
        found = engine.table(LENGTHS_STEP.output)
        keys, n = self._keys(found), found.column("n").to_numpy()
        single = found.column("single").to_numpy(zero_copy_only=False)
        sums = np.column_stack([np.where(single, n, 0), np.where(single, 0, n)])
        for counts in (self._counts, self._today):
            counts.add(keys, sums)

    def scores(self, usage: Usage) -> TemplateScores:
        """Scores of the templates.

        Args:
            usage: who used which template over the same days.
        """
        names = pa.array(usage.templates.tolist(), pa.string())
        place = places_in(names, pa.chunked_array([self._templates.list], pa.string()))
        keys, sums = self._counts.keys, self._counts.sums
        row, other = np.nonzero(sums)
        lengths = Lengths(
            place[keys[row] >> _BIN_BITS],
            other == 0,
            keys[row] & ((1 << _BIN_BITS) - 1),
            sums[row, other].astype(np.float64),
        )
        uses, shape = usage.by_template, (len(usage.entities), len(usage.templates))
        users = csc_array((np.ones(len(uses.entity)), uses.entity, uses.starts), shape=shape)
        return TemplateScores.counted(usage.templates, users, lengths)

    def table(self, day: int, live_since: int) -> pa.Table:
        """The table from which it can be restored, once day `day` is over.

        Args:
            day: number of the day of all slices added since it was restored.
            live_since: first day that still counts.
        """
        keys, sums = self._today.keys, self._today.sums
        names = pa.array(self._templates.list, pa.string())
        today = pa.table(
            [
                pa.array(np.full(len(keys), day), pa.int64()),
                names.take(pa.array(keys >> _BIN_BITS)),
                pa.array(keys & ((1 << _BIN_BITS) - 1)),
                pa.array(sums[:, 0]),
                pa.array(sums[:, 1]),
            ],
            schema=OUTPUTS,
        )
        both = pa.concat_tables([self._days, today])
        return both.filter(pa.array(both.column("day").to_numpy() >= live_since, pa.bool_())).combine_chunks()

    def _keys(self, rows: pa.Table) -> Ints:
        template = self._templates.numbers(rows.column("template_id").to_pylist())
        bins: Ints = rows.column("length_bin").to_numpy()
        return (template << _BIN_BITS) | bins


def _none() -> Counts:
    return Counts(np.zeros(0, np.int64), np.zeros((0, 2), np.int64))
