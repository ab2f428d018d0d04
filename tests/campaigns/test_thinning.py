"""A bound on all tests together: what it takes from large groups, and what it must not change."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.campaigns import thinning
from stillwatch.campaigns.steps import candidate_tables, put_step, sample_steps
from stillwatch.campaigns.tables import Rung
from stillwatch.campaigns.thinning import fair_level, thinnings
from stillwatch.engines.duckdb import DuckdbEngine
from stillwatch.engines.run import Run
from tests.campaigns.worlds import (
    HOUR_US,
    Prompts,
    input_tables,
    judged,
    planted_benign,
    planted_campaigns,
    town_of,
)

BUDGET = 12_000


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60), st.integers(1, 10**6), st.integers(1, 10**7))
def test_all_groups_keep_what_they_have_up_to_one_level(volumes, cap, budget):
    level = fair_level(np.array(volumes, dtype=float), cap, budget)
    kept = np.minimum(volumes, level)
    assert level <= cap
    assert kept.sum() <= budget * (1 + 1e-9)
    # Nobody is thinned for nothing.
    assert level == cap or kept.sum() == pytest.approx(budget)


def test_without_a_budget_only_the_cap_counts():
    assert fair_level(np.array([5.0, 80.0, 1e9]), 60, None) == 60
    assert fair_level(np.zeros(0), 60, 1) == 60


@pytest.fixture(scope="module", autouse=True)
def small_groups_are_large():
    """Groups of the test's world have some dozen accounts: draw twenty where hundreds would be drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thinning, "LEAST_DRAWN", 20)
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory, small_groups_are_large):
    """A judged world, and the same under a budget of a fraction of its exchanges."""
    tables = input_tables(town_of(41, planted_benign, planted_campaigns))
    whole = judged(tables, tmp_path_factory.mktemp("whole"))
    return whole, judged(tables, tmp_path_factory.mktemp("less"), budget=BUDGET)


@pytest.fixture(scope="module")
def sampled(world, tmp_path_factory):
    """Usage, candidates, how they are thinned, and the sample under the budget."""
    usage, found = world[0].usage, world[0].found
    engine = DuckdbEngine(tmp_path_factory.mktemp("sample"), "1GB", 1)
    engine.put("signals", world[0].signals)
    run = Run(engine, lambda *report: None, 50)
    run.steps(put_step(name, table) for name, table in candidate_tables(usage, found, 60_000, BUDGET).items())
    run.steps(sample_steps())
    sample = engine.table("candidate_sample")
    engine.close()
    return usage, found, thinnings(usage, found, 60_000, BUDGET), sample


def test_small_groups_keep_everything_and_large_ones_some_accounts(sampled):
    usage, found, less, sample = sampled
    level = fair_level(
        np.array([usage.volumes(c.entities, c.templates).sum() for c in found]), 60_000, BUDGET
    )
    counts = np.bincount(sample.column("candidate").to_numpy(), minlength=len(found))
    assert 0.7 * BUDGET < counts.sum() < 1.2 * BUDGET
    for candidate, one, n in zip(found, less, counts.tolist(), strict=True):
        volume = usage.volumes(candidate.entities, candidate.templates).sum()
        if volume <= level:
            assert (one.rate, one.drawn.all(), n) == (1.0, True, volume)
        else:
            assert one.drawn.sum() >= min(thinning.LEAST_DRAWN, len(candidate.entities))
            assert n == pytest.approx(level, rel=0.15)
    assert any(not one.drawn.all() for one in less)


def test_a_repeated_task_is_looked_up_among_everything_the_group_asked(world, sampled):
    """On what is left of a thinned group honest repeats would look new, and accuse."""
    usage, found, less, sample = sampled
    signals = world[0].signals
    columns = ("prompt_template", "system_template", "entity", "task")
    everything = list(
        zip(
            *(signals.column(name).to_pylist() for name in columns),
            moments(signals.column("ts")),
            strict=True,
        )
    )
    task_at = {(who, when): what for *_, who, what, when in everything}
    new = {"in truth": 0, "in the sample": 0}
    for number, candidate in enumerate(found):
        mine = set(usage.entities[candidate.entities].tolist())
        own = set(usage.templates[list(candidate.templates)].tolist())
        first: dict[int, int] = {}
        for prompt, system, who, what, when in everything:
            if who in mine and (prompt in own or system in own):
                first[what] = min(first.get(what, when), when)
        drawn = sample.filter(pc.equal(sample.column("candidate"), number))
        names = usage.entities[candidate.entities[drawn.column("entity").to_numpy()]].tolist()
        seen: dict[int, int] = {}
        rows = zip(moments(drawn.column("ts")), names, drawn.column("repeated").to_pylist(), strict=True)
        for when, who, repeated in sorted(rows):
            what = task_at[who, when]
            assert repeated == (when > first[what] + HOUR_US)
            new["in truth"] += not repeated
            new["in the sample"] += when <= seen.setdefault(what, when) + HOUR_US
    assert any(not one.drawn.all() for one in less)
    assert new["in truth"] < new["in the sample"]


def moments(column):
    return column.cast(pa.int64()).to_pylist()


def test_a_budget_takes_evidence_and_makes_none(world):
    whole, less = world
    before, after = (
        {g.tests.candidate.templates: g.tests for g in outcome.judged} for outcome in (whole, less)
    )
    assert set(after) == set(before)
    for templates, tests in after.items():
        pool, was = (one.rung_log_e[Rung.ONE_TASK_POOL] for one in (tests, before[templates]))
        # The repetitive rung looks at counts, not at the sample.
        assert tests.rung_log_e[Rung.REPETITIVE] == before[templates].rung_log_e[Rung.REPETITIVE]
        if tests.sampled.sum() == before[templates].sampled.sum():
            assert pool == was
        assert pool <= max(was, np.log(20.0))
    assert less.kinds() <= whole.kinds() == {"hydra", "resold"}


def test_some_accounts_with_many_exchanges_tell_more_than_many_with_few(tmp_path, monkeypatch):
    """A pool of 200 accounts, of which 3,000 exchanges are tested: as 50 accounts, and as 200."""

    def pool(town):
        for events in town.world.queue(200, 12_000):
            town.does(town.person("pool"), events, Prompts(("reason",), form="elicitation"))
        town.people("chat", 60, 12, Prompts())

    tables = input_tables(town_of(43, pool))
    found = []
    for each in (60, 1):
        monkeypatch.setattr(thinning, "EACH", each)
        monkeypatch.setattr(thinning, "LEAST_DRAWN", 50)
        outcome = judged(tables, tmp_path / str(each), cap=3_000)
        (group,) = (g for g in outcome.judged if len(g.tests.candidate.templates) == 1)
        found.append(group.tests)
    assert [int((tests.sampled > 0).sum()) for tests in found] == [50, 200]
    few, many = (tests.rung_log_e[Rung.ONE_TASK_POOL] for tests in found)
    assert few > many + np.log(100.0)
    assert few > np.log(1e6)
    # Nothing is said of accounts that were not drawn, and every account has its place.
    ratios = found[0].verdicts["exchangeability"].log_ratios
    assert len(ratios) == 200
    assert np.count_nonzero(ratios) == 50
