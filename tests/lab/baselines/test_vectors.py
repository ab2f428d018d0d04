import math

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.lab.baselines.streams import Row, words, write_stream

from stillwatch.exchange.errors import UsageError
from stillwatch.lab.baselines._vectors import embed, read_prompts
from stillwatch.text.frequency import Sketch, update
from stillwatch.text.skeleton import skeletons
from stillwatch.text.tokens import tokenize

RANDOM = np.random.default_rng(1)
TEXTS = [words(RANDOM, "w") for _ in range(200)]


def sketched(texts: list[str]) -> Sketch:
    return update(Sketch.empty(14), pa.array(texts, pa.string()))


def units(texts: list[str], dimensions: int, sketch: Sketch | None = None) -> npt.NDArray[np.float32]:
    content, norm = embed(tokenize(pa.array(texts, pa.string())), sketch or sketched(texts), dimensions)
    lengths = np.maximum(norm, np.float32(1e-9))
    return (content / lengths[:, None]).astype(np.float32)


def test_the_same_bytes_as_a_scans_content_where_no_template_is():
    sketch = sketched(TEXTS)
    found = skeletons(pa.array(TEXTS), sketch)
    assert not found.kept.any()
    content, _ = embed(tokenize(pa.array(TEXTS)), sketch, 64)
    np.testing.assert_array_equal(content, found.content)


def test_a_template_counts_here_though_not_in_a_scan():
    texts = [f"please explain step by step how one would solve this {text}" for text in TEXTS]
    sketch = sketched(texts)
    assert skeletons(pa.array(texts), sketch).kept.any()
    own = units(texts, 64, sketch)
    bare = units(TEXTS, 64, sketch)
    assert np.mean(np.triu(own @ own.T, 1)) > np.mean(np.triu(bare @ bare.T, 1))


def test_lengths_are_one_and_words_decide():
    # Two words that stand in both texts of three, in another order; the third text has neither.
    own = units(["alpha beta", "beta, ALPHA!", "gamma"], 128)
    np.testing.assert_allclose(np.linalg.norm(own, axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(own[0], own[1])


def weighted_cosine(left: str, right: str, texts: list[str]) -> float:
    """Cosine of word counts weighted by inverse document frequency, by hand."""
    weight = {
        w: math.log((len(texts) + 1) / sum(w in t.split() for t in texts)) for w in f"{left} {right}".split()
    }

    def counts(text: str) -> dict[str, float]:
        return {w: text.split().count(w) * weight[w] for w in text.split()}

    a, b = counts(left), counts(right)
    dot = sum(a[w] * b.get(w, 0.0) for w in a)
    return dot / math.sqrt(sum(v * v for v in a.values()) * sum(v * v for v in b.values()))


@given(st.integers(0, 11), st.integers(0, 2**32 - 1))
def test_cosines_approach_those_of_the_weighted_words(shared, seed):
    random = np.random.default_rng(seed)
    first = words(random, "w").split()
    second = first[:shared] + words(random, "v").split()[shared:]
    texts = [*TEXTS, " ".join(first), " ".join(second)]
    own = units(texts, 1024)
    # Five standard errors of a random-sign projection to 1,024 dimensions.
    assert own[-1] @ own[-2] == pytest.approx(weighted_cosine(texts[-2], texts[-1], texts), abs=5 / 32)


def test_the_stream_is_in_order_of_time_whatever_the_order_of_files(tmp_path):
    rows: list[Row] = [(f"a{n % 3}", text) for n, text in enumerate(TEXTS[:50])]
    rows[7], rows[20] = ("a1", None), ("a9", "?!")
    one = read_prompts(write_stream(tmp_path / "one", rows), 64)
    two = read_prompts(write_stream(tmp_path / "two", rows, parts=3, reverse=True), 64)
    assert one.n_without == two.n_without == 2
    assert one.accounts.to_pylist() == ["a0", "a1", "a2"]  # a9 has no words
    assert one.exchange_id.to_pylist() == [f"x{n:06}" for n in range(50) if n not in {7, 20}]
    for name in ("ts", "account", "text", "content", "norm"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert one.exchange_id.equals(two.exchange_id)
    mine = {account: rows.tolist() for account, rows in one.by_account()}
    assert mine[0] == [n for n in range(48) if one.account[n] == 0]
    assert sorted(row for own in mine.values() for row in own) == list(range(48))


def test_the_first_part_is_a_share_of_the_time_not_of_the_prompts(tmp_path):
    # One a minute, minutes 0 .. 100; between them nothing is sent from 11 to 89.
    rows: list[Row] = [("a", f"text number {n}" if n <= 10 or n >= 90 else None) for n in range(101)]
    prompts = read_prompts(write_stream(tmp_path / "d", rows), 64)
    assert len(prompts) == 22
    assert prompts.until(0.05) == 6
    assert prompts.until(0.5) == 11
    assert prompts.until(1.0) == 22


def test_nothing_to_read(tmp_path):
    prompts = read_prompts(write_stream(tmp_path / "d", [("a", None)]), 64)
    assert (len(prompts), prompts.n_without, prompts.until(0.2), list(prompts.by_account())) == (0, 1, 0, [])


@pytest.mark.parametrize("dimensions", [0, 63, 100])
def test_dimensions_come_in_blocks(tmp_path, dimensions):
    with pytest.raises(UsageError, match="multiple of 64"):
        read_prompts(tmp_path, dimensions)
