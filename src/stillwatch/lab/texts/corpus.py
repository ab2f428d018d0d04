"""The texts of a world, from the shipped corpus: whoever writes, and whatever templates are in use.

Everything is planned as recipes, array by array; no text is made here but system prompts and the wording of
templates.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from stillwatch.lab.texts.answers import Answers
from stillwatch.lab.texts.book import Book, Key, Ref, Scope
from stillwatch.lab.texts.chatting import Chat
from stillwatch.lab.texts.coding import Coding
from stillwatch.lab.texts.grammar import Dice, Grammar
from stillwatch.lab.texts.product import Product, make_product
from stillwatch.lab.texts.recipes import Places, Recipes
from stillwatch.lab.texts.templates import Template, main_slot, slots
from stillwatch.lab.texts.turns import Ints, Words
from stillwatch.lab.texts.vocabulary import Rules, people, shipped, texts

PROBLEMS = ("maths", "logic", "science", "code", "tools", "data")
LANGUAGES = ("en", "de", "fr", "es", "zh")
CAPABILITIES = ("reasoning", "rubric", "agentic_coding", "tool_use", "data_analysis", "rewriting")


@dataclass(frozen=True)
class Agent:
    """A coding agent as everybody runs it: a name and its system prompt in successive versions."""

    name: str
    systems: tuple[str, ...]


@dataclass(frozen=True)
class Content:
    """What fills the main slot of templates.

    Attributes:
        program: a rule of contents.
        stock: number of different ones where it is a finite stock.
    """

    program: int
    stock: int | None = None
    key: Key = field(default=Key.ITEM)

    @property
    def ref(self) -> Ref:
        """The slot."""
        return Ref(self.program, self.key)


class Library:
    """Writers and templates from the shipped corpus.

    Methods that choose take the dice of whoever asks, so that populations never disturb each other.

    Attributes:
        book: where all programs are.
    """

    def __init__(self, book: Book | None = None) -> None:
        self.book = book or Book()
        self._answers = Answers(self.book)
        self._chat = Chat(self.book)
        self._coding = Coding(self.book)
        self._products: list[Rules] = list(shipped("support")["product"].values())  # type: ignore[arg-type]
        self._texts = self.book.scope({**texts(), "complaint": self._complaints()})
        self._problems = {
            name: self.book.scope({**people(), **rules}).program("item")
            for name, rules in shipped("problems").items()
        }
        self._uses: dict[str, Scope] = {}

    def chat(
        self, person: Ints, session: Ints, turn: Ints, seeds: Words, rng: np.random.Generator
    ) -> Recipes:
        """What users of a chat assistant say.

        Args:
            person: int64 [turns], places in `seeds`.
            session: int64 [turns], conversation; its turns stand together and in order, and a person's
                conversations in the order of time.
            turn: int64 [turns], from 0.
            seeds: uint64 [people]: topics and own words depend on it only.
            rng: chance of the caller.
        """
        del turn  # the first turn that is given opens a conversation
        return self._chat.prompts(person, session, seeds, rng)

    def coding(
        self, person: Ints, session: Ints, turn: Ints, seeds: Words, rng: np.random.Generator
    ) -> tuple[Recipes, Ints]:
        """What developers and their coding agents send, and the kind of answer to each (see `chat`).

        The agent's own request for a title has the kind "short": agents send it without a system prompt.
        """
        return self._coding.prompts(person, session, turn, seeds, rng)

    def agent(self, number: int, dice: Dice) -> Agent:
        """The coding agent of a running number: intro, rules, tools, in three successive versions."""
        parts = shipped("coding")["agent"]
        name = parts["name"][number % len(parts["name"])]
        rules = dice.sample(parts["rule"], 14)
        tools = dice.sample(parts["tool"], dice.integer(5, 8))
        intro = dice.pick(parts["intro"]).replace("{agent_name}", name)
        ending = dice.pick(parts["ending"])
        versions = []
        for version in range(3):
            kept = rules[: 10 + version]
            kept[version] = rules[-1 - version]
            body = "\n".join(f"{place}. {rule}" for place, rule in enumerate(kept, 1))
            listed = "\n".join(f"- {tool}" for tool in tools)
            versions.append(
                f"{intro}\n\n# Rules\n{body}\n\n# Tools\n{listed}\n\n{ending}\nVersion 2.{version + 3}"
            )
        return Agent(name, tuple(versions))

    def product(self, dice: Dice) -> Product:
        """A company's product whose end users have questions in its own vocabulary."""
        return make_product(self.book, dice.pick(self._products), dice)

    def teacher(
        self, capability: str, dice: Dice, language: str = "en", wording: str = "fixed", style: int = 0
    ) -> Template:
        """A template that collects what trains a model (corpus/teacher.toml).

        Args:
            capability: one of CAPABILITIES.
            dice: draws the wording.
            language: one of LANGUAGES. Reasoning and rubric grading are worded in each, contents included;
                other capabilities fall back to English.
            wording: "fixed" for one wording; "exchange" for another one in each request, drawn by its draw.
            style: whose house style: a third of the phrases, so that two campaigns seldom sound alike; 0 for all.

        Raises KeyError for an unknown capability, ValueError for an unknown language or wording.
        """
        if language not in LANGUAGES or wording not in ("fixed", "exchange"):
            raise ValueError(f"language {language!r} or wording {wording!r} is unknown")
        content = self._content_of(capability, language)
        draft = self._draft(capability, language)
        fill = {"task": content.ref, "answer": draft, "draft": draft}
        rules = _in_style(_worded(capability, language), style)
        grammar = Grammar.of(people(), rules)
        system = grammar.text("system", dice) or None
        if wording == "exchange":
            program = self.book.scope({**people(), **rules}, slots=fill).program("template")
        else:
            program = self.book.template(grammar.text("template", dice).replace("  ", " "), fill)
        return Template(capability, system, program, content.stock)

    def bulk(self, use: str, dice: Dice) -> Template:
        """A template of legitimate heavy use (sections of corpus/bulk.toml: translation, judging, cron ...).

        What is called `own` in a template (cron, viral, starter, ci) belongs to the writer and never changes
        for one; the date and hour of "cron" are those of `item`, counted in hours since 1970-01-01 00:00.
        Raises KeyError for an unknown use.
        """
        grammar = _bulk_grammar(use)
        system = grammar.text("system", dice) or None if "system" in shipped("bulk")[use] else None
        return self._filled(use, grammar.text("template", dice), system, self._bulk_content(use))

    def benchmark(self, dice: Dice) -> list[Template]:
        """The formats in which a harness asks the items of one public benchmark, the usual one first."""
        content = Content(self._problems[dice.pick(("maths", "logic", "science", "code"))])
        formats = dice.sample(shipped("bulk")["benchmark"]["formats"], 5)
        return self._forms([f.replace("{#5-12}", "eight") for f in formats], "short", content, dice)

    def homework(self, dice: Dice) -> list[Template]:
        """The ways in which students put the exercises of one course; most paste them word for word."""
        return self._forms(shipped("bulk")["homework"]["forms"], "reasoning", self._course(dice), dice)

    def homework_follow(self) -> Template:
        """What students ask next, whatever the exercise was."""
        program = self.book.scope(shipped("bulk")["homework"]).program("follow")
        return Template("reasoning", None, program)

    def answers(self) -> Places:
        """int32: program of one sentence of each of answers.KINDS, for render_until."""
        return self._answers.programs()

    def _draft(self, capability: str, language: str) -> Ref:
        if language != "en" and capability in _spoken(language):
            return Ref(self.book.scope(_spoken(language)["drafts"]).program("draft"))
        return Ref(self._answers.draft(capability))

    def _course(self, dice: Dice) -> Content:
        return Content(self._problems[dice.pick(("maths", "science", "code", "data"))])

    def _complaints(self) -> list[str]:
        """Whatever the customers of all products ask, each with the vocabulary of `texts`."""
        return [text for product in self._products for text in product["ask"]]

    def _content_of(self, capability: str, language: str) -> Content:
        if language != "en" and capability in _spoken(language):
            return Content(self.book.scope(_spoken(language)["problems"]).program("item"))
        return self._seeds(shipped("teacher")[capability]["seeds"])

    def _seeds(self, sections: Sequence[str]) -> Content:
        """Contents from sections of the problems; "support" stands for customers' texts."""
        programs = [self._problems[s] for s in sections if s in self._problems]
        if "support" in sections:
            programs += [self._texts.program("review"), self._texts.program("message")]
        return Content(self.book.choice([Ref(p) for p in programs], "+".join(sections)))

    def _bulk_content(self, use: str) -> Content:
        rules = shipped("bulk")[use]
        if "content" in rules:
            return Content(self._bulk_rule(use, "content"))
        if "own" in rules:
            return Content(self._bulk_rule(use, "own"), key=Key.OWN)
        kind = str(rules.get("text", "review"))
        if kind == "problem":
            return self._seeds(("maths", "science", "code", "logic"))
        return Content(self._texts.program(kind))

    def _own(self, use: str) -> int:
        known = "own" in shipped("bulk").get(use, {})
        return self._bulk_rule(use, "own") if known else self._texts.program("first_name")

    def _bulk_rule(self, use: str, rule: str) -> int:
        """A rule of a section of corpus/bulk.toml; compiled once, as thousands of accounts may ask for it."""
        if use not in self._uses:
            rules = {**texts(), **_lists(shipped("coding")["project"]), **_lists(shipped("bulk")[use])}
            self._uses[use] = self.book.scope(rules)
        return self._uses[use].program(rule)

    def _filled(self, use: str, text: str, system: str | None, content: Content, salt: int = 0) -> Template:
        """The content in the main slot, drafts and the like in the others."""
        main = main_slot(text)
        fill = {name: Ref(self._answers.draft(use)) for name in slots(text)}
        if use == "cron":
            fill |= {"date": Ref(self.book.date), "hour": Ref(self.book.hour)}
        if main:
            fill[main] = content.ref
        if "own" in slots(text):
            fill["own"] = Ref(self._own(use), Key.OWN)
        return Template(use, system, self.book.template(text, fill), content.stock, salt)

    def _forms(self, forms: Sequence[str], kind: str, content: Content, dice: Dice) -> list[Template]:
        salt = int(dice.uniform() * 2**53)
        return [self._filled(kind, form, None, content, salt) for form in forms]


@cache
def _bulk_grammar(use: str) -> Grammar:
    """What is drawn once for a template; its contents stay open."""
    rules = _lists(shipped("bulk")[use])
    return Grammar.of(people(), {k: v for k, v in rules.items() if k not in ("own", "content")})


def _in_style(rules: Rules, style: int) -> Rules:
    """A third of the alternatives of each rule, at least two; which ones depends on the style and the rule."""
    if not style:
        return rules
    kept: dict[str, Sequence[str]] = {}
    for name, phrases in rules.items():
        chance = np.random.Generator(np.random.PCG64([style, zlib.crc32(name.encode())]))
        kept[name] = Dice(chance).sample(phrases, max(2, -(-len(phrases) // 3)))
    return kept


def _worded(capability: str, language: str) -> Rules:
    english = shipped("teacher")[capability]
    return _spoken(language).get(capability, english) if language != "en" else english


def _spoken(language: str) -> Mapping[str, Rules]:
    return shipped("languages")[language]  # type: ignore[return-value]


def _lists(rules: Mapping[str, object]) -> dict[str, list[str]]:
    return {name: list(texts) for name, texts in rules.items() if isinstance(texts, list)}
