import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.engines.duckdb import DuckdbEngine
from stillwatch.exchange.schema import TIMESTAMP
from stillwatch.signals import signatures, templates
from stillwatch.signals.templates import families
from stillwatch.text.frequency import Sketch, update
from stillwatch.text.skeleton import skeletons

WORDS = [a + b + c for a in "bdklmrst" for b in "aeiou" for c in "nrstx"]


def phrase(rng: Any, n: Any) -> Any:
    return " ".join(rng.choices(WORDS, k=n))


def fill(template: Any, rng: Any, n: Any, slot: Any = 12) -> Any:
    """n texts of a template with slots `{}`."""
    return [template.format(*(phrase(rng, slot) for _ in range(template.count("{}")))) for _ in range(n)]


def exchanges(prompts: Any, systems: Any = None) -> Any:
    n = len(prompts)
    return pa.table(
        {
            "exchange_id": [f"e{i}" for i in range(n)],
            "account_id": [f"a{i % 7}" for i in range(n)],
            "ts": pa.array([i * 1_000_000 for i in range(n)], TIMESTAMP),
            "model": ["m"] * n,
            **{
                name: pa.nulls(n, pa.int32()) for name in ("n_messages", "max_output_tokens", "output_tokens")
            },
            "prompt": pa.array(prompts, pa.string()),
            "system_prompt": pa.array(systems or [None] * n, pa.string()),
        }
    )


def run(folder: Any, table: Any, field: Any = "prompt", known: Any = None) -> Any:
    """Families, and the family of each text, by the steps as an engine runs them."""
    engine = DuckdbEngine(folder)
    engine.put("exchanges", table)
    for each in signatures.FIELDS:
        engine.run(signatures.fold(each))
    sketches = {each: engine.table(signatures.sketch_name(each)) for each in signatures.FIELDS}
    engine.run(signatures.signatures_step(sketches))
    engine.run(signatures.skeletons_step(field))
    named = families(engine.table(signatures.skeletons_name(field)), known, lineage=field == "system_prompt")
    of = dict(zip(named["skeleton"].to_pylist(), named["template_id"].to_pylist(), strict=True))
    rows = engine.table(signatures.SIGNATURES).to_pylist()
    by_exchange = {row["exchange_id"]: of.get(row[f"{field}_skeleton"]) for row in rows}
    texts = zip(table["exchange_id"].to_pylist(), table[field].to_pylist(), strict=True)
    engine.close()
    return named, [(text, by_exchange[e]) for e, text in texts]


GRADE = (
    "Rate the answer below from one to five against this rubric, weigh accuracy before style: {} "
    "The answer to be rated by you: {} Reply in JSON only."
)
SOLVE = "Think aloud about the problem, step after step, before you answer it. Problem: {}"
SHORT = "{}\nSummarise the text above in one sentence."


def world(seed: Any = 1) -> Any:
    rng = random.Random(seed)
    prompts = fill(GRADE, rng, 200, 30) + fill(SOLVE, rng, 60, 40) + fill(SHORT, rng, 20, 40)
    chat = [phrase(rng, rng.randint(2, 30)) for _ in range(300)]
    openings = ["can you help me with", "what is the best way to", "i would like to know if"]
    chat += [f"{rng.choice(openings)} {phrase(rng, 6)}" for _ in range(60)]
    return prompts, chat


def test_templates_are_found_and_chat_is_not(tmp_path):
    prompts, chat = world()
    _, found = run(tmp_path, exchanges(prompts + chat))
    of = [family for _, family in found]
    for first, last in ((0, 200), (200, 260), (260, 280)):
        names = of[first:last]
        top = max(set(names), key=names.count)
        assert top is not None
        assert names.count(top) >= 0.95 * len(names)
    assert len({of[0], of[200], of[260]}) == 3
    assert sum(f is not None for f in of[280:580]) == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_order_of_rows_does_not_matter(tmp_path, seed):
    prompts, chat = world(seed)
    texts = prompts + chat
    named, found = run(tmp_path / "a", exchanges(texts))
    shuffled = texts[:]
    random.Random(seed).shuffle(shuffled)
    named_again, found_again = run(tmp_path / "b", exchanges(shuffled))
    assert named.equals(named_again)
    assert sorted(found, key=str) == sorted(found_again, key=str)


def test_sketch_table_does_not_show_the_order():
    texts = [f"one two three {i}" for i in range(50)]
    one = signatures.write_sketch(update(Sketch.empty(8), pa.array(texts)))
    other = signatures.write_sketch(update(Sketch.empty(8), pa.array(texts[::-1])))
    assert one.equals(other)
    parts = list(range(len(one)))
    for table in (one, one.take(parts[::-1]), pa.concat_tables(one.slice(part, 1) for part in parts)):
        back = signatures.read_sketch(table)
        assert signatures.write_sketch(back).equals(one)
        update(back, pa.array(["it can go on counting"]))


def test_names_stay_over_weeks_and_drift(tmp_path):
    prompts, chat = world()
    random.Random(0).shuffle(prompts)
    first, found_first = run(tmp_path / "1", exchanges(prompts[0::2] + chat[0::2]))
    second, found_second = run(tmp_path / "2", exchanges(prompts[1::2] + chat[1::2]), known=first)

    def name_of(found: Any, start: str) -> Any:
        return {family for text, family in found if text and text.startswith(start) and family}

    assert len(name_of(found_first, "Rate")) == 1
    assert name_of(found_first, "Rate") == name_of(found_second, "Rate")
    assert name_of(found_first, "Think") == name_of(found_second, "Think")
    drifted = GRADE.replace("from one to five", "from zero to ten")
    rng = random.Random(9)
    _, found_third = run(tmp_path / "3", exchanges(fill(drifted, rng, 40, 30) + chat), known=second)
    assert name_of(found_third, "Rate") == name_of(found_first, "Rate")


def test_known_families_change_nothing_when_all_is_the_same(tmp_path):
    prompts, chat = world()
    named, _ = run(tmp_path / "1", exchanges(prompts + chat))
    again, _ = run(tmp_path / "2", exchanges(prompts + chat), known=named)
    assert again.select(["skeleton", "template_id"]).equals(named.select(["skeleton", "template_id"]))


def test_versions_of_a_system_prompt_are_one_lineage(tmp_path):
    rng = random.Random(4)
    sentences = [phrase(rng, 12) + "." for _ in range(20)]
    versions = []
    for _ in range(12):
        versions.append(" ".join(sentences))
        sentences[rng.randrange(20)] = phrase(rng, 12) + "."
        sentences[rng.randrange(20)] = phrase(rng, 12) + "."
    systems = [v for v in versions for _ in range(25)] + [phrase(rng, 60) for _ in range(40)]
    named, found = run(tmp_path, exchanges(["x"] * len(systems), systems), "system_prompt")
    assert len({family for _, family in found[:300]}) == 1
    assert found[0][1] is not None
    assert {family for _, family in found[300:]} == {None}
    assert len(set(named["template_id"].to_pylist())) == 1


def test_system_prompt_with_a_long_variable_part(tmp_path):
    rng = random.Random(5)
    frame = (
        "You are a coding agent that works in a terminal.\ncwd: {}\nfiles:\n{}\nNever delete files unasked."
    )
    systems = fill(frame, rng, 80, 60) + [None] * 20 + [""] * 5
    _, found = run(tmp_path, exchanges([None] * 105, systems), "system_prompt")
    assert len({family for _, family in found[:80]}) == 1
    assert found[0][1] is not None
    assert {family for _, family in found[80:]} == {None}


def test_boilerplate_in_a_slot_does_not_split_a_template(tmp_path):
    rng = random.Random(6)
    licence = phrase(rng, 40)
    items = [phrase(rng, 15) + (" " + licence if i % 2 else "") + " " + phrase(rng, 15) for i in range(120)]
    prompts = [f"Explain what the following piece of code does: {item}" for item in items]
    others = [f"{phrase(rng, 8)} {licence} {phrase(rng, 8)}" for _ in range(400)]
    _, found = run(tmp_path, exchanges(prompts + others))
    names = [family for _, family in found[:120]]
    assert names[0] is not None
    assert max(names.count(n) for n in set(names)) >= 0.95 * 120


def test_items_that_are_repeated_are_not_templates(tmp_path):
    rng = random.Random(7)
    items = [phrase(rng, 25) for _ in range(12)]
    _, found = run(tmp_path, exchanges([item for item in items for _ in range(15)]))
    assert {family for _, family in found} == {None}


def test_a_viral_prompt_is_a_template_without_a_task(tmp_path):
    viral = "Act as a pirate and tell me the story of my life in ten lines."
    _, found = run(tmp_path, exchanges([viral] * 40 + ["hi"] * 100))
    assert len({f for _, f in found[:40]}) == 1
    assert found[0][1] is not None
    assert found[-1][1] is None


def test_nothing_at_all(tmp_path):
    named, found = run(tmp_path, exchanges([None, "", "  "]))
    assert named.num_rows == 0
    assert named.schema.names == ["skeleton", "template_id", "n_exchanges", "n_texts", "signature"]
    assert {family for _, family in found} == {None}


def test_a_table_without_a_sketch_is_refused():
    with pytest.raises(ValueError, match="no sketch"):
        signatures.read_sketch(signatures.SKETCH_SCHEMA.empty_table())


def test_sketches_grow_with_the_text_and_then_take_a_sample():
    shapes = [signatures.empty_sketch("prompt", 10**power) for power in range(7, 12)]
    sizes = [(sketch.line_bits, sketch.keep_bits) for sketch in shapes]
    assert sizes == sorted(sizes)
    assert sizes[0] == (20, 0)
    assert sizes[-1][0] == signatures.FIELDS["prompt"].most_line_bits and sizes[-1][1] > 0
    # No system prompt may be left out.
    assert signatures.empty_sketch("system_prompt", 10**11).keep_bits == 0


def test_templates_are_found_in_a_sample(tmp_path, monkeypatch):
    """Of a fourth of the texts: what is much more frequent than the least is found all the same."""
    prompts, chat = world()
    monkeypatch.setattr(
        signatures, "empty_sketch", lambda field, n_bytes: Sketch.empty(18, 2 * (field == "prompt"))
    )
    _, found = run(tmp_path, exchanges(prompts + chat))
    names = [family for _, family in found]
    top = max(set(names[:200]), key=names[:200].count)
    assert top is not None and names[:200].count(top) >= 0.95 * 200
    assert sum(family is not None for family in names[280:580]) == 0


def test_a_sketch_without_rare_texts_still_splits(tmp_path):
    prompts, _ = world()
    sketch = update(Sketch.empty(12), pa.array(prompts))
    less = signatures.read_sketch(signatures.write_sketch(sketch, 20))
    assert (less.n_texts, less.n_counted) == (sketch.n_texts, sketch.n_counted)
    one, other = (skeletons(pa.array(prompts), s) for s in (sketch, less))
    assert (one.skeleton == other.skeleton).all() and (one.content == other.content).all()


def skeleton_table(sets: Any, n_texts: Any) -> Any:
    """Skeletons with these sets of shingles, numbered from 1, without edges."""
    packed = [np.array([0, 0, *sorted(one)], "<u8").tobytes() for one in sets]
    return pa.table(
        {
            "skeleton": pa.array([(number + 1) << 20 for number in range(len(sets))], pa.uint64()),
            "n_exchanges": pa.array(n_texts, pa.int64()),
            "n_texts": pa.array(n_texts, pa.int64()),
            "signature": pa.array(packed, pa.binary()),
        }
    )


@pytest.mark.parametrize("chunk", [7, 1000])
def test_of_too_many_skeletons_the_rare_ones_join_and_do_not_lead(monkeypatch, chunk):
    rng = random.Random(3)
    templates_of = [[rng.getrandbits(60) for _ in range(30)] for _ in range(2)]
    sets, texts = list(templates_of), [90, 80]
    for number in range(60):
        kept = rng.sample(templates_of[number % 2], 24)
        sets.append([*kept, *(rng.getrandbits(60) for _ in range(6))])
        texts.append(1)
    strangers = [[rng.getrandbits(60) for _ in range(20)] for _ in range(40)]
    table = skeleton_table([*sets, *strangers], texts + [1] * 40)
    whole = families(table)
    monkeypatch.setattr(templates, "MOST_LEADING", 2)
    monkeypatch.setattr(templates, "_CHUNK", chunk)
    part = families(table)
    names = ["skeleton", "template_id", "n_exchanges", "n_texts"]
    assert part.select(names).equals(whole.select(names))
    assert len(part) == 62
    assert sum(signature is not None for signature in part["signature"].to_pylist()) == 2


def test_known_skeletons_keep_their_family_however_rare(tmp_path, monkeypatch):
    prompts, chat = world()
    first, found_first = run(tmp_path / "1", exchanges(prompts + chat))
    monkeypatch.setattr(templates, "MOST_LEADING", 1)
    second, found_second = run(tmp_path / "2", exchanges(prompts + chat), known=first)
    assert found_second == found_first
    assert second["n_texts"].to_pylist() == first["n_texts"].to_pylist()


def test_skeletons_that_differ_in_their_numbers_alone_are_one_template(tmp_path):
    rng = random.Random(7)
    asked = {n: [f"my bill is {n} higher than in {phrase(rng, 1)}" for _ in range(40)] for n in (18, 25, 140)}
    named, by_text = run(tmp_path, exchanges([text for texts in asked.values() for text in texts]))
    # Each number came often enough to be taken for the template's word.
    assert len(named) >= len(asked)
    assert len({template for _, template in by_text}) == 1
