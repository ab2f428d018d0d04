import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.text.numerals import MOST_DIGITS, is_number, numerals
from stillwatch.text.tokens import tokenize


def known(word: str) -> bool:
    (found,) = tokenize(pa.array([word])).hashes
    return bool(is_number(numerals(), found))


@given(st.text("0123456789", min_size=1, max_size=8))
def test_numbers_of_few_digits_are_known(digits):
    assert known(digits) == (len(digits) <= MOST_DIGITS)


@given(st.from_regex(r"[0-9]{0,3}[a-zà-öø-ÿ][0-9a-z]{0,3}", fullmatch=True))
def test_a_letter_makes_a_word_of_it(word):
    assert not known(word)


@pytest.mark.parametrize("digits", ["٣", "１２", "²"])
def test_other_digits_are_not_known(digits):
    tokens = tokenize(pa.array([digits])).hashes
    assert not any(is_number(numerals(), one) for one in tokens)


def test_the_table_holds_every_number_once_and_cannot_be_written():
    table = numerals()
    assert np.count_nonzero(table) == sum(10**digits for digits in range(1, MOST_DIGITS + 1))
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 1
