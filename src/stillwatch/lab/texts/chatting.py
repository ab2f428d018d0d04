"""Users of a chat assistant: a few topics, own vocabulary in each, sometimes a question again."""

import numpy as np

from stillwatch.lab.texts.book import Book
from stillwatch.lab.texts.recipes import Recipes
from stillwatch.lab.texts.turns import Ints, Words, draws, earlier, falling, openings, scramble
from stillwatch.lab.texts.vocabulary import Rules, people, shipped

_AGAIN = 0.03
_MOST_TOPICS = 5


class Chat:
    """Programs of all topics."""

    def __init__(self, book: Book) -> None:
        chat = shipped("chat")
        topics: list[Rules] = list(chat["topic"].values())  # type: ignore[arg-type]
        self._programs = np.empty((3, len(topics)), np.int32)
        for place, rules in enumerate(topics):
            own: dict[str, int | tuple[int, int]] = {**dict.fromkeys(rules["own"], (2, 6)), "city": 1}
            scope = book.scope({**people(), **chat["shared"], **rules}, own)
            self._programs[:, place] = [scope.program(name) for name in ("ask", "follow", "more")]

    def prompts(self, person: Ints, session: Ints, seeds: Words, rng: np.random.Generator) -> Recipes:
        """See Library.chat. The first topic is asked most: weights fall as 1, 1/2, 1/3 ..."""
        opened = openings(session)
        asks = np.flatnonzero(opened == np.arange(len(session)))
        topic = np.zeros(len(session), np.int64)
        topic[asks] = self._topics(seeds, person[asks], rng)
        topic = topic[opened]
        again = rng.random(len(asks)) < _AGAIN
        source = np.arange(len(session))
        source[asks] = asks[earlier(person[asks], again, rng.random(len(asks)))]
        # A follow-up: the same again, a new question on the topic, a common word, something of one's own.
        uniform = rng.random(len(session))
        follows = opened != np.arange(len(session))
        kind = np.where(~follows | (uniform < 0.30), 0, np.where(uniform < 0.5, 1, 2))
        repeat = follows & (uniform < 0.06)
        source[repeat] = source[opened[repeat]]
        fresh = Recipes.of(self._programs[kind, topic], seeds[person], 0, draws(rng, len(session)))
        return fresh.take(source)

    def _topics(self, seeds: Words, person: Ints, rng: np.random.Generator) -> Ints:
        """The topic of each question; a person's one to five topics depend on the seed only."""
        n_topics = self._programs.shape[1]
        keys = scramble(seeds[:, None], np.arange(n_topics, dtype=np.uint64)[None, :])
        liked = np.argsort(keys, axis=1)[:, :_MOST_TOPICS]
        count = 1 + (scramble(seeds, 101) % np.uint64(_MOST_TOPICS)).astype(np.int64)
        found: Ints = liked[person, falling(count[person], rng.random(len(person)))]
        return found
