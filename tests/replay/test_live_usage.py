"""Usage kept slice by slice is what the steps of a scan count over the same exchanges."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.campaigns.repetition import usage_from_tables
from stillwatch.campaigns.steps import usage_steps
from stillwatch.engines.memory import MemoryEngine
from stillwatch.exchange.schema import TIMESTAMP
from stillwatch.replaying.asked import ASKED
from stillwatch.replaying.live_usage import TOTALS, USED, LiveUsage
from stillwatch.replaying.slices import DAY_US

MINUTE = 60_000_000
ROWS = st.lists(
    st.tuples(
        st.integers(0, 4 * 24 * 60),  # minute
        st.sampled_from(["e1", "e2", "a3", "z4"]),
        st.sampled_from([None, "t1", "t2", "t3"]),
        st.sampled_from([None, "s1", "s2"]),
        st.sampled_from([None, 5, 6, 7]),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
)
SCHEMA = pa.schema(
    [
        ("ts", TIMESTAMP),
        ("entity", pa.string()),
        ("prompt_template", pa.string()),
        ("system_template", pa.string()),
        ("task", pa.uint64()),
        ("held_out", pa.bool_()),
    ]
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = MemoryEngine(tmp_path_factory.mktemp("spill"))
    yield engine
    engine.close()


def signals(rows):
    ordered = sorted(rows, key=lambda row: row[0])
    columns = [list(column) for column in zip(*ordered, strict=True)]
    stamps = pa.array([minute * MINUTE for minute in columns[0]], pa.int64()).cast(TIMESTAMP)
    return pa.table([stamps, *columns[1:]], schema=SCHEMA)


def counted(engine, table):
    engine.put("signals", table)
    for step in usage_steps():
        if step.output in ("template_usage", "entity_totals"):
            engine.run(step)
    return usage_from_tables(engine.table("template_usage"), engine.table("entity_totals"))


def empty():
    return LiveUsage(USED.empty_table(), TOTALS.empty_table(), ASKED.empty_table())


def added(live, table, day):
    chosen = (table.column("ts").cast(pa.int64()).to_numpy() // DAY_US) == day
    piece = table.filter(pa.array(chosen))
    for at in range(0, len(piece), 7):
        live.add(piece.slice(at, 7), day)


@given(ROWS)
@settings(max_examples=40, deadline=None)
def test_slices_add_up_to_the_scan_s_counts(engine, rows):
    table, live = signals(rows), empty()
    for day in range(5):
        added(live, table, day)
        live = LiveUsage(*live.tables(day, 0))
    found, want = live.usage(), counted(engine, table)
    assert found.entities.tolist() == want.entities.tolist()
    assert found.templates.tolist() == want.templates.tolist()
    for name in ("starts", "entity", "found", "tested"):
        mine, its = getattr(found.by_template, name), getattr(want.by_template, name)
        assert mine.tolist() == its.tolist()
    assert (found.totals == want.totals).all() and (found.span == want.span).all()
    assert found.repeated == pytest.approx(want.repeated)


@given(ROWS, st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_days_outside_of_the_horizon_are_taken_away(engine, rows, since):
    table, live = signals(rows), empty()
    for day in range(5):
        added(live, table, day)
        live = LiveUsage(*live.tables(day, since if day == 4 else 0))
    days = table.column("ts").cast(pa.int64()).to_numpy() // DAY_US
    rest = table.filter(pa.array(days >= since))
    found = live.usage()
    if len(rest) == 0:
        assert len(found.entities) == 0
        return
    want = counted(engine, rest)
    assert found.entities.tolist() == want.entities.tolist()
    assert (found.totals == want.totals).all() and (found.span == want.span).all()
    used = np.isin(found.templates, want.templates)
    own = found.by_template.of_templates(np.flatnonzero(used).tolist())
    its = want.by_template.of_templates(range(len(want.templates)))
    for name in ("entity", "template", "found", "tested"):
        assert getattr(own, name).tolist() == getattr(its, name).tolist()
    assert len(own.entity) == len(found.by_template)
