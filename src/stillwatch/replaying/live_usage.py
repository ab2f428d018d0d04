"""Who used which template lately: counts that slices add to and that days are taken from.

The same figures as the steps `template_usage` and `entity_totals` (campaigns/steps.py) over the live days, without
reading their exchanges again. Only days within the horizon count.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.sample import HOUR_US
from stillwatch.campaigns.uses import UsesByTemplate
from stillwatch.exchange.schema import TIMESTAMP
from stillwatch.replaying.asked import Asked
from stillwatch.replaying.counts import Counts, InOrder, Ints
from stillwatch.replaying.names import Names, known_numbers

USED = pa.schema(
    [
        pa.field("day", pa.int64(), nullable=False),
        pa.field("template_id", pa.string(), nullable=False),
        pa.field("entity", pa.string(), nullable=False),
        pa.field("held_out", pa.bool_(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        pa.field("n_repeated", pa.int64(), nullable=False),
    ]
)
TOTALS = pa.schema(
    [
        pa.field("day", pa.int64(), nullable=False),
        pa.field("entity", pa.string(), nullable=False),
        pa.field("held_out", pa.bool_(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        pa.field("first_ts", TIMESTAMP, nullable=False),
        pa.field("last_ts", TIMESTAMP, nullable=False),
    ]
)


class LiveUsage:
    """Usage over the live days.

    Numbers of entities and templates stay the same until the object is restored from its tables.

    Args:
        days: `USED` rows of the live days.
        totals: `TOTALS` rows of the live days.
        asked: `ASKED` rows: when each (template, task) was asked first.
        named: names of entities, and of templates, that have numbers though nothing live may be known of them.
    """

    def __init__(
        self,
        days: pa.Table,
        totals: pa.Table,
        asked: pa.Table,
        named: tuple[Sequence[str], Sequence[str]] = ((), ()),
    ) -> None:
        self._days, self._total_days = days, totals
        entities, templates = (pa.chunked_array([list(names)], pa.string()) for names in named)
        self.entities = Names.of([totals.column("entity"), entities])
        self.templates = Names.of([days.column("template_id"), asked.column("template_id"), templates])
        self._ordered_entities, self._ordered_templates = InOrder(), InOrder()
        self._today = _no_counts()
        restored = _no_counts()
        restored.add(
            _key(
                known_numbers(self.templates, days.column("template_id")),
                known_numbers(self.entities, days.column("entity")),
                days.column("held_out").to_numpy(zero_copy_only=False),
            ),
            _pair(days.column("n"), days.column("n_repeated")),
        )
        self._counts = Counts(restored.keys, restored.sums)
        template, _, _ = _parts(self._counts.keys)
        n = len(self.templates)
        self._volume = np.bincount(template, self._counts.sums[:, 0], minlength=n).astype(np.int64)
        self._users = _users_by_template(np.unique(self._counts.keys >> 1), n)
        self._totals, self._spans = np.zeros((0, 2), np.int64), np.zeros((0, 2), np.int64)
        self._totals_today, self._spans_today = self._totals.copy(), np.zeros((0, 2, 2), np.int64)
        self._grow()
        who = known_numbers(self.entities, totals.column("entity"))
        half = totals.column("held_out").to_numpy(zero_copy_only=False).astype(np.int64)
        np.add.at(self._totals, (who, half), totals.column("n").to_numpy())
        np.minimum.at(self._spans[:, 0], who, totals.column("first_ts").cast(pa.int64()).to_numpy())
        np.maximum.at(self._spans[:, 1], who, totals.column("last_ts").cast(pa.int64()).to_numpy())
        self._asked = Asked(asked, self.templates)

    def add(self, signals: pa.Table, day: int) -> None:
        """Count a slice.

        Args:
            signals: rows of the table `signals`, in order of time; not before any added earlier.
            day: number of the day that they fall in.
        """
        who = self.entities.numbers(signals.column("entity").to_pylist())
        self._grow()
        half = signals.column("held_out").to_numpy(zero_copy_only=False).astype(np.int64)
        ts = signals.column("ts").cast(pa.int64()).to_numpy()
        for totals, spans in ((self._totals, self._spans), (self._totals_today, None)):
            np.add.at(totals, (who, half), 1)
            if spans is not None:
                np.minimum.at(spans[:, 0], who, ts)
                np.maximum.at(spans[:, 1], who, ts)
        np.minimum.at(self._spans_today[:, :, 0], (who, half), ts)
        np.maximum.at(self._spans_today[:, :, 1], (who, half), ts)
        for column in ("prompt_template", "system_template"):
            names = signals.column(column)
            used = np.flatnonzero(names.is_valid().to_numpy())
            template = self.templates.numbers(names.take(pa.array(used)).to_pylist())
            task = signals.column("task").take(pa.array(used)).combine_chunks()
            repeated = self._repeated(template, task, ts[used], day)
            keys = _key(template, who[used], half[used])
            sums = np.column_stack([np.ones(len(used), np.int64), repeated])
            self._count(template, self._counts.add(keys, sums))
            self._today.add(keys, sums)

    def usage(self) -> Usage:
        """Who uses which template, as the tests of a scan want it: entities and templates in order of name."""
        template, entity, half = _parts(self._counts.keys)
        entities, place = self._ordered_entities.of(self.entities.list)
        templates, template_place = self._ordered_templates.of(self.templates.list)
        shape = (len(entities), len(templates))
        row, column = place[entity], template_place[template]
        sums = self._counts.sums
        n, found = sums[:, 0], half == 0
        again = np.bincount(column[found], sums[found, 1], minlength=shape[1])
        asked = np.bincount(column[found], n[found], minlength=shape[1])
        order = np.argsort(place)
        return Usage(
            entities,
            templates,
            UsesByTemplate.counted(shape, row, column, ~found, n),
            self._totals[order].astype(np.float64),
            self._spans[order],
            again / np.maximum(asked, 1.0),
        )

    def template_volumes(self) -> tuple[Ints, Ints]:
        """Exchanges of each template, and the entities that used it; both shape (n_templates,)."""
        self._count(np.zeros(0, np.int64), np.zeros(0, np.int64))
        return self._volume.copy(), self._users.copy()

    def tables(self, day: int, live_since: int) -> tuple[pa.Table, pa.Table, pa.Table]:
        """The tables from which it can be restored, once day `day` is over.

        Args:
            day: number of the day of all slices added since it was restored.
            live_since: first day that still counts.
        """
        used = pa.concat_tables([self._days, self._used_today(day)])
        totals = pa.concat_tables([self._total_days, self._entities_today(day)])
        live = pa.scalar(live_since, pa.int64())
        return (_since(used, live), _since(totals, live), self._asked.table(day, live_since))

    def _repeated(self, template: Ints, task: pa.Array, ts: Ints, day: int) -> Ints:
        """Whether each task was asked before in its template, more than an hour ago (campaigns/steps.py)."""
        out = np.ones(len(template), np.int64)
        known = np.flatnonzero(task.is_valid().to_numpy(zero_copy_only=False))
        what = task.take(pa.array(known)).to_numpy()
        out[known] = ts[known] > self._asked.first(template[known], what, ts[known], day) + HOUR_US
        return out

    def _count(self, template: Ints, new: Ints) -> None:
        """Bring volumes and users of templates up to date.

        Args:
            template: of each exchange that was added.
            new: keys of `_counts` that were added; whoever has used the template in the other half is no new user.
        """
        n = len(self.templates)
        if len(self._volume) < n:
            self._volume, self._users = (
                np.concatenate([held, np.zeros(n - len(held), np.int64)])
                for held in (self._volume, self._users)
            )
        np.add.at(self._volume, template, 1)
        before = self._counts.contains(new ^ 1) & ~np.isin(new ^ 1, new)
        self._users += _users_by_template(np.unique(new[~before] >> 1), n)

    def _grow(self) -> None:
        missing = len(self.entities) - len(self._totals)
        if missing <= 0:
            return
        limits = np.iinfo(np.int64)
        self._totals = np.concatenate([self._totals, np.zeros((missing, 2), np.int64)])
        self._totals_today = np.concatenate([self._totals_today, np.zeros((missing, 2), np.int64)])
        none = np.array([limits.max, limits.min])
        self._spans = np.concatenate([self._spans, np.tile(none, (missing, 1))])
        self._spans_today = np.concatenate([self._spans_today, np.tile(none, (missing, 2, 1))])

    def _used_today(self, day: int) -> pa.Table:
        template, entity, half = _parts(self._today.keys)
        return pa.table(
            [
                pa.array(np.full(len(template), day), pa.int64()),
                _named(self.templates, template),
                _named(self.entities, entity),
                pa.array(half == 1, pa.bool_()),
                pa.array(self._today.sums[:, 0], pa.int64()),
                pa.array(self._today.sums[:, 1], pa.int64()),
            ],
            schema=USED,
        )

    def _entities_today(self, day: int) -> pa.Table:
        entity, half = np.nonzero(self._totals_today)
        return pa.table(
            [
                pa.array(np.full(len(entity), day), pa.int64()),
                _named(self.entities, entity),
                pa.array(half == 1, pa.bool_()),
                pa.array(self._totals_today[entity, half], pa.int64()),
                pa.array(self._spans_today[entity, half, 0], pa.int64()).cast(TIMESTAMP),
                pa.array(self._spans_today[entity, half, 1], pa.int64()).cast(TIMESTAMP),
            ],
            schema=TOTALS,
        )


def _since(table: pa.Table, day: pa.Scalar) -> pa.Table:
    days = table.column("day").to_numpy()
    return table.filter(pa.array(days >= day.as_py(), pa.bool_())).combine_chunks()


def _named(names: Names, numbers: NDArray[np.int64] | NDArray[np.intp]) -> pa.Array:
    return pa.array(names.list, pa.string()).take(pa.array(numbers, pa.int64()))


def _pair(first: pa.ChunkedArray, second: pa.ChunkedArray) -> Ints:
    return np.column_stack([first.to_numpy(), second.to_numpy()]).astype(np.int64)


_ENTITY_BITS = 34


def _key(template: Ints, entity: Ints, half: NDArray[np.generic]) -> Ints:
    return (template << (_ENTITY_BITS + 1)) | (entity << 1) | half.astype(np.int64)


def _no_counts() -> Counts:
    return Counts(np.zeros(0, np.int64), np.zeros((0, 2), np.int64))


def _users_by_template(pairs: Ints, n_templates: int) -> Ints:
    """How many entities stand in distinct pairs of template and entity (keys without their half)."""
    return np.bincount(pairs >> _ENTITY_BITS, minlength=n_templates).astype(np.int64)


def _parts(keys: Ints) -> tuple[Ints, Ints, Ints]:
    return keys >> (_ENTITY_BITS + 1), (keys >> 1) & ((1 << _ENTITY_BITS) - 1), keys & 1
