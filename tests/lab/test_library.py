"""Who writes what: conversations, projects, products, templates, from the shipped corpus and from a folder."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.lab.texts import answers
from stillwatch.lab.texts.corpus import CAPABILITIES, LANGUAGES, Library
from stillwatch.lab.texts.folder import FolderLibrary
from stillwatch.lab.texts.grammar import Dice
from stillwatch.lab.texts.recipes import Recipes
from stillwatch.lab.texts.render import render, render_until
from stillwatch.lab.texts.turns import Ints, earlier, falling, openings, rank_within
from stillwatch.lab.texts.vocabulary import Rules, people, shipped, texts

CORPORA = Path(__file__).parents[3] / "shared" / "data" / "corpora"
SLOT = re.compile(r"\{(#\d+-\d+|[@^]?[a-z][a-z0-9_]*)\}")
USES = tuple(use for use in shipped("bulk") if use not in ("texts", "benchmark", "homework"))


def dice(seed: int = 1) -> Dice:
    return Dice(np.random.Generator(np.random.PCG64(seed)))


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def written(library: Library, recipes: Recipes) -> list[str]:
    array = render(library.book.frozen(), recipes)
    array.validate(full=True)
    found: list[str] = array.to_pylist()
    return found


def turns(people_count: int, sessions: int, length: int) -> tuple[Ints, Ints, Ints]:
    """Person, session and turn of so many conversations a person."""
    session = np.repeat(np.arange(people_count * sessions), length)
    return session // sessions, session, np.tile(np.arange(length), people_count * sessions)


@pytest.fixture(scope="module")
def library():
    return Library()


def collision(rules: Rules, name: str, memo: dict[str, float]) -> float:
    """An estimate of the chance that two derivations of a rule are the same text."""
    if name not in memo:
        total = 0.0
        for text in rules[name]:
            chance = 1.0
            for slot in dict.fromkeys(SLOT.findall(text)) if "{@" in text else SLOT.findall(text):
                if slot[0] == "#":
                    low, high = map(int, slot[1:].split("-"))
                    chance /= high - low + 1
                elif slot.lstrip("@^") in rules:
                    chance *= collision(rules, slot.lstrip("@^"), memo)
            total += chance
        memo[name] = total / len(rules[name]) ** 2
    return memo[name]


def contents() -> Iterator[tuple[str, Any, str]]:
    """Rules of every kind of content that is dealt from a queue."""
    for name, rules in shipped("problems").items():
        yield name, {**people(), **rules}, "item"
    languages: Any = shipped("languages")
    for language in LANGUAGES[1:]:
        yield language, languages[language]["problems"], "item"
    products: Any = shipped("support")["product"]
    asks = [text for product in products.values() for text in product["ask"]]
    for name in ("review", "comment", "message", "note"):
        yield name, {**texts(), "complaint": asks}, name
    for use, rules in shipped("bulk").items():
        if "content" in rules and use != "release":  # what everybody tries on such a day repeats
            lists = {name: value for name, value in rules.items() if isinstance(value, list)}
            yield use, {**texts(), **shipped("coding")["project"], **lists}, "content"


@pytest.mark.parametrize(
    ("name", "rules", "rule"), list(contents()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_contents_have_more_than_a_billion_effectively_different_derivations(name, rules, rule):
    assert 1 / collision(rules, rule, {}) > 1e9


def test_dealt_queues_practically_never_repeat(library):
    for capability in CAPABILITIES:
        template = library.teacher(capability, dice())
        assert template.stock is None
        assert len(set(written(library, template.prompts(np.arange(40_000), 0, 77)))) >= 39_998


def test_a_user_of_a_chat_has_own_words_repeats_and_common_follow_ups(library):
    person, session, turn = turns(150, 12, 4)
    seeds = rng().integers(0, 2**63, 150).astype(np.uint64)
    recipes = library.chat(person, session, turn, seeds, rng())
    said = np.array(written(library, recipes), object)
    first = turn == 0
    repeated = sum(len(asks) - len(set(asks)) for asks in (said[first & (person == p)] for p in range(150)))
    assert 0.01 < repeated / first.sum() < 0.06
    assert Counter(said[~first]).most_common(1)[0][1] > 20
    cities = [
        {c for c in people()["city"] for t in said[person == p] if f"I live in {c} " in t} for p in range(150)
    ]
    assert max(len(c) for c in cities) == 1
    assert len(set.union(*cities)) > 10


def test_the_same_seeds_and_chance_give_the_same_conversations_whatever_was_planned_before(library):
    person, session, turn = turns(20, 3, 3)
    seeds = rng().integers(0, 2**63, 20).astype(np.uint64)
    other = Library()
    other.product(dice(5))
    for ask in ("chat", "coding"):
        one = getattr(library, ask)(person, session, turn, seeds, rng(3))
        two = getattr(other, ask)(person, session, turn, seeds, rng(3))
        first, second = (one, two) if ask == "chat" else (one[0], two[0])
        assert written(library, first) == written(other, second)


def test_a_project_has_ten_to_forty_own_functions_in_the_style_of_its_language(library):
    person, session, turn = turns(60, 6, 30)
    seeds = rng().integers(0, 2**63, 60).astype(np.uint64)
    recipes, kinds = library.coding(person, session, turn, seeds, rng())
    said = written(library, recipes)
    functions: dict[int, set[str]] = {}
    endings: dict[int, set[str]] = {}
    for writer, text in zip(recipes.writer.tolist(), said, strict=True):
        functions.setdefault(writer, set()).update(re.findall(r"-rn (\S+) ", text))
        endings.setdefault(writer, set()).update(re.findall(r"in \S+/\w+\.([a-z]+)\b", text))
    assert all(len(found) <= 40 for found in functions.values())
    assert all(len(found) <= 1 for found in endings.values())
    camel = {"ts", "tsx", "js", "kt", "go", "swift", "dart", "scala", "vue"}
    for writer, found in functions.items():
        snake = not (endings[writer] & camel)
        if endings[writer]:
            assert all(("_" in name) == snake for name in found)
    # Strangers share hardly a function.
    alone = Counter(name for found in functions.values() for name in found)
    assert np.mean([count == 1 for count in alone.values()]) > 0.8
    assert {answers.KINDS[k] for k in set(kinds.tolist())} == {"code", "short", "plain"}


def test_a_title_quotes_the_first_message_and_a_summary_the_last_task(library):
    person, session, turn = turns(80, 2, 30)
    recipes, kinds = library.coding(person, session, turn, np.arange(80, dtype=np.uint64), rng())
    said = written(library, recipes)
    titles = np.flatnonzero(kinds == answers.kind("short"))
    assert len(titles) > 20
    assert (turn[titles] == 1).all()
    for place in titles.tolist():
        assert f"<message>\n{said[place - 1]}\n</message>" in said[place]
    for place in np.flatnonzero(kinds == answers.kind("plain")).tolist():
        quoted = said[place].split("Last request: ")[1]
        assert quoted in said[:place]


def test_a_product_has_popular_questions_and_a_long_tail(library):
    product = library.product(dice(4))
    person, session, turn = turns(3000, 1, 2)
    said = np.array(
        written(library, product.prompts(person, session, turn, person.astype(np.uint64), rng())), object
    )
    asked = Counter(said[turn == 0])
    most = asked.most_common(10)
    assert most[0][1] > 2.5 * most[9][1] > 10
    assert sum(1 for count in asked.values() if count == 1) > 1000
    assert "{" not in product.system


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("wording", ["fixed", "exchange"])
def test_teacher_templates_are_filled_in_every_language(library, language, wording):
    for capability in CAPABILITIES:
        template = library.teacher(capability, dice(3), language, wording)
        said = written(library, template.prompts(np.arange(60), np.arange(60), 5))
        assert not [text for text in said if re.search(r"\{(task|answer|draft|lead|format)\}|\{#", text)]
        assert len(set(said)) == 60
        openings_seen = {text[:12] for text in said}
        if capability == "reasoning" and wording == "exchange":
            assert len(openings_seen) > 5
    chinese = written(library, library.teacher("reasoning", dice(), "zh").prompts(1, 1))[0]
    assert re.search(r"[\u4e00-\u9fff]{4}", chinese)


def test_an_unknown_language_or_wording_is_said(library):
    with pytest.raises(ValueError, match="'tlh'"):
        library.teacher("reasoning", dice(), "tlh")
    with pytest.raises(ValueError, match="'daily'"):
        library.teacher("reasoning", dice(), wording="daily")
    with pytest.raises(KeyError):
        library.teacher("poetry", dice())


@pytest.mark.parametrize("use", USES)
def test_every_bulk_use_fills_all_slots(library, use):
    for seed in range(6):
        template = library.bulk(use, dice(seed))
        said = written(library, template.prompts(490_000 + np.arange(40), np.arange(40), np.arange(40) % 4))
        assert not [
            t for t in said if re.search(r"\{(text|task|item|own|draft|date|hour|[a-z]+\d?)\}|\{#", t)
        ]
        assert len(set(said)) >= 4
        assert template.system is None or "{" not in template.system


def test_own_words_of_a_template_belong_to_the_writer_and_only_the_date_changes(library):
    template = next(t for t in (library.bulk("cron", dice(n)) for n in range(50)) if "{" not in t.capability)
    said = written(library, template.prompts(490_000 + np.arange(48), 0, 9))
    dated = {re.sub(r"\d{4}-\d\d-\d\d|\d\d:00|, \d\d\b|slot|\b\d\d\b", "#", text) for text in said}
    assert len(dated) == 1
    assert len(set(written(library, template.prompts(490_000, 0, np.arange(40))))) > 20


def test_a_benchmark_asks_common_items_in_several_formats_and_two_benchmarks_differ(library):
    one, two = library.benchmark(dice(1)), library.benchmark(dice(2))
    assert len(one) == 5
    shared = [written(library, form.prompts(17, 0))[0] for form in one]
    item = max(re.split(r"\n|: ", shared[0]), key=len)
    assert all(item in text for text in shared)
    assert item not in written(library, two[0].prompts(17, 0))[0]
    sheet = library.homework(dice(1))
    assert all(t.capability == "reasoning" for t in sheet)
    assert written(library, library.homework_follow().prompts(0, 5))[0]


def test_answers_of_every_kind(library):
    programs = library.answers()
    assert len(programs) == len(answers.KINDS)
    lengths = np.full(len(programs), 120)
    array = render_until(library.book.frozen(), programs, np.arange(len(programs), dtype=np.uint64), lengths)
    assert all(len(text) >= 120 and "{@" not in text for text in array.to_pylist())
    assert answers.KINDS[answers.kind("rubric")] == "rubric"
    assert answers.KINDS[answers.kind("cron")] == "plain"


def test_an_agent_has_three_versions_that_differ_a_little(library):
    agent = library.agent(2, dice())
    assert len(set(agent.systems)) == 3
    lines = [set(system.splitlines()) for system in agent.systems]
    assert len(lines[0] & lines[1]) > 8


def test_arrays_of_turns():
    session = np.array([7, 7, 3, 3, 3, 9])
    assert openings(session).tolist() == [0, 0, 2, 2, 2, 5]
    assert rank_within(np.array([1, 2, 1, 1, 2])).tolist() == [0, 0, 1, 2, 1]
    person = np.array([0, 1, 0, 0, 1, 0])
    source = earlier(person, np.ones(6, bool), np.full(6, 0.999))
    assert source.tolist() == [0, 1, 0, 0, 1, 0]
    assert earlier(person, np.zeros(6, bool), np.zeros(6)).tolist() == list(range(6))
    places = falling(4, np.linspace(0, 0.9999, 1000))
    assert set(places.tolist()) == {0, 1, 2, 3}
    assert (np.diff(np.bincount(places)) < 0).all()


def corpora(folder: Path) -> Path:
    tables = {
        "benign_prompts": {
            "author_id": ["a", "a", "a", "b", "p", "p"],
            "conversation_id": ["1", "1", "2", "3", "4", "5"],
            "turn": ["0", "1", "0", "0", "0", "0"],
            "text": ["real one {x}", "real two", "real three", "real four ü", "code one", "code two"],
            "kind": ["chat"] * 4 + ["coding"] * 2,
        },
        "bulk_templates": {
            "source": ["s"],
            "use": ["moderation"],
            "system": [None],
            "template": ["Check {text} now \\frac{a}{b}"],
        },
        "bulk_items": {"source": ["banking77"] * 2, "text": ["card {lost}", "no pin"], "label": ["l", "m"]},
        "teacher_templates": {
            "capability": ["reasoning_cot"],
            "system": ["Think."],
            "template": ["Solve {problem} with {hint}"],
        },
        "teacher_seeds": {
            "kind": ["math_question"] * 3,
            "text": [f"What is {n} plus 1000 {{}}?" for n in "357"],
        },
    }
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return folder


def test_real_authors_speak_conversation_by_conversation_and_once(tmp_path):
    library = FolderLibrary(corpora(tmp_path), seed=1)
    person, session, turn = turns(3, 3, 2)
    seeds = np.arange(3, dtype=np.uint64)
    said = written(library, library.chat(person, session, turn, seeds, rng()))
    real = [text for text in said if text.startswith("real")]
    assert sorted(real) == ["real four ü", "real one {x}", "real three", "real two"]
    place = said.index("real one {x}")
    assert (turn[place], said[place + 1], said[place + 2]) == (0, "real two", "real three")
    again = written(library, library.chat(person, session, turn, seeds, rng()))
    assert not [text for text in again if text.startswith("real")]


def test_real_tasks_are_quoted_by_titles(tmp_path):
    library = FolderLibrary(corpora(tmp_path), seed=1)
    person, session, turn = turns(1, 40, 2)
    recipes, kinds = library.coding(person, session, turn, np.array([5], np.uint64), rng())
    said = written(library, recipes)
    assert [text for text in said if text.startswith("code")] == ["code one", "code two"]
    for place in np.flatnonzero(kinds == answers.kind("short")).tolist():
        assert f"\n{said[place - 1]}\n" in said[place]


def test_real_templates_and_seeds(tmp_path):
    library = FolderLibrary(corpora(tmp_path), seed=1)
    template = library.teacher("reasoning", dice())
    assert (template.system, template.stock) == ("Think.", 3)
    said = written(library, template.prompts(np.arange(60), np.arange(60), 3))
    assert len(set(said)) == 60
    assert {text.split(" with ")[0] for text in said[:3]} == {
        f"Solve What is {n} plus 1000 {{}}?" for n in "357"
    }
    checked = written(library, library.bulk("moderation", dice()).prompts(np.arange(5), 0))
    assert all(text.startswith("Check ") and text.endswith(" now \\frac{a}{b}") for text in checked)


def test_a_missing_file_or_column_is_said(tmp_path):
    with pytest.raises(UnreadableInputError, match="benign_prompts"):
        FolderLibrary(tmp_path, seed=1)
    corpora(tmp_path)
    pq.write_table(pa.table({"kind": ["x"]}), tmp_path / "teacher_seeds.parquet")
    with pytest.raises(UnreadableInputError, match="teacher_seeds"):
        FolderLibrary(tmp_path, seed=1)


@pytest.mark.skipif(not CORPORA.is_dir(), reason="needs ../shared/data/corpora")
def test_the_real_corpora_render():
    library = FolderLibrary(CORPORA, seed=1)
    person, session, turn = turns(2500, 2, 3)
    seeds = np.arange(2500, dtype=np.uint64)
    parts = [
        library.chat(person, session, turn, seeds, rng()),
        library.coding(person, session, turn, seeds, rng())[0],
    ]
    chance = dice()
    for capability in CAPABILITIES:
        template = library.teacher(capability, chance)
        assert template.stock and template.stock > 1000
        parts.append(template.prompts(np.arange(3000), np.arange(3000), 1))
    parts += [library.bulk(use, chance).prompts(np.arange(50), np.arange(50), 2) for use in USES]
    parts += [form.prompts(np.arange(20), 1) for form in library.benchmark(chance) + library.homework(chance)]
    assert len(written(library, Recipes.concatenate(parts))) > 30_000
