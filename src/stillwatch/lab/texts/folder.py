"""Texts from a folder of real corpora (`--corpora`), laid out as `../shared/data/README.md` says.

Real where real texts exist, the shipped grammar for the rest: people speak as one real author, conversation
by conversation and each conversation once, until that author has no more; campaigns take templates and seeds
of published data-making projects, and honest customers take the same public templates.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np

from stillwatch.lab.texts import answers, public
from stillwatch.lab.texts.authors import Authors, conversations, programmers
from stillwatch.lab.texts.book import Book, Key, Ref
from stillwatch.lab.texts.coding import sessions_of
from stillwatch.lab.texts.corpus import Agent, Content, Library
from stillwatch.lab.texts.grammar import Dice
from stillwatch.lab.texts.product import Product, real_product
from stillwatch.lab.texts.recipes import Recipes
from stillwatch.lab.texts.templates import Template, slots
from stillwatch.lab.texts.turns import Ints, Words, openings
from stillwatch.lab.texts.vocabulary import shipped

_REAL_TASKS = 0.35
_INTENTS = 12
_COURSE = 40
_MESSAGES = ("extraction", "classification", "judging", "generation", "support")


class FolderLibrary(Library):
    """Writers and templates from a folder of corpora.

    Real people are handed out in the order in which populations ask for them, and only once.

    Args:
        folder: has benign_prompts, bulk_templates, bulk_items, teacher_templates and teacher_seeds as
            Parquet.
        seed: of the world; which author speaks first differs between seeds.
        book: where programs are compiled.

    Raises UnreadableInputError if a file is missing or cannot be read.
    """

    def __init__(self, folder: Path, seed: int, book: Book | None = None) -> None:
        super().__init__(book)
        dice = Dice(np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 71]))))
        said = public.rows(folder, "benign_prompts", ("author_id", "conversation_id", "turn", "text", "kind"))
        self._authors = Authors(self.book, conversations(said, dice))
        self._programmers = Authors(self.book, programmers(said, dice))
        self._titles = self._real_titles()
        templates = public.rows(folder, "bulk_templates", ("source", "use", "system", "template"))
        self._templates = [row for row in templates if public.usable(row)]
        items = public.rows(folder, "bulk_items", ("source", "text", "label"))
        self._items = [row for row in items if row["text"]]
        teacher = public.rows(folder, "teacher_templates", ("capability", "system", "template"))
        self._teacher = [row for row in teacher if public.usable(row)]
        self._seed_texts = public.seeds(folder)

    def chat(
        self, person: Ints, session: Ints, turn: Ints, seeds: Words, rng: np.random.Generator
    ) -> Recipes:
        """As Library.chat; as many people as there are real authors left say what one of them said."""
        recipes = super().chat(person, session, turn, seeds, rng)
        within = np.arange(len(session)) - openings(session)
        number, found = self._authors.spoken(person, sessions_of(person, session), within, len(seeds), rng)
        return self._authors.put(recipes, number, found)

    def coding(
        self, person: Ints, session: Ints, turn: Ints, seeds: Words, rng: np.random.Generator
    ) -> tuple[Recipes, Ints]:
        """As Library.coding; some developers' first requests of a session are those of a real programmer."""
        recipes, kinds = super().coding(person, session, turn, seeds, rng)
        opened = openings(session)
        first = opened == np.arange(len(session))
        chosen = np.flatnonzero(first & (rng.random(len(session)) < _REAL_TASKS))
        order = sessions_of(person[chosen], session[chosen])
        zeros = np.zeros(len(chosen), np.int64)
        number, found = self._programmers.spoken(person[chosen], order, zeros, len(seeds), rng)
        real = np.full(len(session), -1)
        real[chosen[found]] = number[found]
        recipes = self._programmers.put(recipes, real, real >= 0)
        # The agent's title quotes the real request; a title comes right after it.
        titled = np.flatnonzero((real[opened] >= 0) & (kinds == answers.kind("short")))
        program, item = recipes.program.copy(), recipes.item.copy()
        program[titled] = self._titles
        item[titled] = real[opened[titled]].astype(np.uint64)
        return Recipes(program, recipes.writer, item, recipes.draw), kinds

    def agent(self, number: int, dice: Dice) -> Agent:
        """A published agent's long system prompt, in three versions."""
        agent = super().agent(number, dice)
        bodies = sorted(
            {b for r in self._templates if r["use"] == "agent" and len(b := public.body(r)) > 600}
        )
        if not bodies:
            return agent
        body = bodies[(number * 7 + dice.integer(0, 6)) % len(bodies)]
        endings = [system.rsplit("\n\n", 1)[-1] for system in agent.systems]
        return Agent(agent.name, tuple(f"{body}\n\n{ending}" for ending in endings))

    def product(self, dice: Dice) -> Product:
        """In one of two cases a bank whose customers ask real questions, of twelve intents."""
        product = super().product(dice)
        by_intent = defaultdict(list)
        for row in self._items:
            if "banking77" in row["source"]:
                by_intent[row["label"]].append(row["text"])
        if not by_intent or dice.uniform() < 0.5:
            return product
        intents = [by_intent[label] for label in dice.sample(sorted(by_intent), _INTENTS)]
        return real_product(
            self.book, product, [text for intent in intents for text in intent], [i[0] for i in intents]
        )

    def teacher(
        self, capability: str, dice: Dice, language: str = "en", wording: str = "fixed", style: int = 0
    ) -> Template:
        """A published template of this capability with published seeds.

        Wordings by exchange, and languages other than English, are those of the shipped grammar: no project
        publishes either; contents of the former are published seeds all the same.
        """
        rows = [row for row in self._teacher if row["capability"] in public.CAPABILITIES[capability]]
        if not rows or language != "en" or wording != "fixed":
            return super().teacher(capability, dice, language, wording, style)
        row = dice.pick(rows)
        content = self._content_of(capability, language)
        return self._filled(capability, row["template"], row["system"] or None, content)

    def bulk(self, use: str, dice: Dice) -> Template:
        """A published template of this use; judges are those of evaluation projects."""
        rows = [row for row in self._templates if public.serves(row, use)]
        if not rows:
            return super().bulk(use, dice)
        row = dice.pick(rows)
        return self._filled(use, row["template"], row["system"] or None, self._bulk_content(use))

    def benchmark(self, dice: Dice) -> list[Template]:
        """Formats of published harnesses with one slot, over one public set."""
        forms = [
            row for row in self._templates if row["use"] == "benchmark" and len(slots(row["template"])) == 1
        ]
        by_source: dict[str, dict[str, None]] = defaultdict(dict)
        for row in self._items:
            by_source[row["source"]][row["text"]] = None
        sets = [sorted(by_source[source]) for source in sorted(by_source) if len(by_source[source]) >= 500]
        if not forms or not sets:
            return super().benchmark(dice)
        content = self._stock(dice.pick(sets))
        return self._forms([row["template"] for row in dice.sample(forms, 5)], "short", content, dice)

    def _course(self, dice: Dice) -> Content:
        """In two of three cases public school mathematics or programming sets."""
        name = dice.pick(("grade-school", "human-eval", ""))
        texts = [row["text"] for row in self._items if name and name in row["source"]]
        return self._stock(texts) if len(texts) >= _COURSE else super()._course(dice)

    def _content_of(self, capability: str, language: str) -> Content:
        texts = sorted(
            {text for kind in public.SEED_KINDS[capability] for text in self._seed_texts.get(kind, [])}
        )
        if language != "en" or not texts:
            return super()._content_of(capability, language)
        return self._stock(texts)

    def _bulk_content(self, use: str) -> Content:
        messages = [row["text"] for row in self._items if "banking77" in row["source"]]
        return self._stock(messages) if use in _MESSAGES and messages else super()._bulk_content(use)

    def _stock(self, texts: list[str]) -> Content:
        return Content(self.book.literals(texts), len(texts))

    def _real_titles(self) -> int:
        message = Ref(self._programmers.stock, Key.INDEX)
        return self.book.template(shipped("coding")["task"]["title"][0], {"message": message})
