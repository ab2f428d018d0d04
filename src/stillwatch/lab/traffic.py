"""The rows that a population makes before they are dressed as exchanges."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from stillwatch.lab.behaviour.accounts import Accounts
from stillwatch.lab.behaviour.clocks import Ints

NO_SESSION = -1


@dataclass(frozen=True)
class Rows:
    """Requests of one population, one entry a request, in any order.

    Attributes:
        account: int64, place in the population's accounts.
        ts: int64, microseconds since 1970.
        prompt: text of the last user turn.
        system: system prompt or None.
        model: int64, place in the world's list of models.
        answer: kind of answer (a section of the answers' grammar).
        session: int64, running number of the conversation; NO_SESSION where the client names none.
        turn: int64, place in the conversation, from 0.
        end_user: name of the end user or None.
        n_tools: int64, tools offered.
    """

    account: Ints
    ts: Ints
    prompt: list[str]
    system: list[str | None]
    model: Ints
    answer: list[str]
    session: Ints
    turn: Ints
    end_user: list[str | None]
    n_tools: Ints

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, places: NDArray[np.int64]) -> "Rows":
        """The rows at these places, in this order."""
        where = places.tolist()
        return Rows(
            self.account[places],
            self.ts[places],
            [self.prompt[p] for p in where],
            [self.system[p] for p in where],
            self.model[places],
            [self.answer[p] for p in where],
            self.session[places],
            self.turn[places],
            [self.end_user[p] for p in where],
            self.n_tools[places],
        )

    def moved(self, ts: Ints, account: Ints | None = None) -> "Rows":
        """The same requests at other times, and from other accounts if told so."""
        return replace(self, ts=ts, account=self.account if account is None else account)


@dataclass(frozen=True)
class Traffic:
    """What a population or a campaign did.

    Attributes:
        accounts: its accounts; those of the host where it acts through another population's accounts.
        rows: its requests.
        own_accounts: False where the accounts belong to a host and are written there.
    """

    accounts: Accounts
    rows: Rows
    own_accounts: bool = True


@dataclass
class RowList:
    """Collects requests one by one where a population is too irregular for whole columns."""

    account: list[int] = field(default_factory=list)
    ts: list[int] = field(default_factory=list)
    prompt: list[str] = field(default_factory=list)
    system: list[str | None] = field(default_factory=list)
    model: list[int] = field(default_factory=list)
    answer: list[str] = field(default_factory=list)
    session: list[int] = field(default_factory=list)
    turn: list[int] = field(default_factory=list)
    end_user: list[str | None] = field(default_factory=list)
    n_tools: list[int] = field(default_factory=list)

    def rows(self) -> Rows:
        """The collected requests as columns."""
        integers = [
            np.array(c, np.int64) for c in (self.account, self.ts, self.model, self.session, self.turn)
        ]
        account, ts, model, session, turn = integers
        tools = np.array(self.n_tools, np.int64)
        return Rows(
            account, ts, self.prompt, self.system, model, self.answer, session, turn, self.end_user, tools
        )


def plain_rows(account: Ints, ts: Ints, prompt: list[str], answer: str, model: Ints) -> Rows:
    """Requests without system prompt, conversation, end user or tools."""
    size = len(ts)
    nothing: list[str | None] = [None] * size
    zeros = np.zeros(size, np.int64)
    return Rows(
        account, ts, prompt, nothing, model, [answer] * size, zeros + NO_SESSION, zeros, list(nothing), zeros
    )
