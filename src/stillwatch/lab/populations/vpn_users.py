"""People behind a VPN who pay with virtual cards: strangers who share exits with each other and with campaigns.

They write about private matters or, three in ten, about a project of their own. The VPN's provider decides their
address (behaviour/network.py: twelve providers, few exits), each card is of one use, mail is with private providers
more often. Some take a residential proxy instead, whose exit is another home every hour to day. Shares are
assumed.
"""

import numpy as np

from stillwatch.lab.behaviour.accounts import virtual_cards
from stillwatch.lab.behaviour.clocks import PRIVATE_HOURS, Rhythm, heavy_tailed, human_sessions
from stillwatch.lab.behaviour.living import conversation_rows, people_accounts
from stillwatch.lab.behaviour.templated import woven
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.texts import answers
from stillwatch.lab.traffic import Traffic

SCALES = "accounts"
CELLS = True
MIN_ACCOUNTS = 8
PARAMETERS = (
    Parameter("accounts", 120, 1, 1_000_000, meaning="accounts"),
    Parameter("per_day", 0.9, 0.01, 100.0, meaning="mean requests a day and account"),
)
_DEVELOPERS = 0.3
_PRIVATE_MAIL = 0.35
_PROXIED = 0.3


def live(stage: Stage) -> Traffic:
    """Their requests."""
    rng, count = stage.rng, stage.accounts
    accounts = people_accounts(stage, count, 1.0)
    accounts.payment_id = list(virtual_cards(rng, count))
    lent = np.flatnonzero(rng.random(count) < _PROXIED)
    exits, accounts.rotates_every[lent] = stage.internet.proxied(len(lent), rng)
    for place, own in zip(lent.tolist(), exits, strict=True):
        accounts.addresses[place] = own
    hidden = (rng.random(count) < _PRIVATE_MAIL).tolist()
    accounts.email_domain = [
        "proton.me" if h else d for h, d in zip(hidden, accounts.email_domain, strict=True)
    ]
    per_day = heavy_tailed(rng, count, stage.number("per_day") * stage.volume, 1.2)
    sessions = human_sessions(rng, per_day, *stage.window, Rhythm(PRIVATE_HOURS, 0.95))
    develops = (rng.random(count) < _DEVELOPERS)[sessions.person]
    chat, code = np.flatnonzero(~develops), np.flatnonzero(develops)
    seeds = stage.seeds(count)
    said = stage.texts.chat(sessions.person[chat], sessions.session[chat], sessions.turn[chat], seeds, rng)
    built, _ = stage.texts.coding(
        sessions.person[code], sessions.session[code], sessions.turn[code], seeds, rng
    )
    kinds = np.where(develops, answers.kind("code"), answers.kind("plain"))
    prompts = woven([(chat, said), (code, built)])
    return Traffic(accounts, conversation_rows(stage, sessions.person, sessions, prompts, kinds))
