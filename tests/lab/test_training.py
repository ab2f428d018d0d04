"""Training of the signal classifiers: fits against oracles, splits by project, the same bytes again."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.lab.training import train as training
from stillwatch.lab.training.card import card_markdown
from stillwatch.lab.training.corpus import PLAIN, PROMPT, Unit, load_corpus
from stillwatch.lab.training.evaluation import interval
from stillwatch.lab.training.examples import build_examples
from stillwatch.lab.training.folds import copies_of_held_out, project_folds
from stillwatch.lab.training.labels import NO, UNCLEAR, YES, Form, form_of
from stillwatch.lab.training.language import language_of
from stillwatch.lab.training.regression import fit_logistic, fit_platt, fit_softmax, fit_temperature
from stillwatch.lab.training.slots import Pools, fill, without_slots
from stillwatch.lab.training.train import quantise, train_signals
from stillwatch.signals.classifiers import LABELS, load_card, load_classifiers

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
shared = pytest.mark.skipif(not (SHARED / "corpora").is_dir(), reason="needs ../shared/data/corpora")


def test_logistic_fit_is_a_minimum_of_the_stated_loss():
    rng = np.random.default_rng(1)
    x = sp.csr_matrix(rng.random((60, 8)) * (rng.random((60, 8)) < 0.5))
    y = (rng.random(60) < 0.4).astype(np.int64)
    weight, l2 = rng.random(60) + 0.1, 0.01

    def loss(w: np.ndarray, b: float) -> float:
        raw = x @ w + b
        mean = (weight * (np.logaddexp(0, raw) - y * raw)).sum() / weight.sum()
        return float(mean + l2 / 2 * (w**2).sum())

    fit = fit_logistic(x, y, weight, l2)
    best = loss(fit.weights[:, 0], fit.bias[0])
    for _ in range(200):
        step = rng.normal(scale=1e-2, size=9)
        assert loss(fit.weights[:, 0] + step[:8], fit.bias[0] + step[8]) >= best - 1e-9


def test_softmax_of_two_classes_agrees_with_logistic_regression():
    rng = np.random.default_rng(2)
    x = sp.csr_matrix(rng.random((80, 5)) * (rng.random((80, 5)) < 0.6))
    y = (rng.random(80) < 0.5).astype(np.int64)
    two = fit_softmax(x, y, np.ones(80), 2, 0.01)
    # The two columns share the penalty, so the difference of the scores is penalised half as much.
    one = fit_logistic(x, y, np.ones(80), 0.005)
    assert np.allclose(np.diff(two.scores(x), axis=1)[:, 0], one.scores(x)[:, 0], atol=2e-2)


def test_platt_and_temperature_recover_a_known_scale():
    rng = np.random.default_rng(3)
    raw = rng.normal(size=40_000)
    y = (rng.random(40_000) < 1 / (1 + np.exp(-(2 * raw - 1)))).astype(np.int64)
    slope, offset = fit_platt(raw, y, np.ones(len(y)))
    assert slope == pytest.approx(2, abs=0.1)
    assert offset == pytest.approx(-1, abs=0.1)
    two = np.column_stack([np.zeros_like(raw), raw * 6])
    y = (rng.random(40_000) < 1 / (1 + np.exp(-2 * raw))).astype(np.int64)
    assert fit_temperature(two, y, np.ones(len(y))) == pytest.approx(3, rel=0.1)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_is_exact(case):
    hits, n = case
    found = interval(hits, n)
    assert found["low"] <= hits / n <= found["high"]
    if hits:
        assert binom.sf(hits - 1, n, max(found["low"] - 1e-5, 0)) <= 0.025 + 1e-6
    if hits < n:
        assert binom.cdf(hits, n, min(found["high"] + 1e-5, 1)) <= 0.025 + 1e-6


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=25)
def test_eight_bits_keep_weights_within_half_a_step(seed):
    weights = np.random.default_rng(seed).normal(size=(50, 3))
    small, scale = quantise(weights)
    kept = np.abs(weights) <= 127 * scale
    assert np.all(np.abs(small * scale - weights)[kept] <= 0.5001 * scale.max())
    assert not quantise(np.zeros((4, 2)))[0].any()


NAMES = ["sensitive", "short", "code", "api", "mathematics", "instruction", "question", "long", "utterance"]
POOLS = Pools({name: [f"<{name}>"] for name in NAMES})


def test_slots_are_filled_by_name_and_latex_is_not_a_slot():
    template = r"\boxed{x} of {problem} in {language}: {problem}, x^{n}, \frac{a}{b}"
    filled = fill(template, POOLS, np.random.default_rng(0))
    assert filled == r"\boxed{x} of <mathematics> in <short>: <mathematics>, x^{n}, \frac{a}{b}"
    assert "problem" not in without_slots(template)
    assert r"\frac{a}{b}" in without_slots(template)


@pytest.mark.parametrize(
    ("template", "label", "value"),
    [
        ("Solve it step by step. {problem}", "elicitation", YES),
        ("Resuelve paso a paso: {problem}", "elicitation", YES),
        ("请逐步解答：{problem}", "elicitation", YES),
        ("{problem} Do not explain your reasoning.", "elicitation", NO),
        ("Explain photosynthesis.", "elicitation", UNCLEAR),
        ("Take a deep breath and think step by step about how to do your best. {input}", "elicitation", NO),
        ("Rate the quality of the response on a scale of 1 to 5. {response}", "rubric", YES),
        ("You generate answers to questions of correct grammar. {question}", "rubric", NO),
        ("How many stars did the rating give? {review}", "rubric", UNCLEAR),
        ("Answer in JSON. {question}", "answer_format", YES),
        ("Antworte nur mit der Zahl. {question}", "answer_format", YES),
        ("What is a river? {question}", "answer_format", NO),
        ("Rewrite the toxic comment politely, remove what is offensive: {text}", "rewriting", UNCLEAR),
    ],
)
def test_rules_read_templates_as_a_person_would(template, label, value):
    assert getattr(form_of(None, template), label) == value


def test_language_of_templates():
    assert language_of(None, "What is the answer to the following question? {question}") == "english"
    assert language_of(None, "Quelle est la réponse à la question suivante ? {question}") == "other"
    assert language_of(None, "以下の質問に答えてください {question}") == "other"
    assert language_of(None, "{question} {answer}") == "none"


def unit(project: str, text: str, kind: str = "bulk") -> Unit:
    return Unit(project, kind, None, text, None, Form(0, 0, 0, 0), "english", True)


def test_folds_hold_whole_projects_and_copies_are_seen():
    long = "Judge the answer of the assistant by these criteria and give a mark between one and ten."
    units = (
        *(unit(f"p{i % 9}", f"{i} own wording number {i} of template {i * 7}") for i in range(60)),
        unit("p0", long),
        unit("p1", long + " Thanks."),
        unit("own", long, PLAIN),
    )
    folds = project_folds(units)
    assert folds[-1] == -1
    for project in {u.project for u in units}:
        assert len({fold for u, fold in zip(units, folds, strict=True) if u.project == project}) == 1
    copies = copies_of_held_out(units, folds)
    assert copies[60, folds[61]] and copies[61, folds[60]]
    assert not copies[-1].any()


def test_missing_data_name_the_file(tmp_path):
    with pytest.raises(UnreadableInputError, match="teacher_templates"):
        train_signals(tmp_path, tmp_path / "out")


@pytest.fixture(scope="module")
def small_data(tmp_path_factory) -> Path:
    """All teacher templates, and a few bulk templates and prompts of every project."""
    target: Path = tmp_path_factory.mktemp("data")
    folder = target / "corpora"
    folder.mkdir(parents=True)
    for path in sorted((SHARED / "corpora").glob("*.parquet")):
        table = pq.read_table(path)
        seen: dict[tuple[str, str], int] = {}
        keep = []
        kinds = table["kind"] if "kind" in table.column_names else table["source"]
        for i, key in enumerate(zip(table["source"].to_pylist(), kinds.to_pylist(), strict=True)):
            seen[key] = seen.get(key, 0) + 1
            if path.stem == "teacher_templates" or seen[key] <= 6:
                keep.append(i)
        pq.write_table(table.take(pa.array(keep)), folder / path.name)
    return target


@shared
def test_the_same_data_and_seed_give_the_same_bytes(small_data, tmp_path, monkeypatch):
    # Fewer iterations and one penalty: what is tested is that nothing else than data and seed decides.
    monkeypatch.setattr("stillwatch.lab.training.regression.ITERATIONS", 2)
    monkeypatch.setattr("stillwatch.lab.training.fitting.PENALTIES", (1e-5,))
    monkeypatch.setattr("stillwatch.lab.training.evaluation.PENALTIES", (1e-5,))
    monkeypatch.setattr(training, "BITS", 12)
    first = train_signals(small_data, tmp_path / "a", seed=3, date="2026-01-01")
    train_signals(small_data, tmp_path / "b", seed=3, date="2026-01-01")
    for name in ("weights.npy", "model.json", "card.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    other = build_examples(load_corpus(small_data, 4), 12, 4)
    same = build_examples(load_corpus(small_data, 3), 12, 3)
    assert abs(other.x - same.x).sum() > 0
    assert first.card["counts"]["units"]["bulk"] == 14 * 6
    assert load_classifiers(tmp_path / "a").capabilities


@shared
def test_hand_checked_teacher_templates_keep_their_labels(small_data):
    units = load_corpus(small_data, 0).units
    by_text = {u.text: u for u in units if u.kind == "teacher"}

    def of(start: str) -> Unit:
        return next(u for text, u in by_text.items() if text.startswith(start))

    assert of("You are a judge that evaluates the correctness").capability == "rubric_grading"
    assert of("You are a judge that evaluates the correctness").form.rubric == YES
    assert of("You will be given a problem. Please reason step by step").form.elicitation == YES
    assert of("Please increase the difficulty of the given programming").form.rubric == NO
    prompts = [u for u in units if u.kind == PROMPT and "grade-school-math" in u.project]
    assert prompts and all(u.form.elicitation != YES for u in prompts)


def test_the_documentation_holds_the_card():
    text = (ROOT / "docs" / "signals.md").read_text("utf-8")
    held = text.split("<!-- card: begin -->\n")[1].split("<!-- card: end -->")[0]
    assert held == card_markdown(load_card())


def test_the_card_can_be_read_by_code():
    card = json.loads(json.dumps(load_card()))
    assert card["counts"]["positives"]["rewriting"]["own"] == 48
    assert {entry["table"] for entry in card["sources"]} >= {"teacher_templates", "bulk_templates"}


def test_the_documentation_tells_every_label():
    head = (ROOT / "docs" / "signals.md").read_text("utf-8").split("## Card")[0]
    found = load_classifiers()
    assert all(f"`{name}`" in head for name in (*found.capabilities, *LABELS))
