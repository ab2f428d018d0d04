"""Likeness: sees customers whose documents share a few words, of which topics see nothing; says nothing of a pool."""

from dataclasses import replace

import numpy as np
import pytest

from stillwatch.campaigns.exchangeability import label_test, topics
from stillwatch.campaigns.families import TOPICS
from stillwatch.campaigns.likeness import PLAINLY_LOYAL, _bases, likeness_test
from stillwatch.campaigns.material import Material
from stillwatch.campaigns.sample import DAY_US, GroupSample
from tests.campaigns.innocents import world

ACCOUNTS, EACH, DIMENSIONS = 200, 24, 64


def with_documents(share: float, seed: int = 0) -> GroupSample:
    """A dealt pool, whose contents are drowned in documents of which an account's own direction holds a share."""
    w = world(seed)
    sample = w.sample(w.queue(ACCOUNTS, ACCOUNTS * EACH))
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(sample.n_entities, DIMENSIONS))[sample.entity]
    rest = rng.normal(size=(len(sample.entity), DIMENSIONS))
    content = np.sqrt(share) * own + np.sqrt(1 - share) * rest
    content /= np.linalg.norm(content, axis=1, keepdims=True)
    return replace(sample, content=content.astype(np.float32))


@pytest.mark.parametrize("seed", range(3))
def test_sees_documents_that_share_a_few_words(seed):
    """Their cosine is 0.03, as that of files of one project; topics take them for a pool."""
    sample = with_documents(0.03, seed)
    assert likeness_test(sample).log_e < 2 * PLAINLY_LOYAL
    assert label_test(sample, *topics(sample, seed=0)).log_e > 0


@pytest.mark.parametrize("seed", range(3))
def test_a_pool_of_documents_is_not_plainly_loyal(seed):
    assert likeness_test(with_documents(0.0, seed)).log_e > 0


@pytest.mark.parametrize(("accounts", "exchanges"), [(5, 30), (20, 200), (20, 1_000), (60, 6_000)])
def test_a_pool_is_not_plainly_loyal(accounts, exchanges):
    for seed in range(4):
        w = world(seed)
        assert likeness_test(w.sample(w.queue(accounts, exchanges))).log_e > PLAINLY_LOYAL


def test_a_queue_that_works_off_its_subjects_day_by_day_is_not_plainly_loyal():
    w = world(1)
    found = likeness_test(w.sample(w.queue(60, 6_000, drifting=True, n_templates=4)))
    assert found.log_e > PLAINLY_LOYAL


def test_customers_with_own_work_are_plainly_loyal():
    w = world(2)
    assert likeness_test(w.sample([w.customer(100, loyalty=5) for _ in range(60)])).log_e < PLAINLY_LOYAL


def test_the_same_task_again_is_no_loyalty():
    """Retries, or several answers to pick the best of, do not make a dealt account look loyal."""
    sample = with_documents(0.0)
    again = np.repeat(np.arange(len(sample.entity)), 4)
    arrays = ("entity", "template", "ts", "content", "repeated", "held_out")
    fourfold = replace(sample, **{name: getattr(sample, name)[again] for name in arrays})
    assert likeness_test(fourfold).log_e == pytest.approx(likeness_test(sample).log_e, abs=3.0)


def test_says_nothing_where_prompts_have_no_content():
    sample = with_documents(0.0)
    with np.errstate(all="raise", under="ignore"):
        assert likeness_test(replace(sample, content=np.zeros_like(sample.content))).log_e == 0.0


@pytest.mark.parametrize(("documents", "sign"), [(True, -1), (False, 1)])
def test_topics_lose_their_evidence_where_tasks_have_many_words(documents, sign):
    sample = with_documents(0.03)
    unknown = np.zeros(len(sample.ts), np.int64)
    material = Material(sample, *topics(sample, seed=0), unknown, unknown, documents)
    found = material.verdicts()[TOPICS]
    assert sign * found.log_e > 0
    assert (found.innocent_share > 2 / 3) == documents


def mean_of_others(sample: GroupSample, row: int, inside: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """As the definition says it."""
    others = sample.content[inside & ~sample.held_out & (sample.entity != sample.entity[row])]
    return np.asarray((8.0 * prior + others.astype(np.float64).sum(axis=0)) / (8.0 + len(others)))


@pytest.mark.parametrize("seed", range(3))
def test_bases_are_shrunk_means_of_what_others_ask(seed):
    rng = np.random.default_rng(seed)
    w = world(seed)
    sample = w.sample(w.queue(6, 150, n_templates=3))
    sample = replace(sample, template=rng.integers(0, 3, len(sample.ts)) * 7)
    base, own = _bases(sample)
    day = (sample.ts - sample.ts.min()) // DAY_US
    for row in range(len(sample.ts)):
        of_template = sample.template == sample.template[row]
        expected = np.zeros(sample.content.shape[1])
        for inside in (np.ones(len(day), bool), of_template, of_template & (day == day[row])):
            expected = mean_of_others(sample, row, inside, expected)
        np.testing.assert_allclose(base[own[row]], expected, atol=1e-12)
