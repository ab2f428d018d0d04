"""When each task was asked first in each template: some two entries an exchange, so they are columns, not objects.

What was asked before the day stands in order of task; what the day asks for the first time is worked in at its end.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillwatch.exchange.numbering import runs
from stillwatch.replaying.counts import Ints
from stillwatch.replaying.names import Names, known_numbers

Tasks = NDArray[np.uint64]

ASKED = pa.schema(
    [
        pa.field("template_id", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("task", pa.uint64(), nullable=False),
        pa.field("first_ts", pa.int64(), nullable=False),
        pa.field("last_day", pa.int64(), nullable=False),
    ]
)


class Asked:
    """First and last time of every (template, task).

    Args:
        held: `ASKED` rows, in order of task.
        templates: numbers of the templates, all of those of `held` among them.
    """

    def __init__(self, held: pa.Table, templates: Names) -> None:
        self._templates = templates
        self._template = known_numbers(templates, held.column("template_id"))
        self._task: Tasks = held.column("task").to_numpy()
        self._first = held.column("first_ts").to_numpy()
        self._last_day = held.column("last_day").to_numpy().copy()
        self._new: dict[tuple[int, int], int] = {}

    def first(self, template: Ints, task: Tasks, ts: Ints, day: int) -> Ints:
        """When each was asked first, itself included; takes note of them.

        Args:
            template: number of the template of each exchange, shape (n,).
            task: shape (n,).
            ts: microseconds since 1970, not decreasing, shape (n,).
            day: number of the day, the same since the object was made.
        """
        at = self._places(template, task)
        known = at >= 0
        self._last_day[at[known]] = day
        first = np.zeros(len(ts), np.int64)
        first[known] = self._first[at[known]]
        fresh = np.flatnonzero(~known)
        rows = zip(template[fresh].tolist(), task[fresh].tolist(), ts[fresh].tolist(), strict=True)
        first[fresh] = [self._new.setdefault((number, what), when) for number, what, when in rows]
        return first

    def table(self, day: int, live_since: int) -> pa.Table:
        """The table from which it can be restored, once day `day` is over.

        Args:
            day: number of the day.
            live_since: first day that still counts.
        """
        live = self._last_day >= live_since
        held = self._template[live], self._task[live], self._first[live], self._last_day[live]
        keys = sorted(self._new, key=lambda key: (key[1], self._templates.list[key[0]]))
        task = np.array([what for _, what in keys], dtype=np.uint64)
        new = (
            np.array([number for number, _ in keys], dtype=np.int64),
            task,
            np.array([self._new[key] for key in keys], dtype=np.int64),
            np.full(len(keys), day),
        )
        at = np.searchsorted(held[1], task)
        template, *rest = (np.insert(old, at, added) for old, added in zip(held, new, strict=True))
        names = pa.array(self._templates.list, pa.string())
        coded = pa.DictionaryArray.from_arrays(pa.array(template.astype(np.int32)), names)
        return pa.table([coded, *(pa.array(column) for column in rest)], schema=ASKED)

    def _places(self, template: Ints, task: Tasks) -> Ints:
        """Row of each among what is held, or -1."""
        begin, end = (np.searchsorted(self._task, task, side) for side in ("left", "right"))
        row, place = runs(begin, end - begin)
        same = self._template[place] == template[row]
        found = np.full(len(task), -1, np.int64)
        found[row[same]] = place[same]
        return found
