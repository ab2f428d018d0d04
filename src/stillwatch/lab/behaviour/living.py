"""What several populations share: who opens accounts from where, and what is said in a conversation."""

from collections.abc import Callable, Sequence

import numpy as np

from stillwatch.lab.behaviour.accounts import Accounts, open_accounts
from stillwatch.lab.behaviour.clients import Software
from stillwatch.lab.behaviour.clocks import Ints, Sessions
from stillwatch.lab.stage import Stage
from stillwatch.lab.texts.writers import Writer
from stillwatch.lab.traffic import NO_SESSION, Rows


def people_accounts(
    stage: Stage, count: int, vpn_share: float = 0.06, software: list[Software] | None = None
) -> Accounts:
    """Accounts of private people: at home, on the phone, some behind a VPN and on virtual cards."""
    rng, internet = stage.rng, stage.around.internet
    home = internet.addresses("home", count, rng)
    mobile = internet.addresses("mobile", count, rng)
    second = internet.addresses("home", count, rng)
    habit = rng.random(count)
    addresses = [
        [h] if d < 0.35 else [h, m] if d < 0.75 else [m, h] if d < 0.92 else [h, m, s]
        for h, m, s, d in zip(home, mobile, second, habit.tolist(), strict=True)
    ]
    for place in np.flatnonzero(rng.random(count) < vpn_share).tolist():
        addresses[place] = internet.addresses("vpn", int(rng.integers(1, 5)), rng)
    programs = software or [stage.around.catalogue.browser(rng) for _ in range(count)]
    return open_accounts(rng, programs, addresses, stage.window)


def developer_accounts(stage: Stage, count: int, software: list[Software] | None = None) -> Accounts:
    """Accounts of people who call from a program: from the desk, from a cloud, from a rented server."""
    rng, internet = stage.rng, stage.around.internet
    kinds = rng.choice(3, count, p=(0.38, 0.4, 0.22))
    addresses = []
    for kind in kinds.tolist():
        name = ("home", "cloud", "hosting")[kind]
        addresses.append(internet.addresses(name, 1 + int(rng.random() < 0.3), rng))
    programs = software or [stage.around.catalogue.sdk(rng) for _ in range(count)]
    return open_accounts(rng, programs, addresses, stage.window)


def conversations(sessions: Sessions, writer_of: Callable[[int], Writer], stage: Stage) -> list[str]:
    """A prompt for each turn: the person's question first, then what follows from it."""
    prompts = []
    writers: dict[int, Writer] = {}
    dice = stage.dice
    for person, turn in zip(sessions.person.tolist(), sessions.turn.tolist(), strict=True):
        writer = writers.get(person)
        if writer is None:
            writer = writers[person] = writer_of(person)
        prompts.append(writer.follow(dice) if turn else writer.ask(dice))
    return prompts


def conversation_rows(
    stage: Stage, account: Ints, sessions: Sessions, prompts: list[str], answer: str | Sequence[str]
) -> Rows:
    """Rows of conversations without system prompt; the favourite model is the account's."""
    size = len(prompts)
    favourites = stage.favourites(int(account.max(initial=0)) + 1)
    nothing: list[str | None] = [None] * size
    answers = [answer] * size if isinstance(answer, str) else list(answer)
    model = stage.models(favourites[account], sessions.ts)
    zeros = np.zeros(size, np.int64)
    return Rows(
        account,
        sessions.ts,
        prompts,
        nothing,
        model,
        answers,
        sessions.session,
        sessions.turn,
        list(nothing),
        zeros,
    )


def without_sessions(size: int) -> Ints:
    """The session column of requests that stand alone."""
    return np.full(size, NO_SESSION, np.int64)


def shares(rng: np.random.Generator, count: int, alpha: float) -> np.ndarray:
    """Unequal shares of `count` parts (a symmetric Dirichlet)."""
    return rng.dirichlet(np.full(count, alpha))
