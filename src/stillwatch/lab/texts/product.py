"""A product with end users: one system prompt, popular questions, and a long tail."""

from dataclasses import dataclass

import numpy as np

from stillwatch.lab.texts.book import Book, Key, Ref
from stillwatch.lab.texts.grammar import Dice, Grammar
from stillwatch.lab.texts.recipes import Places, Recipes
from stillwatch.lab.texts.turns import Ints, Words, draws, falling, openings
from stillwatch.lab.texts.vocabulary import Rules, people, shipped

_POPULAR = 0.18
_FREQUENT = 40
_COMMON_FOLLOW = 0.35
_VOCABULARY = ("ware", "country", "merchant", "bankthing")
_CUSTOMERS = {"ware": (1, 4), "city": (1, 2), "relative": (1, 2), "first_name": (1, 2)}


@dataclass(frozen=True)
class Product:
    """What the customers of one product say.

    Attributes:
        system: the product's system prompt.
        asks: program of questions, or its programs where there are several kinds.
        popular: recipes of the questions that come again word for word, most popular first.
        follow: program of the short words that everybody uses.
        more: program of what a customer adds in his own words.
        share: of the questions that are popular ones.
    """

    system: str
    asks: Places
    popular: Recipes
    follow: int
    more: int
    share: float = _POPULAR

    def prompts(
        self, customer: Ints, session: Ints, turn: Ints, seeds: Words, rng: np.random.Generator
    ) -> Recipes:
        """What they say.

        Args:
            customer: int64 [turns], places in `seeds`.
            session: int64 [turns]; turns of one stand together and in order.
            turn: int64 [turns], from 0.
            seeds: uint64 [customers]: own wares, places and people depend on it only.
            rng: chance of the caller.
        """
        del turn  # the first turn that is given opens a conversation
        size = len(session)
        first = openings(session) == np.arange(size)
        ask = self.asks[(rng.random(size) * len(self.asks)).astype(np.int64)]
        later = np.where(rng.random(size) < _COMMON_FOLLOW, self.follow, self.more)
        own = Recipes.of(np.where(first, ask, later), seeds[customer], 0, draws(rng, size))
        popular = np.flatnonzero(first & (rng.random(size) < self.share))
        source = np.arange(size)
        source[popular] = size + falling(len(self.popular), rng.random(len(popular)))
        return Recipes.concatenate([own, self.popular]).take(source)


def make_product(book: Book, rules: Rules, dice: Dice) -> Product:
    """A product of one trade (corpus/support.toml) with a part of the vocabulary as its own."""
    shared = shipped("support")["shared"]
    words = {**people(), **shared}
    part = {name: dice.sample(words[name], dice.integer(2, 9)) for name in _VOCABULARY}
    scope = book.scope({**words, **rules, **part}, _CUSTOMERS)
    ask = scope.program("ask")
    popular = [
        book.scope({**words, **part, "popular": [text]}).program("popular") for text in rules["popular"]
    ]
    salt = int(dice.uniform() * 2**53)
    known = Recipes.of(np.array(popular), salt, 0, 0)
    frequent = Recipes.of(ask, salt, 0, salt + 1 + np.arange(_FREQUENT))
    system = Grammar.of(words).fill(str(rules["system"]), dice)
    return Product(
        system,
        np.array([ask], np.int32),
        Recipes.concatenate([known, frequent]),
        scope.program("follow"),
        scope.program("more"),
    )


def real_product(book: Book, product: Product, asks: list[str], popular: list[str]) -> Product:
    """The product with real questions instead of those of the grammar."""
    stock = book.choice([Ref(book.literals(asks), Key.FLOW)], "asked")
    often = book.literals(popular)
    known = Recipes.of(book.choice([Ref(often, Key.INDEX)], "often"), 0, np.arange(len(popular)), 0)
    return Product(product.system, np.array([stock], np.int32), known, product.follow, product.more)
