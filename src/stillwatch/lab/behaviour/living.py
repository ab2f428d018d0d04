"""What several populations share: who opens accounts from where, and how conversations become requests."""

import numpy as np

from stillwatch.lab.behaviour.accounts import Accounts, open_accounts
from stillwatch.lab.behaviour.clients import Software
from stillwatch.lab.behaviour.clocks import Ints, Sessions
from stillwatch.lab.stage import Stage
from stillwatch.lab.texts.recipes import Recipes
from stillwatch.lab.traffic import Rows


def people_accounts(
    stage: Stage, count: int, vpn_share: float = 0.06, software: list[Software] | None = None
) -> Accounts:
    """Accounts of private people: at home, on the phone, some behind a VPN and on virtual cards."""
    rng, internet = stage.rng, stage.internet
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
    return open_accounts(rng, software or stage.catalogue.browsers(count, rng), addresses, stage.window)


def developer_accounts(stage: Stage, count: int, software: list[Software] | None = None) -> Accounts:
    """Accounts of people who call from a program: from the desk, from a cloud, from a rented server."""
    rng, internet = stage.rng, stage.internet
    kinds = rng.choice(3, count, p=(0.38, 0.4, 0.22))
    addresses: list[list[str]] = [[] for _ in range(count)]
    for kind, name in enumerate(("home", "cloud", "hosting")):
        places = np.flatnonzero(kinds == kind)
        many = 1 + (rng.random(len(places)) < 0.3)
        drawn = internet.addresses(name, int(many.sum()), rng)
        ends = np.cumsum(many)
        for place, begin, end in zip(places.tolist(), (ends - many).tolist(), ends.tolist(), strict=True):
            addresses[place] = drawn[begin:end]
    return open_accounts(rng, software or stage.catalogue.sdks(count, rng), addresses, stage.window)


def conversation_rows(
    stage: Stage, account: Ints, sessions: Sessions, prompts: Recipes, answer: str | int | Ints = "plain"
) -> Rows:
    """Rows of conversations without system prompt; the usual model is the account's."""
    favourites = stage.favourites(int(account.max(initial=0)) + 1)
    return Rows.of(
        account,
        sessions.ts,
        prompts,
        answer=answer,
        model=stage.models(favourites[account], sessions.ts),
        session=sessions.session,
        turn=sessions.turn,
    )
