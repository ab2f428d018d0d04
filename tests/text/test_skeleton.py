import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.text.content import SLOT_MARK
from stillwatch.text.frequency import Sketch, estimate, update
from stillwatch.text.shingles import END, ORDER, START
from stillwatch.text.skeleton import Settings, mask, skeletons
from stillwatch.text.tokens import tokenize
from tests.text import reference

LOOSE = Settings(texts=2, run=3, repeats=4, words=2)


class Slow:
    """The three steps of the module's documentation, on lists of words."""

    def __init__(self, sketch: Sketch, chosen: Settings) -> None:
        self.sketch, self.chosen = sketch, chosen

    def count(self, words: list[int]) -> int:
        h = words[0]
        for w in words[1:]:
            h = reference.combine(h, w)
        return int(estimate(self.sketch, np.array([h], np.uint64))[0])

    def tie(self, marked: list[int], right: int) -> int:
        """Number of texts that tie the words at `right` - 1 and `right`; 0 for no tie."""
        best = 0
        before = marked[right - ORDER + 1 : right + 1], marked[right - ORDER + 1 : right]
        after = marked[right - 1 : right + ORDER - 1], marked[right : right + ORDER - 1]
        for whole, context in (before, after):
            n = self.count(whole)
            if n >= self.chosen.texts and n >= self.chosen.tie * self.count(context):
                best = max(best, n)
        return best

    def runs(self, ties: list[int], levels: list[int]) -> list[list[int]]:
        """Runs of kept words that are long enough; the levels of the others become 0."""
        n = len(levels)
        runs: list[list[int]] = []
        for j in range(n):
            if levels[j] and runs and runs[-1][-1] == j - 1 and ties[j]:
                runs[-1].append(j)
            elif levels[j]:
                runs.append([j])
        long_enough = []
        for run in runs:
            edges = (run[0] == 0 and ties[0] > 0) + (run[-1] == n - 1 and ties[n] > 0)
            if len(run) + edges >= self.chosen.run:
                long_enough.append(run)
            else:
                for j in run:
                    levels[j] = 0
        return long_enough

    def kept(self, text: str) -> list[bool]:
        words = [reference.word_hash(w) for w in reference.words(text)]
        n, pad = len(words), ORDER - 1
        marked = [START] * pad + words + [END] * pad
        ties = [self.tie(marked, pad + j) for j in range(n + 1)] if n else []
        levels = [max(ties[j], ties[j + 1]) for j in range(n)]
        judged = []
        for run in self.runs(ties, levels):
            ordered = sorted(levels[j] for j in run)
            lowest = self.chosen.trim * ordered[max(0, len(run) - 8)]
            middle = ordered[(len(run) + sum(v < lowest for v in ordered)) // 2]
            for j in run:
                if levels[j] < lowest:
                    levels[j] = 0
            anchored = (run[0] == 0 and ties[0] > 0) or (run[-1] == n - 1 and ties[n] > 0)
            judged.append((anchored, math.sqrt(len(run)) * math.log(max(middle, 1)), middle, run))
        if judged:
            any_anchored = any(a for a, *_ in judged)
            anchor = max((j for j in judged if j[0] == any_anchored), key=lambda j: j[1])[2]
            for _, _, middle, run in judged:
                if middle < self.chosen.level * anchor or middle * 0.1 > anchor:
                    for j in run:
                        levels[j] = 0
        self.runs(ties, levels)
        if not any(levels):
            hashed = _text_hash(words)
            repeated = dict(zip(*(a.tolist() for a in self.sketch.repeated(1)), strict=True)).get(hashed, 0)
            return [repeated >= self.chosen.repeats and n >= self.chosen.words] * n
        return [level > 0 for level in levels]


def _text_hash(words: list[int]) -> int:
    h = 0
    for w in words:
        h = reference.combine(h, w)
    return h


@st.composite
def filled(draw):
    """Texts of a few templates with slots, repeated texts, and unrelated ones."""
    word = st.sampled_from(
        [
            "red",
            "green",
            "blue",
            "one",
            "two",
            "three",
            "four",
            "漢",
            "мир",
            "up",
            "down",
            "left",
            "right",
            "far",
            "near",
        ]
    )
    phrase = st.lists(word, min_size=1, max_size=6).map(" ".join)
    templates = draw(st.lists(st.lists(phrase, min_size=1, max_size=3), min_size=1, max_size=3))
    values = [*draw(st.lists(phrase, max_size=4)), ""]
    for template in templates:
        n = draw(st.integers(1, 6))
        values.extend(" ".join(part + " " + draw(phrase) for part in template) for _ in range(n))
    return draw(st.permutations(values * draw(st.integers(1, 2))))


@settings(deadline=None, max_examples=25)
@given(filled())
def test_kept_words_equal_the_slow_version(values):
    array = pa.array(values)
    sketch = update(Sketch.empty(14), array)
    found = skeletons(array, sketch, LOOSE)
    slow = Slow(sketch, LOOSE)
    assert found.kept.tolist() == [k for v in values for k in slow.kept(v)]


@settings(deadline=None, max_examples=25)
@given(filled())
def test_hashes_say_what_was_kept(values):
    array = pa.array(values)
    sketch = update(Sketch.empty(14), array)
    found = skeletons(array, sketch, LOOSE)
    offsets = tokenize(array).offsets
    for i, value in enumerate(values):
        words = [reference.word_hash(w) for w in reference.words(value)]
        kept = found.kept[offsets[i] : offsets[i + 1]].tolist()
        shape, task = 0, 0
        for j, (keep, w) in enumerate(zip(kept, words, strict=True)):
            if keep:
                shape = reference.combine(shape, SLOT_MARK) if j and not kept[j - 1] else shape
                shape = reference.combine(shape, w)
            else:
                task = reference.combine(task, w)
        if kept and not kept[-1]:
            shape = reference.combine(shape, SLOT_MARK)
        assert found.skeleton[i] == (shape if any(kept) else 0)
        assert found.item[i] == task
        assert found.n_tokens[i] == len(words)
        assert found.text_hash[i] == _text_hash(words)
        assert found.kept_share[i] == pytest.approx(sum(kept) / max(len(kept), 1))


def _texts(n: int, item: str = "item") -> list[str]:
    frame = "Rate the answer from one to five: {}{} {}{}. Explain your reasoning step by step."
    return [frame.format(item, i, item, i * 7) for i in range(n)]


def test_template_and_task_part():
    values = _texts(30)
    array = pa.array(values)
    sketch = update(Sketch.empty(12), array)
    found = skeletons(array, sketch)
    assert len(set(found.skeleton.tolist())) == 1
    assert len(set(found.item.tolist())) == 30
    assert (
        mask(values[3], sketch) == "Rate the answer from one to five: …. Explain your reasoning step by step."
    )


def test_mask_keeps_text_as_it_stands():
    values = [
        f"«Übersetze» bitte DIESEN Satz ins Englische:\n\n{a}{i}!" for i, a in enumerate("abcdefghijklmnop")
    ]
    sketch = update(Sketch.empty(12), pa.array(values))
    assert mask(values[0], sketch) == "«Übersetze» bitte DIESEN Satz ins Englische:\n\n…"
    assert mask("nothing of the kind", sketch) == ""
    assert mask("", sketch) == ""


def test_a_text_repeated_word_for_word_is_all_template():
    array = pa.array(
        ["Summarise the news of this morning in three short points."] * 25 + ["hello there"] * 25
    )
    found = skeletons(array, update(Sketch.empty(12), array))
    assert (found.skeleton[:25] != 0).all()
    assert (found.item[:25] == 0).all()
    assert (found.content[:25] == 0).all()
    assert (found.skeleton[25:] == 0).all()


def test_content_cosine_approximates_the_weighted_words():
    rng = np.random.default_rng(5)
    vocabulary = [f"w{i}" for i in range(300)]
    values = [" ".join(rng.choice(vocabulary, 40)) for _ in range(150)]
    values += [" ".join(v.split()[:20] + list(rng.choice(vocabulary, 20))) for v in values]
    array = pa.array(values)
    sketch = update(Sketch.empty(14), array)
    content = skeletons(array, sketch).content.astype(float)
    words = [reference.words(v) for v in values]
    df = {w: sum(w in set(t) for t in words) for w in vocabulary}
    dense = np.zeros((len(values), len(vocabulary)))
    for i, t in enumerate(words):
        for w in t:
            dense[i, vocabulary.index(w)] += math.log((len(values) + 1) / df[w]) if df[w] else 0
    unit = dense / np.linalg.norm(dense, axis=1, keepdims=True)
    rough = content / np.linalg.norm(content, axis=1, keepdims=True)
    left, right = np.arange(150), np.arange(150, 300)
    error = (rough[left] * rough[right]).sum(1) - (unit[left] * unit[right]).sum(1)
    # A projection on 64 signs has a standard error of about 1 / 8.
    assert abs(error.mean()) < 0.04
    assert error.std() < 0.16


@settings(deadline=None)
@given(reference.arrays())
def test_any_text_is_survived(case):
    _, array = case
    sketch = update(Sketch.empty(10), array)
    found = skeletons(array, sketch, LOOSE)
    assert len(found.skeleton) == len(array)
    assert ((found.item == 0) | (found.kept_share < 1)).all()


def test_a_megabyte():
    text = "the quick brown fox " * 50_000
    array = pa.array([text, "a", None, text + "end"])
    found = skeletons(array, update(Sketch.empty(10), array))
    assert found.n_tokens.tolist() == [200_000, 1, 0, 200_001]
