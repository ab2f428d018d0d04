"""What a slice adds is worked in at the price of the slice: the same results, and the work counted."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.campaigns.cells import cells_step
from stillwatch.engines.memory import MemoryEngine
from stillwatch.exchange.schema import TIMESTAMP
from stillwatch.replaying import counts
from stillwatch.replaying.counts import Counts, InOrder
from stillwatch.replaying.live_cells import LiveCells
from stillwatch.replaying.texts import WAITING_SCHEMA, WAITS, _added, still_waiting
from stillwatch.text import frequency
from stillwatch.text.frequency import Sketch, frequent_lines, keep_lines, update

SLICES = st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), max_size=12), max_size=6)
WORDS = st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta", "omega"]), max_size=9).map(" ".join)


def added(held: Counts, rows: list[tuple[int, int]]) -> list[int]:
    keys = np.array([key for key, _ in rows], dtype=np.int64)
    sums = np.array([(1, value) for _, value in rows], dtype=np.int64).reshape(-1, 2)
    fresh: list[int] = held.add(keys, sums).tolist()
    return fresh


@given(SLICES, st.integers(0, 6))
def test_counts_are_sums_by_key(slices, restored_after):
    held = Counts(np.zeros(0, np.int64), np.zeros((0, 2), np.int64))
    want_n: Counter[int] = Counter()
    want: Counter[int] = Counter()
    for number, rows in enumerate(slices):
        if number == restored_after:
            held = Counts(held.keys, held.sums)
        assert added(held, rows) == sorted({key for key, _ in rows} - set(want_n))
        for key, value in rows:
            want_n[key] += 1
            want[key] += value
        found = dict(zip(held.keys.tolist(), held.sums.tolist(), strict=True))
        assert found == {key: [want_n[key], want[key]] for key in want_n}
        known = held.contains(np.arange(31))
        assert np.flatnonzero(known).tolist() == sorted(want_n)


@given(st.lists(st.lists(st.text("abz", max_size=4), max_size=6), max_size=5))
def test_names_in_order(slices):
    ordered, names = InOrder(), []
    for fresh in slices:
        names += [name for name in dict.fromkeys(fresh) if name not in names]
        found, place = ordered.of(list(names))
        assert found.tolist() == sorted(names)
        assert found[place].tolist() == names


def work_of_a_slice(n_held: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Keys that are sorted, or moved, when a slice of ten keys comes to a state of many."""
    held = Counts(np.arange(n_held) * 2, np.ones((n_held, 2), np.int64))
    touched = 0

    def counted(function):
        def call(array, *rest, **named):
            nonlocal touched
            touched += len(array)
            return function(array, *rest, **named)

        return call

    numpy = {name: getattr(np, name) for name in ("zeros", "searchsorted")}
    watched = {name: counted(getattr(np, name)) for name in ("unique", "insert", "argsort", "concatenate")}
    adder = SimpleNamespace(at=np.add.at)
    with monkeypatch.context() as patch:
        patch.setattr(counts, "np", SimpleNamespace(**numpy, **watched, add=adder, int64=np.int64))
        for first in (0, 1, 7):
            keys = np.arange(first, first + 10)
            counts.Counts.add(held, keys, np.ones((10, 2), np.int64))
    return touched


def test_counting_a_slice_costs_what_the_slice_holds(monkeypatch):
    assert 30 <= work_of_a_slice(1_000, monkeypatch) == work_of_a_slice(100_000, monkeypatch) <= 200


def signals(rows: list[tuple[str, str, int]]) -> pa.Table:
    entity, template, minute = (list(column) for column in zip(*rows, strict=True))
    return pa.table(
        {
            "entity": entity,
            "account_id": [f"{name}-{at % 2}" for name, at in zip(entity, minute, strict=True)],
            "ts": pa.array([at * 60_000_000 for at in minute], pa.int64()).cast(TIMESTAMP),
            "prompt_template": pa.array([name or None for name in template], pa.string()),
            "system_template": pa.array(["s" if at % 3 else None for at in minute], pa.string()),
            "model": [f"m{at % 2}" for at in minute],
            "max_output_tokens": pa.array([at % 2 * 10 or None for at in minute], pa.int32()),
            "other": minute,
        }
    )


ROWS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["", "t1", "t2"]), st.integers(0, 99)), min_size=1
)


@given(st.lists(ROWS, min_size=1, max_size=4), st.integers(0, 4), st.integers(0, 4))
@settings(max_examples=25, deadline=None)
def test_cells_are_those_of_the_step(engine, slices, asked_first, forgotten):
    engine.drop("signals")
    cells = LiveCells(engine)
    for number, rows in enumerate(slices):
        engine.append("signals", signals(rows))
        cells.add(signals(rows))
        if number == forgotten:
            cells.forget()
        if number < asked_first:
            continue
        engine.put("wanted", pa.table({"template_id": ["t1"]}))
        engine.run(cells_step("oracle", "wanted"))
        users = {entity for rows in slices[: number + 1] for entity, name, _ in rows if name == "t1"}
        want = engine.table("oracle")
        assert cells.of(sorted(users)).cast(want.schema).to_pylist() == want.to_pylist()


class Counting(MemoryEngine):
    """Tells how many rows the steps of a slice read."""

    read = 0

    def run(self, step) -> None:
        self.read += sum(self.rows(name) for name in step.inputs)
        super().run(step)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = Counting(tmp_path_factory.mktemp("spill"))
    yield engine
    engine.close()


def rows_read(engine: Counting, n_before: int) -> int:
    """Rows that are read for the cells of two entities of many, once the cells of the day are there."""
    engine.drop("signals")
    before = [(f"e{at % (n_before // 5)}", "t1", at % 90) for at in range(n_before)]
    engine.append("signals", signals(before))
    cells = LiveCells(engine)
    cells.of(["e1"])
    now = signals([("e1", "t1", 95), ("e2", "t2", 96), ("e3", "t1", 97)])
    engine.append("signals", now)
    cells.add(now)
    engine.read = 0
    found = cells.of(["e1", "e2"])
    assert pc.sum(found.column("n")).as_py() == 12
    return engine.read


def test_cells_of_a_slice_cost_what_its_entities_did(engine):
    assert rows_read(engine, 2_000) <= 12
    assert rows_read(engine, 20_000) <= 12


@given(st.lists(st.lists(WORDS, max_size=6), max_size=5), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_lines_kept_up_to_date_are_those_counted_anew(slices, least):
    sketch = Sketch.empty(4)
    keep_lines(sketch, least)
    for texts in slices:
        update(sketch, pa.array(texts, pa.string()))
        again = Sketch(sketch.cells)
        assert (frequent_lines(sketch, least) == frequent_lines(again, least)).all()


def test_lines_kept_up_to_date_are_not_counted_anew(monkeypatch):
    sketch = Sketch.empty(4)
    keep_lines(sketch, 2)
    update(sketch, pa.array(["one two three", "one two four"]))
    monkeypatch.setattr(frequency, "_mark_lines", None)
    assert frequent_lines(sketch, 2).any()


SEEN = st.dictionaries(
    st.integers(1, 20), st.tuples(st.integers(1, 9), st.integers(0, 9), st.sampled_from([None, b"s", b"r"]))
)


def waiting(rows: dict[int, tuple[int, int, bytes | None]], day: int) -> pa.Table:
    named = [dict(zip(WAITING_SCHEMA.names, (key, *rows[key], day), strict=True)) for key in sorted(rows)]
    return pa.Table.from_pylist(named, schema=WAITING_SCHEMA)


@given(SEEN, SEEN)
def test_skeletons_that_wait_add_up(before, now):
    both = _added(waiting(before, 3), waiting(now, 4)).to_pylist()
    assert [row["skeleton"] for row in both] == sorted({*before, *now})
    for row in both:
        old, new = before.get(row["skeleton"]), now.get(row["skeleton"])
        assert row["n_exchanges"] == (old[0] if old else 0) + (new[0] if new else 0)
        assert row["n_texts"] == (old[1] if old else 0) + (new[1] if new else 0)
        assert row["signature"] == ((old and old[2]) or (new and new[2]))
        assert row["last_day"] == (4 if new else 3)


def test_a_skeleton_that_nobody_uses_waits_for_a_week():
    rows = pa.concat_tables([waiting({number: (1, 1, None)}, number) for number in range(1, 21)])

    def kept(day: int, live_since: int) -> list[int]:
        left: list[int] = still_waiting(rows, day, live_since).column("skeleton").to_pylist()
        return left

    assert kept(20, 0) == list(range(20 - WAITS + 1, 21))
    assert kept(20, 18) == [18, 19, 20]
    assert kept(WAITS, 0) == list(range(1, 21))
