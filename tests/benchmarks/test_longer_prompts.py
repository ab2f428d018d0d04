"""Passages behind prompts share what real documents share: a few words of their subject, and no run of words."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.longer_prompts import (
    COMMON,
    OWN_SUBJECTS,
    RESELLER_CUSTOMERS,
    lengthen,
    subjects_of,
    vocabulary,
    with_passages,
)

WORDS = vocabulary(np.random.default_rng(7))
LETTERS, STARTS = WORDS
FREQUENT = {bytes(LETTERS[STARTS[n] : STARTS[n + 1]]).decode() for n in range(COMMON)}
SUBJECTS, EACH = 1_500, 4
START = datetime(2026, 3, 2, tzinfo=UTC)


def passages(seeds, subjects, mean=3_000.0):
    empty = pa.array([""] * len(seeds), pa.large_string())
    drawn = np.asarray(seeds, np.uint64), np.asarray(subjects, np.uint64)
    return [text.split() for text in with_passages(empty, drawn, mean, WORDS).to_pylist()]


@pytest.fixture(scope="module")
def by_subject():
    """Of each subject the first 60 words of several passages."""
    rng = np.random.default_rng(3)
    subjects = np.repeat(rng.integers(0, 2**63, SUBJECTS), EACH)
    texts = passages(rng.integers(0, 2**63, len(subjects)), subjects)
    groups = [texts[first : first + EACH] for first in range(0, len(texts), EACH)]
    return [[text[:60] for text in group if len(text) >= 60] for group in groups]


def rarer(text):
    return set(text) - FREQUENT


def test_half_of_the_words_are_the_most_frequent(by_subject):
    common = np.mean([word in FREQUENT for group in by_subject for text in group for word in text])
    assert common == pytest.approx(0.5, abs=0.03)


def test_passages_of_one_subject_share_no_more_than_real_ones(by_subject):
    pairs = [rarer(group[0]) & rarer(group[1]) for group in by_subject if len(group) > 1]
    threes = [rarer(a) & rarer(b) & rarer(c) for a, b, c, *_ in (g for g in by_subject if len(g) > 2)]
    firsts = [rarer(group[0]) for group in by_subject if group]
    apart = [left & right for left, right in pairwise(firsts)]
    shared, by_chance = np.mean([len(s) for s in pairs]), np.mean([len(s) for s in apart])
    # Measured in files of Python projects (`benchmarks.shared_words`): 0.54, 0.12 and 0.06 words.
    assert 0.3 < shared - by_chance < 0.42
    assert by_chance < 0.12
    assert 0.05 < np.mean([len(s) for s in threes]) / (shared - by_chance) < 0.2


def test_nearly_every_run_of_five_words_is_new(by_subject):
    texts = [text for group in by_subject for text in group]
    runs = [tuple(text[place : place + 5]) for text in texts for place in range(len(text) - 4)]
    assert len(set(runs)) > 0.999 * len(runs)


def test_a_passage_depends_on_its_prompt_and_its_subject():
    same, again, other_prompt, other_subject = passages([1, 1, 2, 1], [5, 5, 5, 6])
    assert same == again
    assert same != other_prompt
    assert same != other_subject


def exchanges(account, *, session=None, end_user=None):
    count = len(account)
    columns = {
        "exchange_id": pa.array([f"e{row}" for row in range(count)]),
        "ts": pa.array([START + timedelta(hours=row) for row in range(count)], pa.timestamp("us", "UTC")),
        "account_id": pa.array(account),
        "session_id": pa.array(session or [None] * count, pa.string()),
        "end_user_id": pa.array(end_user or [None] * count, pa.string()),
        "prompt": pa.array(["Where is my parcel?"] * count),
    }
    return pa.table(columns)


def test_a_customer_has_a_few_subjects_and_keeps_to_one_during_a_session():
    accounts = [f"a{row // 200}" for row in range(10_000)]
    sessions = [f"s{row // 5}" for row in range(10_000)]
    found = subjects_of(exchanges(accounts, session=sessions), np.zeros(10_000, bool)).reshape(50, 40, 5)
    assert (found == found[:, :, :1]).all()
    each = [len(np.unique(subjects)) for subjects in found]
    assert set(each) == set(range(1, OWN_SUBJECTS + 1))
    assert len(np.unique(found)) == sum(each)


def test_a_customer_of_a_reseller_has_a_subject():
    resold = np.ones(2_000, bool)
    hidden = subjects_of(exchanges(["shared"] * 2_000), resold)
    assert len(np.unique(hidden)) == RESELLER_CUSTOMERS
    named = subjects_of(exchanges(["x", "y"] * 1_000, end_user=["u", "u", "v", "v"] * 500), resold)
    assert len(np.unique(named)) == 2


def world(folder: Path, exchange_ids):
    table = exchanges(["one"] * 6)
    (folder / "dataset" / "exchanges").mkdir(parents=True)
    pq.write_table(table, folder / "dataset" / "exchanges" / "0.parquet")
    labels = {
        "exchange_id": exchange_ids,
        "campaign_id": pa.array([None, None, None, None, None, "c"], pa.string()),
        "stratum": ["chat_users"] * 6,
    }
    pq.write_table(pa.table(labels), folder / "labels.parquet")
    return folder / "dataset" / "exchanges" / "0.parquet"


def test_prompts_of_a_world_get_longer(tmp_path):
    file = world(tmp_path, [f"e{row}" for row in range(6)])
    lengthen(tmp_path, 3_000)
    prompts = pq.read_table(file).column("prompt").to_pylist()
    assert all(prompt.startswith("Where is my parcel?") for prompt in prompts)
    assert np.mean([len(prompt) for prompt in prompts]) > 300
    assert prompts[5] not in prompts[:5]


def test_labels_in_another_order_are_refused(tmp_path):
    world(tmp_path, [f"e{row}" for row in reversed(range(6))])
    with pytest.raises(ValueError, match="another order"):
        lengthen(tmp_path, 3_000)
