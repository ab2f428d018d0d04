import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.lab.texts.grammar import Dice, Grammar
from stillwatch.lab.texts.templates import Template, main_slot, pieces, slots


def dice(seed: int = 1) -> Dice:
    return Dice(np.random.Generator(np.random.PCG64(seed)))


@given(st.integers(0, 2**32), st.lists(st.integers(), max_size=30), st.integers(0, 40))
def test_a_sample_has_different_places_and_never_more_than_there_are(seed, values, count):
    numbered = list(enumerate(values))
    drawn = dice(seed).sample(numbered, count)
    assert len(drawn) == min(count, len(values))
    assert len({place for place, _ in drawn}) == len(drawn)
    assert set(drawn) <= set(numbered)


@given(st.integers(0, 2**32), st.integers(-50, 50), st.integers(0, 50))
def test_an_integer_lies_within_its_bounds(seed, low, width):
    assert low <= dice(seed).integer(low, low + width) <= low + width


def test_a_kept_name_stays_the_same_within_a_text_and_a_free_one_does_not():
    grammar = Grammar.of(
        {"name": [str(n) for n in range(50)], "kept": ["{@name} {@name}"], "free": ["{name} {name}"]}
    )
    kept = [grammar.text("kept", dice(n)).split() for n in range(40)]
    free = [grammar.text("free", dice(n)).split() for n in range(40)]
    assert all(a == b for a, b in kept)
    assert len({a for a, _ in kept}) > 10
    assert any(a != b for a, b in free)


def test_numbers_keep_their_range_and_slots_without_a_rule_stay():
    grammar = Grammar.of({"text": ["{#3-5} {task} {}"]})
    drawn = {grammar.text("text", dice(n)) for n in range(60)}
    assert drawn == {"3 {task} {}", "4 {task} {}", "5 {task} {}"}


def test_slots_are_found_in_order_and_latex_is_none():
    text = r"Grade {answer} for {question}: $\frac{a}{b} x^{n}$"
    assert slots(text) == ["answer", "question"]
    assert main_slot(text) == "question"
    assert main_slot("{alpha} and {beta}") == "beta"
    assert main_slot("no slot") == ""
    assert "".join(a + ("{" + b + "}" if b else "") for a, b in pieces(text)) == text


def test_a_template_broadcasts_its_numbers_and_sets_its_use_apart():
    recipes = Template("x", None, 7, salt=3).prompts(np.arange(4), 9, 5)
    assert recipes.program.tolist() == [7] * 4
    assert recipes.item.tolist() == [0, 1, 2, 3]
    assert recipes.draw.tolist() == [9] * 4
    assert recipes.writer.tolist() == [5 ^ 3] * 4
