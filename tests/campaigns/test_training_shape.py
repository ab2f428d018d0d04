"""Training shape: most of a group's exchanges must have a form; a fixed answer format alone is none."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stillwatch.campaigns.training_shape import FORMS, TRAINING_FORMS, training_shape_test

RATE = 0.02


def labels(*shares: float) -> NDArray[np.float64]:
    """100 exchanges; `shares` of them, in order, have each form."""
    rows = np.full((100, len(FORMS)), 0.1)
    for column, share in enumerate(shares):
        rows[: round(100 * share), column] = 0.9
    return rows


@pytest.mark.parametrize("form", TRAINING_FORMS)
def test_fires_where_most_exchanges_have_a_form(form):
    found = training_shape_test(labels(*(0.6 if name == form else 0.0 for name in FORMS)), RATE)
    assert found.log_e == pytest.approx(-np.log(RATE))
    assert found.share == found.any_share == found.by_form[form] == 0.6


def test_silent_on_ordinary_words_and_on_answer_formats():
    assert training_shape_test(labels(0.1, 0.1, 0.1, 0.0), RATE).log_e < 0
    formats = training_shape_test(labels(0.0, 0.0, 0.0, 1.0), RATE)
    assert formats.log_e < 0
    assert (formats.share, formats.any_share) == (0.0, 1.0)


def test_evaded_by_asking_in_ordinary_words():
    assert training_shape_test(labels(0.45), RATE).log_e < 0


def test_an_e_value_under_the_card_s_rate():
    """The event has at most the card's probability: its mean under the null is at most one."""
    yes, no = (training_shape_test(labels(share), RATE).log_e for share in (0.9, 0.0))
    assert RATE * np.exp(yes) + (1 - RATE) * np.exp(no) <= 1.001 + 1e-9


def test_exchanges_without_text_do_not_count():
    rows = labels(1.0)
    rows[50:] = np.nan
    assert training_shape_test(rows, RATE).share == 1.0
    nothing = training_shape_test(np.full((10, len(FORMS)), np.nan), RATE)
    assert (nothing.share, nothing.log_e) == (0.0, 0.0)
    assert training_shape_test(np.zeros((0, len(FORMS))), RATE).log_e == 0.0
