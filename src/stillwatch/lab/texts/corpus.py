"""The texts of a world: from the small corpus shipped here, or (folder.py) from a folder of real ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from stillwatch.lab.texts.grammar import Dice, Grammar
from stillwatch.lab.texts.templates import main_slot, pieces
from stillwatch.lab.texts.vocabulary import people, shipped
from stillwatch.lab.texts.writers import Person, Product, Project, Writer, own_part, project_words

Rules = dict[str, list[str]]
PROBLEMS = ("maths", "logic", "science", "code", "tools", "data")


@dataclass(frozen=True)
class Template:
    """A request with slots.

    Attributes:
        capability: what it asks for; also the kind of answer it gets.
        system: system prompt or None.
        parts: literal text and slot name in turn; the last slot name is empty.
        main: slot that takes the content of an exchange; other slots take side texts.
        seeds: sections of the problems that its content comes from.
    """

    capability: str
    system: str | None
    parts: tuple[tuple[str, str], ...]
    main: str
    seeds: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, text: str, capability: str, system: str | None = None, seeds: tuple[str, ...] = ()
    ) -> "Template":
        """Splits a text at its slots. The main slot is the best known name among them, else the last slot."""
        return cls(capability, system or None, tuple(pieces(text)), main_slot(text), seeds)

    @property
    def slots(self) -> list[str]:
        """Names of the slots, in order."""
        return [name for _, name in self.parts if name]

    def fill(self, content: str, side: Callable[[], str] | None = None, **values: str) -> str:
        """The request with `content` in its main slot; the others take `values`, else side texts."""
        out = []
        for literal, name in self.parts:
            out.append(literal)
            if name == self.main:
                out.append(content)
            elif name:
                out.append(values[name] if name in values or side is None else side())
        return "".join(out)


@dataclass(frozen=True)
class Agent:
    """A coding agent as everybody runs it: a name and its system prompt in successive versions."""

    name: str
    systems: tuple[str, ...]


class Library:
    """Writers and templates from the shipped corpus.

    Every method takes the dice of the population that asks, so that populations never disturb each other.
    """

    def __init__(self) -> None:
        chat = shipped("chat")
        base = Grammar.of(people(), chat["shared"])
        topics: list[Rules] = list(chat["topic"].values())  # type: ignore[arg-type]
        self._topics = [(base.with_rules(rules), rules) for rules in topics]
        coding = shipped("coding")
        self._project = {**coding["project"], **coding["task"]}
        self._coding = Grammar.of(people(), self._project)
        self._products: list[Mapping[str, list[str]]] = list(shipped("support")["product"].values())  # type: ignore[arg-type]
        self._support = Grammar.of(people(), shipped("support")["shared"])
        self._problems = {k: Grammar.of(people(), v) for k, v in shipped("problems").items()}
        self._texts = Grammar.of(
            people(), shipped("support")["shared"], shipped("chat")["shared"], shipped("bulk")["texts"]
        )

    def person(self, dice: Dice) -> Writer:
        """A user of a chat assistant with one to five topics."""
        chosen = dice.sample(self._topics, dice.integer(1, 5))
        city = {"city": [dice.pick(people()["city"])]}
        return Person(
            [g.with_rules({**own_part(rules, rules["own"], dice, 6), **city}) for g, rules in chosen]
        )

    def project(self, dice: Dice) -> Project:
        """A developer's project."""
        return Project(self._coding.with_rules(project_words(self._project, dice)))

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
        """A company's product with end users of its own vocabulary."""
        rules = dice.pick(self._products)
        own = own_part(
            {**people(), **shipped("support")["shared"]},
            ("ware", "country", "merchant", "bankthing"),
            dice,
            9,
        )
        grammar = self._support.with_rules({"ask": rules["ask"], "popular": rules["popular"], **own})
        system = grammar.fill(str(rules["system"]), dice)
        return Product(grammar, system)

    def problems(self, sections: Sequence[str], count: int, dice: Dice) -> list[str]:
        """`count` different self-contained tasks of these sections, shuffled."""
        share = -(-count // len(sections))
        found = [
            text for section in sections for text in self._problems[section].distinct("item", share, dice)
        ]
        return dice.sample(found, count)

    def benchmark_items(self, count: int, dice: Dice) -> list[str]:
        """The items of one public benchmark."""
        return self.problems((dice.pick(("maths", "logic", "science", "code")),), count, dice)

    def benchmark_format(self, dice: Dice) -> Template:
        """The format in which a harness asks an item."""
        return Template.of(
            dice.pick(shipped("bulk")["benchmark"]["formats"]).replace("{#5-12}", "eight"), "short"
        )

    def homework(self, count: int, dice: Dice) -> list[str]:
        """The assignment of one course."""
        return self.problems((dice.pick(("maths", "science", "code", "data")),), count, dice)

    def teacher(self, capability: str, dice: Dice) -> Template:
        """A template that collects what trains a model (see corpus/teacher.toml)."""
        rules = shipped("teacher")[capability]
        grammar = Grammar.of(people(), rules)
        text = grammar.text("template", dice).replace("  ", " ")
        return Template.of(text, capability, grammar.text("system", dice), tuple(rules["seeds"]))

    def seeds(self, template: Template, count: int, dice: Dice) -> list[str]:
        """`count` different contents for a teacher template."""
        sections = [name for name in template.seeds if name in PROBLEMS]
        if not sections:
            return self._texts.distinct("review", count, dice)
        return self.problems(sections, count, dice)

    def bulk(self, use: str, dice: Dice) -> Template:
        """A template of legitimate heavy use: translation, moderation, judging, cron, viral ..."""
        rules: Mapping[str, Sequence[str]] = shipped("bulk")[use]
        grammar = Grammar.of(people(), {k: v for k, v in rules.items() if isinstance(v, list) and k != "own"})
        system = grammar.text("system", dice) if "system" in rules else None
        return Template.of(grammar.text("template", dice), use, system)

    def bulk_content(self, use: str) -> Grammar:
        """What fills the main slot of a bulk template; draw `content` from it."""
        rules = shipped("bulk")[use]
        if "own" in rules:
            return self._texts.with_rules(
                {**{k: v for k, v in rules.items() if k != "template"}, "content": rules["own"]}
            )
        kind = str(rules.get("text", "review"))
        if kind == "message":
            asks = [text for product in self._products for text in product["ask"]]
            return self._support.with_rules({"content": asks})
        return self._texts.with_rules({"content": ["{" + kind + "}"]})


@cache
def answer_sentences(kind: str) -> Grammar:
    """The grammar of the model's answers of a kind; draw `sentence`, then replace `{topic}`."""
    sections = shipped("answers")
    return Grammar.of(people(), sections[kind])
