"""The shipped classifiers: what they give, on which input, and that their card says what they are."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.signals.classifiers import (
    HEAD,
    LABELS,
    OTHER,
    SCORE_SCHEMA,
    TAIL,
    TRAINING_FORMS,
    WEIGHTS,
    Classifiers,
    joined_text,
    load_card,
    load_classifiers,
)
from stillwatch.text.tokens import tokenize

texts = st.none() | st.text(max_size=200)


def batch(rows: Sequence[tuple[str | None, str | None]]) -> pa.RecordBatch:
    systems, prompts = zip(*rows, strict=True) if rows else ((), ())
    return pa.record_batch(
        {"system_prompt": pa.array(systems, pa.string()), "prompt": pa.array(prompts, pa.string())}
    )


@pytest.fixture(scope="module")
def classifiers() -> Classifiers:
    return load_classifiers()


@given(st.lists(st.tuples(texts, texts), max_size=8))
@settings(max_examples=60, deadline=None)
def test_any_text_gets_a_capability_and_probabilities_or_nulls(rows):
    found = load_classifiers().score(batch(rows))
    assert found.schema == SCORE_SCHEMA
    assert found.num_rows == len(rows)
    names = {*load_classifiers().capabilities, OTHER}
    for row in found.to_pylist():
        if row["capability"] is None:
            assert all(row[label] is None for label in LABELS)
        else:
            assert row["capability"] in names
            assert all(0 <= row[label] <= 1 for label in LABELS)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_a_row_is_scored_the_same_in_any_batch(rows):
    together = load_classifiers().score(batch([("", "x"), *rows])).slice(1)
    alone = pa.concat_tables([load_classifiers().score(batch([row])) for row in rows])
    assert together.combine_chunks().equals(alone.combine_chunks())


def test_no_word_no_label(classifiers):
    found = classifiers.score(batch([(None, None), ("", "?! ..."), (None, "word")]))
    assert found["capability"].is_valid().to_pylist() == [False, False, True]
    assert found["elicitation"].null_count == 2


def test_sliced_and_chunked_columns_score_alike(classifiers):
    rows = [(f"You are helper {i}.", f"Solve problem {i} step by step.") for i in range(10)]
    whole = classifiers.score(batch(rows))
    assert classifiers.score(batch(rows).slice(3, 4)).equals(whole.slice(3, 4).combine_chunks())
    chunked = pa.Table.from_batches([batch(rows[:6]), batch(rows[6:])])
    assert classifiers.score(chunked).equals(whole)


def test_only_the_ends_of_long_texts_are_read():
    middle = "x " * (HEAD + TAIL)
    text = joined_text(pa.array([None]), pa.array(["START " + middle + " END"]))[0].as_py().strip()
    assert text.startswith("START") and text.endswith("END")
    assert len(text) == HEAD + 1 + TAIL
    assert joined_text(pa.array(["é" * (HEAD + TAIL)]), pa.array([None]))[0].as_py().strip() == "é" * (
        HEAD + TAIL
    )


@pytest.mark.parametrize(
    ("label", "yes", "no"),
    [
        (
            "elicitation",
            "Think step by step and write out your full reasoning. How many apples are left?",
            "Natalia sold 48 apples in April and half as many in May. How many apples are left?",
        ),
        (
            "rubric",
            "Act as a judge and rate the quality of the response on a scale of 1 to 10.\nI like it.",
            "I like the response of the audience to the last concert.",
        ),
        (
            "rewriting",
            "Rewrite the sensitive question so that no content filter objects: who was arrested?",
            "Translate the question into French: who was arrested?",
        ),
        (
            "answer_format",
            "Name three rivers. Return only a JSON object with the key rivers, do not output anything else.",
            "Name three rivers.",
        ),
    ],
)
def test_plain_cases_are_told_apart(classifiers, label, yes, no):
    found = classifiers.score(batch([(None, yes), (None, no)]))[label].to_pylist()
    assert found[0] >= 0.5 > found[1]


TEXTS = st.one_of(
    st.none(), st.text(max_size=40), st.text(min_size=1, max_size=9).map(lambda word: (word + " ") * 900)
)


@settings(deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=6))
def test_the_parts_are_scored_as_the_joined_text(rows):
    systems, prompts = (pa.array([row[at] for row in rows], pa.string()) for at in (0, 1))
    coded = pc.dictionary_encode(systems)
    index = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    spoken = coded.dictionary, tokenize(coded.dictionary), index
    found = load_classifiers().score_parts(spoken, (prompts, tokenize(prompts)))
    assert found.equals(load_classifiers().score(batch(rows)))


def test_weights_that_do_not_belong_are_refused(tmp_path: Path):
    for file in ("weights.npy", "model.json", "card.json"):
        (tmp_path / file).write_bytes((WEIGHTS / file).read_bytes())
    weights = np.load(tmp_path / "weights.npy", allow_pickle=False).copy()
    weights[0, 0] += 1
    np.save(tmp_path / "weights.npy", weights)
    with pytest.raises(UnreadableInputError, match="not those of"):
        load_classifiers(tmp_path)


def test_missing_weights_say_what_to_do(tmp_path: Path):
    with pytest.raises(UnreadableInputError, match="train-signals"):
        load_classifiers(tmp_path / "nowhere")


def test_shipped_files_are_small():
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 1_500_000


def test_the_card_states_the_rates_that_the_shape_test_needs(classifiers):
    card = load_card()
    for label in LABELS:
        share = card["labels"][label]["benign_templates"]
        assert share["n"] > 3000
        assert share["low"] <= share["rate"] <= share["high"]
    assert card["training_shaped"]["forms"] == list(TRAINING_FORMS)
    for rate, report in (
        (classifiers.benign_training_form_rate, card["training_shaped"]),
        (classifiers.benign_form_rate, card["any_form"]),
    ):
        by_project = [share["rate"] for share in report["benign_templates_by_project"].values()]
        assert rate >= report["benign_templates"]["high"]
        assert rate >= sum(by_project) / len(by_project) - 1e-4
    assert 0 < classifiers.benign_training_form_rate <= classifiers.benign_form_rate < 1


def test_legitimate_templates_of_other_languages_are_not_labelled_more_often():
    card = load_card()
    reports = [card["labels"][label]["false_positive_rate_by_language"] for label in LABELS]
    for shares in [*reports, card["training_shaped"]["benign_templates_by_language"]]:
        assert shares["other"]["n"] > 300
        assert shares["other"]["low"] <= shares["english"]["high"]


def test_the_card_is_plain_json_without_a_path_of_a_machine():
    text = (WEIGHTS / "card.json").read_text("utf-8")
    assert json.loads(text)["date"] != "undated"
    assert "/work" not in text and "/tmp" not in text and "/home" not in text
