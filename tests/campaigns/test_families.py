"""How families make the evidence of a rung."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.campaigns.families import (
    FAMILIES,
    FLOW,
    HANDS,
    MIX,
    MODELS,
    OUTPUTS,
    RHYTHM,
    SHAPE,
    TASKS,
    TOPICS,
    coordinated_log_e,
    one_pool_log_e,
    rungs,
    training_shape_log_e,
)
from stillwatch.campaigns.tables import Rung

SOME = st.floats(-30, 300)
EVIDENCE = st.fixed_dictionaries(dict.fromkeys(FAMILIES, SOME))


@given(EVIDENCE)
def test_coordination_is_an_average_of_e_values(log_e):
    e = {family: np.exp(value) for family, value in log_e.items()}
    hands, flow = np.mean([e[kind] for kind in HANDS]), np.mean([e[kind] for kind in FLOW])
    expected = (hands + flow + e[MIX] + e[MODELS] + flow * e[MIX]) / 5
    assert coordinated_log_e(log_e) == pytest.approx(np.log(expected))


@given(EVIDENCE)
def test_the_shape_is_what_is_known_of_it(log_e):
    both = (np.exp(log_e[SHAPE]) + np.exp(log_e[OUTPUTS])) / 2
    assert training_shape_log_e(log_e) == pytest.approx(np.log(both))
    assert training_shape_log_e({SHAPE: log_e[SHAPE]}) == log_e[SHAPE]
    assert training_shape_log_e(log_e, {SHAPE, OUTPUTS}) == 0.0


@given(EVIDENCE, st.sets(st.sampled_from(FAMILIES)))
def test_a_family_that_is_left_out_changes_nothing(log_e, left_out):
    changed = log_e | dict.fromkeys(left_out, 500.0)
    assert rungs(log_e, 9.0, left_out) == rungs(changed, 9.0, left_out)


@given(EVIDENCE)
def test_a_pool_needs_dealt_topics_and_tasks_handed_out_once(log_e):
    assert one_pool_log_e(log_e) == min(log_e[TOPICS], log_e[TASKS])
    assert one_pool_log_e(log_e, {TASKS}) == log_e[TOPICS]
    assert one_pool_log_e(log_e, {TASKS, TOPICS}) == 0.0


def test_nothing_known_is_evidence_of_nothing():
    assert coordinated_log_e({}) == 0.0
    assert coordinated_log_e({}, FAMILIES) == 0.0
    assert rungs({TOPICS: 1.0, TASKS: 2.0, SHAPE: 3.0}, 4.0, ()) == {
        Rung.REPETITIVE: 4.0,
        Rung.COORDINATED: 0.0,
        Rung.ONE_TASK_POOL: 1.0,
        Rung.TRAINING_SHAPED: 3.0,
    }


def test_product_of_rhythm_and_mix_is_an_e_value_where_both_are_innocent():
    """Simulated: e-values of mean 1 that depend on each other only through the times."""
    rng = np.random.default_rng(0)
    times = rng.exponential(size=20_000)  # an e-value of the times: mean 1
    given_times = rng.exponential(size=20_000)  # mean 1 whatever the times were
    log_e = [
        coordinated_log_e({RHYTHM: np.log(b), MIX: np.log(m)})
        for b, m in zip(times, given_times, strict=True)
    ]
    assert np.exp(log_e).mean() == pytest.approx(1.0, abs=0.05)
