import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.text.linear import Beginnings, LinearModel, features, score
from stillwatch.text.tokens import tokenize
from tests.text import reference


@settings(deadline=None)
@given(reference.arrays(), st.sampled_from([1, 4, 14]))
def test_features_equal_the_slow_version(case, bits):
    values, array = case
    matrix = features(array, bits)
    assert matrix.shape == (len(values), 1 << bits)
    for i, value in enumerate(values):
        expected = reference.ngram_buckets(value or "", bits)
        row = matrix[i]
        assert set(row.indices.tolist()) == expected
        assert np.allclose(row.data, 1 / np.sqrt(max(len(expected), 1)))


@settings(deadline=None)
@given(reference.arrays(), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_score_is_the_product_with_the_features(case, n_outputs, seed):
    _, array = case
    rng = np.random.default_rng(seed)
    model = LinearModel(
        rng.normal(size=(1 << 10, n_outputs)).astype(np.float32),
        rng.normal(size=n_outputs).astype(np.float32),
    )
    expected = features(array, model.bits) @ model.weights + model.bias
    assert np.allclose(score(array, model), expected, atol=1e-4)


@settings(deadline=None)
@given(reference.arrays(), st.lists(reference.texts, min_size=1, max_size=4), st.sampled_from([1, 4, 10]))
def test_a_text_after_its_beginning_scores_as_one_text(case, beginnings, bits):
    values, array = case
    rng = np.random.default_rng(len(values))
    rows = rng.integers(-1, len(beginnings), len(values))
    model = LinearModel(
        rng.normal(size=(1 << bits, 9)).astype(np.float32), rng.normal(size=9).astype(np.float32)
    )
    whole = [
        (beginnings[row] if row >= 0 else "") + "\n" + (v or "") for row, v in zip(rows, values, strict=True)
    ]
    found = score(array, model, Beginnings(tokenize(pa.array(beginnings)), rows))
    assert found.tobytes() == score(pa.array(whole, pa.string()), model).tobytes()


def test_small_weights_with_a_scale_score_as_their_product():
    rng = np.random.default_rng(3)
    small = rng.integers(-128, 128, (1 << 8, 11)).astype(np.int8)
    scale, bias = rng.random(11).astype(np.float32), rng.random(11).astype(np.float32)
    texts = pa.array([f"some words {i} and {i * i} others" for i in range(50)])
    found = score(texts, LinearModel(small, bias, scale))
    assert found.tobytes() == score(texts, LinearModel(small.astype(np.float32) * scale, bias)).tobytes()


def test_texts_without_words_score_the_bias():
    model = LinearModel(np.ones((4, 2), np.float32), np.array([0.5, -1], np.float32))
    assert score(pa.array(["", None, " … "]), model).tolist() == [[0.5, -1.0]] * 3


@pytest.mark.parametrize("shape", [(3, 2), (0, 2), (1, 2), (8,)])
def test_weights_of_a_wrong_shape_are_refused(shape):
    with pytest.raises(ValueError, match="power of two"):
        LinearModel(np.ones(shape, np.float32), np.zeros(2, np.float32))


def test_bias_must_fit():
    with pytest.raises(ValueError, match="3 entries"):
        LinearModel(np.ones((4, 3), np.float32), np.zeros(2, np.float32))
