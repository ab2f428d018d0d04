"""What tests said of a group is kept over the end of a day, and its daily tests are spread over the day."""

import json
from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.campaigns.candidates import Candidate
from stillwatch.campaigns.selection import JudgedGroup
from stillwatch.campaigns.uses import Uses
from stillwatch.exchange.errors import UsageError
from stillwatch.exchange.schema import TIMESTAMP
from stillwatch.replaying.asked import ASKED
from stillwatch.replaying.live_usage import TOTALS, USED, LiveUsage
from stillwatch.replaying.outcomes import Outcomes, StoredOutcomes, is_daily_test_due, write_outcomes
from stillwatch.replaying.slices import DAY_US
from stillwatch.replaying.state import MANIFEST, empty_state, load, save
from tests.replay.test_stored import example, same

HOUR = DAY_US // 24


@given(st.integers(0, 10_000), st.sampled_from([1, 2, 3, 8, 24, 96]), st.integers(0, 20_000))
def test_a_group_is_tested_in_one_slice_of_each_day(number, slices, day):
    length = DAY_US // slices
    starts = [day * DAY_US + at * length for at in range(slices)]
    due = [is_daily_test_due(number, start, start + length) for start in starts]
    assert sum(due) == 1
    again = [is_daily_test_due(number, start + DAY_US, start + DAY_US + length) for start in starts]
    assert again == due


def test_slices_without_exchanges_put_a_test_off_and_do_not_drop_it():
    for number in range(50):
        (hour,) = (at for at in range(24) if is_daily_test_due(number, at * HOUR, (at + 1) * HOUR))
        assert is_daily_test_due(number, hour * HOUR, (hour + 5) * HOUR)
        assert is_daily_test_due(number, 0, 3 * DAY_US)


def test_tests_are_spread_over_the_day():
    for first, step in ((0, 1), (7, 3), (1_000, 17)):
        numbers = [first + step * at for at in range(240)]
        hours = Counter(
            at for at in range(24) for n in numbers if is_daily_test_due(n, at * HOUR, (at + 1) * HOUR)
        )
        assert max(hours.values()) <= 2 * 240 / 24


Row = tuple[str | int, ...]


def of_schema(rows: list[Row], schema: pa.Schema) -> pa.Table:
    columns = [pa.array([row[at] for row in rows]) for at in range(len(schema))]
    # Times are numbers here.
    plain = [
        column if one.type != TIMESTAMP else column.cast(pa.int64())
        for column, one in zip(columns, schema, strict=True)
    ]
    return pa.table([column.cast(one.type) for column, one in zip(plain, schema, strict=True)], schema=schema)


def usage_of(
    rows: list[tuple[str, str, int]], entities: Sequence[str] = (), templates: Sequence[str] = ()
) -> LiveUsage:
    used: list[Row] = [(0, template, entity, False, n, 0) for entity, template, n in rows]
    totals: list[Row] = [(0, entity, False, n, 1, 2) for entity, _, n in rows]
    tables = of_schema(used, USED), of_schema(totals, TOTALS), ASKED.empty_table()
    return LiveUsage(*tables, (entities, templates))


def judged(entities: list[int], templates: tuple[int, ...]) -> JudgedGroup:
    """A group of which the numbers of entities and templates mean something, and nothing else does."""
    group = example(JudgedGroup, count(1))
    n = len(entities)
    candidate = Candidate(
        templates, np.array(entities), "templates", 1.5, np.ones(len(templates)), np.ones(n)
    )
    held = Uses(np.array(entities), np.zeros(n, np.int64), np.ones(n), np.zeros(n))
    tests = group.tests.__class__(**{**vars(group.tests), "candidate": candidate})
    return JudgedGroup(4, tests, group.standing, group.explanations, held)


ROWS = [("a", "t1", 3), ("b", "t1", 4), ("c", "t2", 5), ("d", "t3", 6)]


def test_groups_come_back_under_other_numbers(tmp_path):
    """Of accounts and templates that are not live any more the names stay, until the group is tested again."""
    before = usage_of(ROWS)
    outcomes = Outcomes({4: judged([1, 2, 3], (0, 2))}, before.usage(), before.template_volumes()[0], 77)
    write_outcomes(tmp_path, outcomes, before.templates.list)
    stored = StoredOutcomes.read(tmp_path)
    assert (stored.entities, stored.templates) == (["b", "c", "d"], ["t1", "t3"])
    now = usage_of([("0", "t0", 1), ("b", "t1", 2), ("d", "t2", 9)], stored.entities, stored.templates)
    back = stored.numbered(now)
    assert back.followed_until == 77
    volumes = dict(zip(now.templates.list, back.template_volumes.tolist(), strict=True))
    assert volumes == {"t0": 0, "t1": 2, "t2": 5, "t3": 0}  # t1 shrank, t2 has grown since the last finding
    assert back.usage is not None
    candidate = back.groups[4].tests.candidate
    assert back.usage.entities[candidate.entities].tolist() == ["b", "c", "d"]
    assert back.usage.templates[list(candidate.templates)].tolist() == ["t1", "t3"]
    held = back.groups[4].held
    assert held is not None and held.entity.tolist() == candidate.entities.tolist()
    assert same(back.groups[4].tests.verdicts, outcomes.groups[4].tests.verdicts)
    # Names alone are no use of anything.
    assert back.usage.entities.tolist() == ["0", "b", "c", "d"]
    assert len(back.usage.by_template) == 3 and back.usage.totals.sum(axis=1).tolist() == [1, 2, 0, 9]


def written_state(folder: Path) -> Path:
    state = empty_state()
    state.cursor = DAY_US
    save(folder, state, 0, 0)
    (held,) = folder.glob("checkpoint-*")
    return held


def test_a_checkpoint_without_groups(tmp_path):
    written_state(tmp_path)
    state = load(tmp_path)
    assert state.outcomes.groups == {} and state.cursor == DAY_US


@pytest.mark.parametrize(
    "other",
    [
        lambda manifest: manifest | {"format": 2},
        lambda manifest: {name: held for name, held in manifest.items() if name != "groups"},
        lambda manifest: manifest | {"groups": manifest["groups"] | {"Finding": {"rung": "Rung"}}},
    ],
)
def test_a_state_of_another_form_is_refused(tmp_path, other):
    manifest = written_state(tmp_path) / MANIFEST
    manifest.write_text(json.dumps(other(json.loads(manifest.read_text("utf-8")))), "utf-8")
    with pytest.raises(UsageError, match=r"another version[\s\S]*--restart"):
        load(tmp_path)
