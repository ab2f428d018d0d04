"""Texts from a folder of real corpora (`--corpora`), laid out as `../shared/data/README.md` says.

Real where real texts exist, the shipped grammar for the rest: people speak as one real author, conversation
by conversation and each conversation once, until that author has no more; campaigns take templates and seeds
of published data-making projects; a few honest customers take the same public templates.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.lab.texts.corpus import Agent, Library, Template
from stillwatch.lab.texts.grammar import Dice, Grammar
from stillwatch.lab.texts.templates import SLOT
from stillwatch.lab.texts.writers import Product, Project, Writer

_HUMAN_CHAT_AUTHORS = 500
_CAPABILITIES = {
    "reasoning": ("reasoning_cot",),
    "rubric": ("rubric_grading",),
    "agentic_coding": ("agentic_coding", "coding"),
    "tool_use": ("tool_use",),
    "data_analysis": ("data_analysis",),
    "rewriting": ("rewrite",),
}
_SEED_KINDS = {
    "reasoning": ("math_question",),
    "rubric": ("math_question", "roleplay", "seed_instruction"),
    "agentic_coding": ("coding",),
    "tool_use": ("tool_use", "tool_instruction"),
    "data_analysis": ("math_question", "coding"),
    "rewriting": ("customer_query", "roleplay"),
}
_USES = {
    "translation": "translation",
    "moderation": "moderation",
    "extraction": "extraction",
    "classification": "classification",
    "summary": "writing",
}
_JUDGES = ("lm-sys/FastChat", "stanford-crfm/helm", "openai/evals", "explodinggradients/ragas")
_NUMBER = re.compile(r"\d+")
Row = dict[str, str | None]


@dataclass
class Author:
    """A person who says what one real author said, then goes on with the shipped grammar."""

    conversations: list[list[str]]
    otherwise: Writer
    rest: list[str] = field(default_factory=list)

    def ask(self, dice: Dice) -> str:
        """The first turn of the author's next conversation."""
        if not self.conversations:
            self.rest = []
            return self.otherwise.ask(dice)
        self.rest = self.conversations.pop(0)
        return self.rest.pop(0)

    def follow(self, dice: Dice) -> str:
        """The next turn of the conversation."""
        return self.rest.pop(0) if self.rest else self.otherwise.follow(dice)


@dataclass(frozen=True)
class RealProject(Project):
    """A project whose developer's requests are partly those of one real programmer."""

    said: list[str] = field(default_factory=list)

    def ask(self, dice: Dice) -> str:
        """A real request as long as there are any, in one of three cases."""
        return self.said.pop(0) if self.said and dice.uniform() < 0.35 else super().ask(dice)


class FolderLibrary(Library):
    """Writers and templates from a folder of corpora.

    Args:
        folder: has benign_prompts, bulk_templates, bulk_items, teacher_templates and teacher_seeds as
            Parquet.
        seed: of the world; which author speaks first differs between seeds.

    Raises UnreadableInputError if a file is missing or cannot be read.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__()
        dice = Dice(np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 71]))))
        prompts = _rows(folder, "benign_prompts", ["author_id", "conversation_id", "turn", "text", "kind"])
        self._authors = _authors(prompts, dice)
        self._programmers = _programmers(prompts, dice)
        self._bulk = [
            r for r in _rows(folder, "bulk_templates", ["source", "use", "system", "template"]) if _usable(r)
        ]
        self._items = _rows(folder, "bulk_items", ["source", "text", "label"])
        teacher = _rows(folder, "teacher_templates", ["capability", "system", "template"])
        self._teacher = [r for r in teacher if _usable(r)]
        self._seeds: dict[str, list[str]] = defaultdict(list)
        for row in _rows(folder, "teacher_seeds", ["kind", "text"]):
            if 15 <= len(str(row["text"])) <= 1500:
                self._seeds[str(row["kind"])].append(str(row["text"]))

    def person(self, dice: Dice) -> Writer:
        """A real author as long as one is left, else a person of the shipped grammar."""
        otherwise = super().person(dice)
        return Author(self._authors.pop(), otherwise) if self._authors else otherwise

    def project(self, dice: Dice) -> Project:
        """A project of the shipped grammar; the first ones also speak as a real programmer."""
        project = super().project(dice)
        return RealProject(project.grammar, self._programmers.pop()) if self._programmers else project

    def agent(self, number: int, dice: Dice) -> Agent:
        """A published agent's long system prompt, in three versions."""
        agent = super().agent(number, dice)
        bodies = sorted({_body(r) for r in self._bulk if r["use"] == "agent" and len(_body(r)) > 600})
        if not bodies:
            return agent
        body = bodies[(number * 7 + dice.integer(0, 6)) % len(bodies)]
        endings = [system.rsplit("\n\n", 1)[-1] for system in agent.systems]
        return Agent(agent.name, tuple(f"{body}\n\n{ending}" for ending in endings))

    def product(self, dice: Dice) -> Product:
        """In one of two cases a bank whose customers ask real questions, of six intents at a time."""
        product = super().product(dice)
        by_label = defaultdict(list)
        for row in self._items:
            if "banking77" in str(row["source"]) and "{" not in str(row["text"]):
                by_label[str(row["label"])].append(str(row["text"]))
        if not by_label or dice.uniform() < 0.5:
            return product
        intents = [by_label[label] for label in dice.sample(sorted(by_label), 12)]
        asks = [text for intent in intents for text in intent]
        return replace(
            product, grammar=product.grammar.with_rules({"ask": asks, "popular": [i[0] for i in intents]})
        )

    def benchmark_items(self, count: int, dice: Dice) -> list[str]:
        """Items of one public set that is large enough."""
        by_source = defaultdict(set)
        for row in self._items:
            by_source[str(row["source"])].add(str(row["text"]))
        large = [sorted(by_source[s]) for s in sorted(by_source) if len(by_source[s]) >= count]
        return dice.sample(dice.pick(large), count) if large else super().benchmark_items(count, dice)

    def benchmark_format(self, dice: Dice) -> Template:
        """A published harness's format with one slot."""
        forms = [r for r in self._bulk if r["use"] == "benchmark" and len(_slots(r)) == 1]
        if not forms:
            return super().benchmark_format(dice)
        row = dice.pick(forms)
        return Template.of(str(row["template"]), "short", row["system"])

    def homework(self, count: int, dice: Dice) -> list[str]:
        """Items of public school mathematics or programming sets."""
        texts = [
            str(r["text"])
            for r in self._items
            if "grade-school" in str(r["source"]) or "human-eval" in str(r["source"])
        ]
        return dice.sample(texts, count) if len(texts) >= count else super().homework(count, dice)

    def teacher(self, capability: str, dice: Dice) -> Template:
        """A published template of this capability; its other slots are filled with drafts."""
        rows = [r for r in self._teacher if r["capability"] in _CAPABILITIES[capability]]
        if not rows:
            return super().teacher(capability, dice)
        row = dice.pick(rows)
        return Template.of(str(row["template"]), capability, row["system"], _SEED_KINDS[capability])

    def seeds(self, template: Template, count: int, dice: Dice) -> list[str]:
        """`count` different seeds; where the corpus has fewer, some are varied."""
        stock = sorted({text for kind in template.seeds for text in self._seeds.get(kind, [])})
        if not stock:
            return super().seeds(template, count, dice)
        found = dict.fromkeys(dice.sample(stock, count))
        while len(found) < count:
            found[_varied(dice.pick(stock), dice.pick(stock), dice)] = None
        return list(found)

    def bulk(self, use: str, dice: Dice) -> Template:
        """A published template of this use; judges are those of evaluation projects."""
        if use == "judging":
            rows = [r for r in self._bulk if str(r["source"]).startswith(_JUDGES) and len(_slots(r)) >= 2]
        else:
            rows = [r for r in self._bulk if r["use"] == _USES.get(use)]
        if not rows:
            return super().bulk(use, dice)
        row = dice.pick(rows)
        return Template.of(str(row["template"]), use, row["system"])

    def bulk_content(self, use: str) -> Grammar:
        """Real customer messages where the template takes messages, else the shipped texts."""
        grammar = super().bulk_content(use)
        messages = [
            str(r["text"])
            for r in self._items
            if "banking77" in str(r["source"]) and "{" not in str(r["text"])
        ]
        if use in ("extraction", "classification", "judging", "generation") and messages:
            return grammar.with_rules({"content": messages})
        return grammar


def _rows(folder: Path, name: str, columns: Sequence[str]) -> list[Row]:
    path = folder / f"{name}.parquet"
    try:
        rows: list[Row] = pq.read_table(path, columns=list(columns)).to_pylist()
    except (OSError, pa.ArrowException) as error:
        remedy = "Give --corpora a folder with the five files that docs/laboratory.md names, or leave it out."
        raise UnreadableInputError(f"cannot read the corpus: {error}", remedy, file=path) from error
    return rows


def _slots(row: Row) -> set[str]:
    return {m.group(1) for m in SLOT.finditer(str(row["template"])) if m.group(1)}


def _usable(row: Row) -> bool:
    return bool(row["template"]) and 1 <= len(_slots(row)) <= 4 and len(str(row["template"])) <= 6000


def _body(row: Row) -> str:
    return SLOT.sub(
        lambda m: "the workspace" if m.group(1) else m.group(0), str(row["system"] or row["template"])
    )


def _authors(prompts: list[Row], dice: Dice) -> list[list[list[str]]]:
    """Conversations by author, authors shuffled; of people talking to people only some."""
    told: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    human: dict[str, bool] = {}
    # The order of the file is the order of the turns; some sources have no conversation or author.
    for number, row in enumerate(prompts):
        if row["kind"] == "coding" or not row["text"]:
            continue
        author = str(row["author_id"] or f"unknown {number}")
        told[author][str(row["conversation_id"] or number)].append(str(row["text"]))
        human[author] = row["kind"] == "human_chat"
    users = [a for a in sorted(told) if not human[a]]
    chatters = dice.sample([a for a in sorted(told) if human[a]], _HUMAN_CHAT_AUTHORS)
    return [list(told[a].values()) for a in dice.sample([*users, *chatters], len(users) + len(chatters))]


def _programmers(prompts: list[Row], dice: Dice) -> list[list[str]]:
    said: dict[str, list[str]] = defaultdict(list)
    for row in prompts:
        if row["kind"] == "coding" and row["author_id"] and row["text"]:
            said[str(row["author_id"])].append(str(row["text"]))
    return [said[a] for a in dice.sample(sorted(said), len(said))]


def _varied(text: str, other: str, dice: Dice) -> str:
    """A seed with other numbers, or with a second part if it has none, as pipelines evolve seeds."""
    if _NUMBER.search(text):
        return _NUMBER.sub(lambda m: str(dice.integer(1, 3 * int(m.group(0)[:6]) + 9)), text)
    return f"{text}\n\nThen: {other}"
