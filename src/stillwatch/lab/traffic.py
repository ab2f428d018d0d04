"""What a population or a conduct plans: requests as numbers, one entry a request; texts come later."""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from stillwatch.lab.behaviour.accounts import Accounts
from stillwatch.lab.behaviour.clocks import Ints
from stillwatch.lab.texts.answers import KINDS
from stillwatch.lab.texts.recipes import Recipes

NONE = -1
"""No system prompt, no conversation, no end user, no predecessor."""


@dataclass(frozen=True)
class Rows:
    """Requests of one population, one entry a request, in any order.

    Attributes:
        account: int64, place in the population's own accounts; number among all accounts of the world where
            it has none.
        ts: int64, microseconds since 1970.
        prompt: recipe of the last user turn.
        system: int64, place in the book's system prompts, or NONE.
        model: int64, place in the world's list of models.
        answer: int64, kind of answer, a place in `answers.KINDS`.
        session: int64, running number of the conversation within this traffic, or NONE where the client
            names none.
        turn: int64, place in the conversation, from 0.
        end_user: int64, running number of the end user within this traffic, or NONE.
        n_tools: int64, tools offered.
    """

    account: Ints
    ts: Ints
    prompt: Recipes
    system: Ints
    model: Ints
    answer: Ints
    session: Ints
    turn: Ints
    end_user: Ints
    n_tools: Ints

    def __len__(self) -> int:
        return len(self.ts)

    @classmethod
    def of(
        cls,
        account: Ints,
        ts: Ints,
        prompt: Recipes,
        *,
        answer: str | int | Ints = "plain",
        **columns: Ints | int,
    ) -> "Rows":
        """Requests with defaults: no system prompt, no conversation, no end user, no tools, the first model.

        Single numbers stand for every request; an answer's kind may be given by its name.
        """
        size = len(ts)
        kind: Ints | int = KINDS.index(answer) if isinstance(answer, str) else answer
        defaults = {"system": NONE, "model": 0, "session": NONE, "turn": 0, "end_user": NONE, "n_tools": 0}
        given: dict[str, Ints | int] = {**defaults, **columns, "answer": kind}
        wide = {name: np.broadcast_to(np.asarray(v, np.int64), size) for name, v in given.items()}
        return cls(account=account, ts=ts, prompt=prompt, **wide)

    def take(self, places: NDArray[np.int64]) -> "Rows":
        """The rows at these places, in this order."""
        numbers = {name: getattr(self, name)[places] for name in _NUMBERS}
        return Rows(prompt=self.prompt.take(places), **numbers)

    def moved(self, ts: Ints, account: Ints | None = None) -> "Rows":
        """The same requests at other times, and from other accounts if told so."""
        return replace(self, ts=ts, account=self.account if account is None else account)

    @classmethod
    def concatenate(cls, parts: "list[Rows]") -> "Rows":
        """All rows of several parts."""
        numbers = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _NUMBERS}
        return cls(prompt=Recipes.concatenate([part.prompt for part in parts]), **numbers)


_NUMBERS = tuple(column.name for column in fields(Rows) if column.name != "prompt")


@dataclass(frozen=True)
class Cost:
    """What a campaign costs whoever wages it, beside the tokens.

    Attributes:
        accounts: accounts opened or bought, replacements included.
        money_eur: euros for accounts, cards, addresses, rewriting and margins.
        delay_hours: how much later the data is there than without the evasion.
        note: what the money and the delay are for.
    """

    accounts: int
    money_eur: float
    delay_hours: float
    note: str


@dataclass(frozen=True)
class Traffic:
    """What a population or a campaign did.

    Attributes:
        accounts: its accounts; None where it acts through accounts of other populations (its hosts).
        rows: its requests; `rows.account` counts within its own accounts, or, where it has none, among all
            accounts of the world (`Host.first` is the number of a host's first).
        shared: what others may imitate or join (a product, an agent, a template).
        cost: of a campaign only.
        capabilities: of a campaign only: what it collects.
        replaces: int64 per account, place of the account that it replaced, or NONE; None where nobody is
            replaced.
    """

    accounts: Accounts | None
    rows: Rows
    shared: object = None
    cost: Cost | None = None
    capabilities: tuple[str, ...] = ()
    replaces: Ints | None = None


@dataclass(frozen=True)
class Host:
    """A population whose accounts another one uses.

    Attributes:
        first: number of its first account among all accounts of the world.
        activity: int64, its requests by account.
        created_at: int64, microseconds, by account.
        shared: what it shares.
        accounts: its accounts, where a conduct of the world names this population; None else.
    """

    first: int
    activity: Ints
    created_at: Ints
    shared: object
    accounts: Accounts | None = None

    @property
    def count(self) -> int:
        """Its accounts."""
        return len(self.activity)

    def joined(self, other: "Host") -> "Host":
        """This host with the cell that follows it."""
        return Host(
            self.first,
            np.concatenate([self.activity, other.activity]),
            np.concatenate([self.created_at, other.created_at]),
            self.shared,
            Accounts.concatenate([self.accounts, other.accounts])
            if self.accounts is not None and other.accounts is not None
            else None,
        )
