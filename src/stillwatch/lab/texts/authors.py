"""Real people's conversations: handed to simulated people, each conversation once."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from stillwatch.lab.texts.book import Book, Key, Ref
from stillwatch.lab.texts.grammar import Dice
from stillwatch.lab.texts.public import Row
from stillwatch.lab.texts.recipes import Recipes
from stillwatch.lab.texts.turns import Ints

_HUMAN_CHAT_AUTHORS = 500
Author = Sequence[Sequence[str]]


class Authors:
    """A stock of all texts of some authors, and who has not spoken yet.

    Attributes:
        stock: the program of all their texts, author by author and conversation by conversation.
    """

    def __init__(self, book: Book, authors: Sequence[Author]) -> None:
        texts = [text for author in authors for conversation in author for text in conversation]
        self.stock = book.literals(texts or ["..."])
        self._program = book.choice([Ref(self.stock, Key.INDEX)], "said")
        lengths = np.array([len(c) for a in authors for c in a], np.int64)
        counts = np.array([len(a) for a in authors], np.int64)
        self._length = np.append(lengths, 0)
        self._begin = np.append(np.cumsum(lengths) - lengths, 0)
        self._count = np.append(counts, 0)
        self._first = np.append(np.cumsum(counts) - counts, 0)
        self._next = 0

    @property
    def left(self) -> int:
        """Authors who have not been handed out."""
        return len(self._count) - 1 - self._next

    def spoken(
        self, person: Ints, session: Ints, turn: Ints, people: int, rng: np.random.Generator
    ) -> tuple[Ints, np.ndarray]:
        """Hands out authors to some of the people and says which text each turn is.

        Args:
            person: int64 [turns], 0..people-1.
            session: int64 [turns], running number of the conversation of its person.
            turn: int64 [turns], within the conversation.
            people: how many people there are; only those who say something get an author.
            rng: chance of the caller: which of the people speak as a real author.

        Returns:
            int64 [turns], number of the text in the stock, and bool [turns], False where the author has no
            such text (or the person is nobody's).
        """
        talkers = rng.permutation(np.flatnonzero(np.bincount(person, minlength=people)))[: self.left]
        author = np.full(people, len(self._count) - 1)
        author[talkers] = self._next + np.arange(len(talkers))
        self._next += len(talkers)
        mine = author[person]
        conversation = np.where(
            session < self._count[mine], self._first[mine] + session, len(self._length) - 1
        )
        found = turn < self._length[conversation]
        return np.where(found, self._begin[conversation] + turn, 0), found

    def put(self, recipes: Recipes, number: Ints, found: np.ndarray) -> Recipes:
        """The recipes with those turns that are `found` replaced by the text of that number."""
        program = np.where(found, np.int32(self._program), recipes.program).astype(np.int32)
        item = np.where(found, number.astype(np.uint64), recipes.item)
        return Recipes(program, recipes.writer, item, recipes.draw)


def conversations(said: Sequence[Row], dice: Dice) -> list[Author]:
    """Conversations by author, authors shuffled; of people talking to people only some."""
    told: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    human: dict[str, bool] = {}
    # The order of the file is the order of the turns; some sources have no conversation or author.
    for number, row in enumerate(said):
        if row["kind"] == "coding" or not row["text"]:
            continue
        author = row["author_id"] or f"unknown {number}"
        told[author][row["conversation_id"] or str(number)].append(row["text"])
        human[author] = row["kind"] == "human_chat"
    users = [a for a in sorted(told) if not human[a]]
    chatters = dice.sample([a for a in sorted(told) if human[a]], _HUMAN_CHAT_AUTHORS)
    return [list(told[a].values()) for a in dice.sample([*users, *chatters], len(users) + len(chatters))]


def programmers(said: Sequence[Row], dice: Dice) -> list[Author]:
    """Requests of real programmers, each as a conversation of its own."""
    asked: dict[str, list[list[str]]] = defaultdict(list)
    for row in said:
        if row["kind"] == "coding" and row["author_id"] and row["text"]:
            asked[row["author_id"]].append([row["text"]])
    return [asked[a] for a in dice.sample(sorted(asked), len(asked))]
