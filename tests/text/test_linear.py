import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.text.linear import LinearModel, features, score
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
