"""The kernel against a slow expander of the same notation, and what the recipes promise."""

import datetime
import hashlib
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.lab.texts.book import Book, Key, Ref, load
from stillwatch.lab.texts.recipes import Recipes
from stillwatch.lab.texts.render import render, render_until

MASK = 2**64 - 1
STEP = 0x9E3779B97F4A7C15


def murmur(h: int) -> int:
    h ^= h >> 33
    h = h * 0xFF51AFD7ED558CCD & MASK
    h ^= h >> 33
    h = h * 0xC4CEB9FE1A85EC53 & MASK
    return h ^ (h >> 33)


def combine(left: int, right: int) -> int:
    return murmur((left * STEP + (right ^ 0xBB67AE8584CAA73B)) & MASK)


def splitmix(z: int) -> int:
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


def salt(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=16).digest()[:8], "little")


class Stream:
    def __init__(self, seed: int) -> None:
        self.state = seed

    def below(self, bound: int) -> int:
        self.state = (self.state + STEP) & MASK
        return (splitmix(self.state) >> 32) * bound >> 32


class Expander:
    """Expands the notation itself, recursively; knows nothing of compiled rules."""

    def __init__(self, rules: dict[str, list[str]], own: dict[str, tuple[int, int]], writer: int) -> None:
        self.rules, self.own, self.writer = rules, own, writer
        self.out = ""
        self.capital = -1

    def text(self, rule: str, draw: int) -> str:
        seed = combine(draw, salt(rule))
        self.out = ""
        self.expand(self.rules[rule], Stream(seed), seed)
        return self.out

    def expand(self, alternatives: list[str], stream: Stream, base: int) -> None:
        text = alternatives[stream.below(len(alternatives))]
        for literal, slot in re.findall(
            r"([^{]*|(?:[^{]|\{(?!(?:#\d|[@^]?[a-z])[^{}]*\}))*)(?:\{(#\d+-\d+|[@^]?[a-z][a-z0-9_]*)\}|$)",
            text,
        ):
            self.literal(literal)
            if slot:
                self.slot(slot, stream, base)

    def literal(self, text: str) -> None:
        if text and self.out and (self.out[-1], text[0]) in {("?", "?"), (".", "?"), ("?", "."), (" ", " ")}:
            text = text[1:]
        if text and self.capital == len(self.out):
            text = (text[0].upper() if text[0].isascii() else text[0]) + text[1:]
            self.capital = -1
        self.out += text

    def slot(self, slot: str, stream: Stream, base: int) -> None:
        if slot[0] == "#":
            low, high = (int(v) for v in slot[1:].split("-"))
            self.out += str(low + stream.below(high - low + 1))
            return
        name = slot.lstrip("@^")
        if name not in self.rules:
            self.literal("{" + slot + "}")
            return
        if slot[0] == "^":
            self.capital = len(self.out)
        low, high = self.own.get(name, (0, 0))
        if slot[0] == "@" and high != 1:
            kept = Stream(combine(base, salt(name)))
            if high:
                kept.below(1)
                self.owned(name, kept)
            else:
                self.expand(self.rules[name], kept, base)
        elif high:
            self.owned(name, stream)
        else:
            self.expand(self.rules[name], stream, base)

    def owned(self, name: str, stream: Stream) -> None:
        low, high = self.own[name]
        seed = combine(self.writer, salt(name))
        size = low + ((splitmix(seed) >> 32) * (high - low + 1) >> 32 if high > low else 0)
        seed = combine(seed, stream.below(size) if size > 1 else 0)
        self.expand(self.rules[name], Stream(seed), seed)


def one(book: Book, program: int, writer: int = 0, item: int = 0, draw: int = 0) -> str:
    return str(render(book.frozen(), Recipes.of(program, writer, item, draw))[0].as_py())


uint64 = st.integers(0, MASK)
words = st.text(st.sampled_from(list("ab ?.Zé語🦊9}")), max_size=5)


@st.composite
def grammars(draw: st.DrawFn) -> tuple[dict[str, list[str]], dict[str, tuple[int, int]]]:
    """Rules a, b, c, d; each refers only to later ones, so that none refers to itself."""
    names = ["a", "b", "c", "d"]
    rules = {}
    for place, name in enumerate(names):
        later = [f"{{{mark}{n}}}" for n in [*names[place + 1 :], "unknown"] for mark in ("", "@", "^")]
        part = st.one_of(words, st.sampled_from([*later, "{#0-9}", "{#3-3}", "{#7-2000000000}"]))
        rules[name] = draw(st.lists(st.lists(part, max_size=6).map("".join), min_size=1, max_size=4))
    ranges = st.tuples(st.integers(1, 3), st.integers(0, 3)).map(lambda t: (t[0], t[0] + t[1]))
    own = draw(st.dictionaries(st.sampled_from(names[1:]), ranges))
    return rules, own


@given(grammars(), st.lists(st.tuples(uint64, uint64), min_size=1, max_size=6))
@settings(max_examples=150)
def test_the_kernel_writes_what_a_slow_expander_of_the_notation_writes(grammar, numbers):
    rules, own = grammar
    book = Book()
    program = book.scope(rules, own).program("a")
    recipes = Recipes.of(program, [w for w, _ in numbers], 0, [d for _, d in numbers])
    written = render(book.frozen(), recipes)
    written.validate(full=True)
    assert written.to_pylist() == [Expander(rules, own, w).text("a", d) for w, d in numbers]


RULES = {
    "task": ["{@who} has {#1-900} {thing}s, {@who} sells {#1-900}?{end}", "{thing} of {who} ({^thing})"],
    "who": ["Ana", "Bô", "Cäcilie", "丁"],
    "thing": ["pear", "mug", "étui"],
    "end": ["", ".", "?"],
}


def taught() -> tuple[Book, int, int]:
    book = Book()
    task = book.scope(RULES).program("task")
    words = book.scope(RULES, {"thing": 2}).program("thing")
    slots = {"task": Ref(task, Key.ITEM), "own": Ref(words, Key.OWN, 1, 3), "said": Ref(task, Key.QUOTE)}
    return book, book.template("Do {task} {as} {own} | {said} $x_{own}$", slots), task


@given(st.lists(st.tuples(uint64, uint64, uint64), min_size=2, max_size=30), st.data())
@settings(max_examples=60)
def test_the_same_four_numbers_are_the_same_bytes_in_any_batch(numbers, data):
    book, template, task = taught()
    columns = np.array(numbers, np.uint64)
    program = np.array([template, task])[np.arange(len(numbers)) % 2]
    recipes = Recipes.of(program, columns[:, 0], columns[:, 1], columns[:, 2])
    whole = render(book.frozen(), recipes).to_pylist()
    order = np.array(data.draw(st.permutations(range(len(numbers)))))
    cut = data.draw(st.integers(0, len(numbers)))
    parts = [recipes.take(order[:cut]), recipes.take(order[cut:])]
    again = [text for part in parts for text in render(book.frozen(), part, guess=1).to_pylist()]
    assert again == [whole[i] for i in order]
    assert render(book.frozen(), Recipes.concatenate(parts)).to_pylist() == again


def test_programs_of_other_populations_change_no_text():
    alone, template, _ = taught()
    other = Book()
    other.literals(["first", "second"])
    other.scope({"x": ["{#1-3} of {y}"], "y": ["z"]}).program("x")
    task = other.scope(RULES).program("task")
    things = other.scope(RULES, {"thing": 2}).program("thing")
    slots = {"task": Ref(task, Key.ITEM), "own": Ref(things, Key.OWN, 1, 3), "said": Ref(task, Key.QUOTE)}
    later = other.template("Do {task} {as} {own} | {said} $x_{own}$", slots)
    assert later != template
    for number in range(20):
        recipe = (number, number * 7, number * 31)
        assert one(alone, template, *recipe) == one(other, later, *recipe)


def test_an_item_has_the_same_content_under_any_template_and_differs_between_queues():
    book, _, task = taught()
    first = book.template("A: {task}", {"task": Ref(task, Key.ITEM)})
    second = book.template("{task} is B", {"task": Ref(task, Key.ITEM)})
    assert one(book, first, 5, 9, 1).removeprefix("A: ") == one(book, second, 5, 9, 2).removesuffix(" is B")
    assert len({one(book, first, writer, 9, 0) for writer in range(12)}) > 6


def test_a_quotation_is_the_text_that_the_draw_writes():
    book, _, task = taught()
    quoting = book.template("«{said}»", {"said": Ref(task, Key.QUOTE)})
    for draw in range(30):
        assert one(book, quoting, 3, draw, 99) == f"«{one(book, task, 3, 8, draw)}»"


@given(st.integers(1, 40), uint64, st.integers(0, 200))
@settings(max_examples=60)
def test_a_stock_is_dealt_without_repeats_before_it_is_evolved(size, writer, seed):
    texts = [f"{{name}} number {n}" for n in range(size)]
    book = Book()
    stock = book.literals(texts)
    program = book.template("{item}", {"item": Ref(stock, Key.ITEM)})
    order = np.random.default_rng(seed).permutation(size)
    dealt = render(book.frozen(), Recipes.of(program, writer, order, 0)).to_pylist()
    assert sorted(dealt) == sorted(texts)
    indexed = book.template("{item}", {"item": Ref(stock, Key.INDEX)})
    assert [one(book, indexed, writer, int(n), 4) for n in order] == [texts[n] for n in order]


def test_evolved_items_have_other_digits_or_a_second_part_and_do_not_repeat():
    numbers = [f"Ann has {n} pears, 25 mugs and {n + 3} cents. N° {n}?" for n in range(100, 140)]
    words = [f"Explain the word {a}{b} — now" for a in "abcdefgh" for b in "vwxyz"]
    for texts in (numbers, words):
        book = Book()
        program = book.template("{item}", {"item": Ref(book.literals(texts), Key.ITEM)})
        size = len(texts)
        dealt = render(book.frozen(), Recipes.of(program, 11, np.arange(30 * size), 0)).to_pylist()
        assert len(set(dealt)) == 30 * size
        for place, text in enumerate(dealt[size:], size):
            before = dealt[place % size]
            if texts is words:
                first, second = text.split("\n\nThen: ")
                assert first == before
                assert second in words and second != first
            else:
                assert re.sub(r"\d", "#", text) == re.sub(r"\d", "#", before)
                assert all(a != b for a, b in zip(text, before, strict=True) if b.isdigit())
                assert not re.search(r"\b0\d", text)


@given(st.integers(1, 6), st.integers(0, 4), uint64)
@settings(max_examples=40)
def test_a_writer_has_at_most_k_own_words(low, more, writer):
    book = Book()
    rules = {"say": ["{word}"], "word": ["{a}{a}{a}"], "a": list("abcdefghijklmnop")}
    program = book.scope(rules, {"word": (low, low + more)}).program("say")
    said = render(book.frozen(), Recipes.of(program, writer, 0, np.arange(300))).to_pylist()
    assert 1 <= len(set(said)) <= low + more
    others = render(book.frozen(), Recipes.of(program, np.arange(50), 0, 0)).to_pylist()
    assert len(set(others)) > 40


def test_date_and_hour_are_those_of_the_item():
    book = Book()
    program = book.template("{date}T{hour}", {"date": Ref(book.date), "hour": Ref(book.hour)})
    epoch = datetime.datetime(1970, 1, 1)
    hours = [0, 23, 24, 1416, 490_000, 500_167, 876_576, 1_139_544]
    written = render(book.frozen(), Recipes.of(program, 0, hours, 0)).to_pylist()
    assert written == [f"{epoch + datetime.timedelta(hours=h):%Y-%m-%dT%H}" for h in hours]


def test_literal_stocks_and_fixed_texts_are_never_parsed():
    book = Book()
    text = "{task} {#1-5} {@who} \\frac{a}{b} ?? .?"
    assert one(book, book.fixed(text)) == text
    assert one(book, book.template("?{x}?", {"x": Ref(book.literals([text]), Key.ITEM)})) == f"?{text}?"
    assert one(book, book.literals([""])) == ""


def test_a_short_buffer_grows_without_a_change():
    book = Book()
    program = book.template("{item}", {"item": Ref(book.literals(["é" * 50_000, "x", "語" * 3]), Key.ITEM)})
    recipes = Recipes.of(program, 0, np.arange(300), 0)
    assert render(book.frozen(), recipes, guess=1) == render(book.frozen(), recipes, guess=100_000)


def test_answers_are_as_long_as_wanted_say_nothing_twice_and_keep_their_topic():
    book = Book()
    rules = {
        "sentence": [f"{name} {{@topic}}." for name in "ABCDEFGH"],
        "topic": [str(n) for n in range(900)],
    }
    program = book.scope(rules).program("sentence")
    size = 200
    lengths = np.arange(size) % 35
    texts = render_until(
        book.frozen(), np.full(size, program, np.int32), np.arange(size, dtype=np.uint64), lengths
    )
    for text, wanted in zip(texts.to_pylist(), lengths.tolist(), strict=True):
        sentences = re.findall(r"([A-H]) (\d+)\.", text)
        assert " ".join(f"{name} {topic}." for name, topic in sentences) == text
        assert len({topic for _, topic in sentences}) == 1
        assert len({name for name, _ in sentences}) == len(sentences) <= 8
        assert len(text) >= wanted
        assert len(text) - len(text.rsplit(" ", 2)[0]) >= len(text) - wanted or len(sentences) == 1


def test_a_saved_book_writes_the_same_texts(tmp_path):
    book, template, _ = taught()
    places = [book.system("Grüße"), book.system("two"), book.system("Grüße")]
    assert places == [0, 1, 0]
    book.save(tmp_path / "book.npz")
    frozen, systems = load(tmp_path / "book.npz")
    assert systems == ["Grüße", "two"]
    recipes = Recipes.of(template, np.arange(50), np.arange(50) // 3, np.arange(50) % 7)
    assert render(frozen, recipes) == render(book.frozen(), recipes)


def test_equal_rules_are_stored_once():
    book = Book()
    first = book.scope(RULES).program("task")
    size = len(book)
    assert book.scope(RULES).program("task") == first
    assert len(book) == size


def test_wrong_rules_are_said():
    book = Book()
    with pytest.raises(ValueError, match="rule a refers to itself"):
        book.scope({"a": ["{b}"], "b": ["x{a}"]}).program("a")
    with pytest.raises(ValueError, match="rule b has no alternative"):
        book.scope({"a": ["{b}"], "b": []}).program("a")
    with pytest.raises(ValueError, match="need low <= high"):
        book.scope({"a": ["{#9-3}"]}).program("a")
    with pytest.raises(ValueError, match="own words of a: need 1 <= fewest <= most"):
        book.scope({"a": ["x"]}, {"a": (3, 2)})
    with pytest.raises(KeyError):
        book.scope({"a": ["x"]}).program("b")
    with pytest.raises(ValueError, match="at least one text"):
        book.literals([])
    deep = {f"r{n}": [f"{{r{n + 1}}}"] for n in range(70)} | {"r70": ["x"]}
    with pytest.raises(ValueError, match="nested deeper than 64"):
        book.scope(deep).program("r0")
    with pytest.raises(ValueError, match="programs must lie in"):
        render(book.frozen(), Recipes.of(10_000, 0, 0, 0))
    with pytest.raises(TypeError, match="whole numbers"):
        Recipes.of(0, np.array([0.5]), 0, 0)
    with pytest.raises(ValueError, match="differ in length"):
        Recipes(np.zeros(1, np.int32), *(np.zeros(2, np.uint64) for _ in range(3)))
