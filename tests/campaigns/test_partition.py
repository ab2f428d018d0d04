"""Repeats: fires on tasks dealt once, silent on people, benchmarks and fixed jobs."""

from dataclasses import replace

import numpy as np
import pytest

from stillwatch.campaigns.partition import partition_test
from tests.campaigns.innocents import world
from tests.campaigns.traces import Events


def test_fires_on_tasks_that_are_ever_new():
    w = world()
    sample = w.sample(w.queue(60, 6_000))
    assert sample.repeated_share == 0
    assert partition_test(sample).log_e > np.log(1e9)


def test_best_of_k_is_no_repeat():
    """Each task is asked four times within minutes, from different accounts."""
    w = world(1)
    base = w.queue(1, 1_500)[0]
    copies = [replace(base, hour=base.hour + w.rng.uniform(0, 0.2, len(base.hour))) for _ in range(4)]
    sample = w.sample(copies)
    assert sample.repeated_share == 0


def test_silent_on_a_benchmark_that_is_run_again_and_again():
    w = world(2)
    items = w.fresh(300)
    runs = []
    for account in range(20):
        task = w.rng.permutation(items)
        start = (account % 5) * 60.0
        hour = w.rng.uniform(start, start + 3, 300)
        runs.append(Events(hour, task % w.n_subjects, np.zeros(300, dtype=np.int64), task))
    sample = w.sample(runs)
    assert sample.repeated_share > 0.5
    assert partition_test(sample).log_e < 0


def test_silent_on_a_job_that_sends_one_text_every_day():
    w = world(3)
    jobs = [
        Events(
            np.arange(i / 9, 14 * 24, 24, dtype=np.float64),
            np.full(14, i % 7),
            np.zeros(14, dtype=np.int64),
            np.full(14, int(w.fresh(1)[0])),
        )
        for i in range(30)
    ]
    assert partition_test(w.sample(jobs)).log_e < 0


def test_evaded_by_planted_repeats():
    w = world(4)
    assert partition_test(w.sample(w.queue(60, 6_000, repeating=0.08))).log_e < 0


@pytest.mark.parametrize(
    "volumes",
    [
        pytest.param([40] * 20, id="twenty"),
        pytest.param([3] * 60, id="small"),
        pytest.param([1] * 60, id="one exchange each"),
        pytest.param([1_500] + [20] * 20, id="one giant"),
        pytest.param([300] * 5, id="five"),
    ],
)
def test_calibrated_on_those_who_repeat_one_in_twenty(volumes):
    found = []
    for seed in range(30):
        w = world(seed)
        found.append(partition_test(w.sample([w.customer(n, loyalty=np.inf) for n in volumes])).log_e)
    assert sum(log_e >= np.log(20) for log_e in found) <= 5
    assert np.median(found) < 0


def test_a_third_that_never_repeats_is_forgiven():
    found = []
    for seed in range(20):
        w = world(seed)
        accounts = w.queue(10, 1_000) + [w.customer(100) for _ in range(20)]
        found.append(partition_test(w.sample(accounts)).log_e)
    assert sum(log_e >= np.log(20) for log_e in found) <= 4
