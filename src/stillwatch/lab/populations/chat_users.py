"""Private users of a chat assistant all over the world.

Sessions of about three turns, pauses as in RealHumanEval (behaviour/clocks.py), volumes heavy-tailed
(log-normal), a few behind a VPN. Each has one to five topics and own vocabulary in them, repeats and
rephrases own prompts, and follows up with the short sentences that everybody uses, so strangers collide
often.
"""

from stillwatch.lab.behaviour.clocks import PRIVATE_HOURS, Rhythm, heavy_tailed, human_sessions
from stillwatch.lab.behaviour.living import conversation_rows, people_accounts
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.traffic import Traffic

SCALES = "accounts"
CELLS = True
MIN_ACCOUNTS = 20
PARAMETERS = (
    Parameter("accounts", 3000, 1, 2_000_000, meaning="accounts"),
    Parameter("per_day", 0.8, 0.01, 100.0, meaning="mean requests a day and account"),
    Parameter("vpn_share", 0.06, 0.0, 1.0, meaning="share behind a VPN"),
)


def live(stage: Stage) -> Traffic:
    """Their requests."""
    accounts = people_accounts(stage, stage.accounts, stage.number("vpn_share"))
    per_day = heavy_tailed(stage.rng, stage.accounts, stage.number("per_day") * stage.volume, 1.3)
    sessions = human_sessions(stage.rng, per_day, *stage.window, Rhythm(PRIVATE_HOURS, 0.95))
    people = stage.seeds(stage.accounts)
    prompts = stage.texts.chat(sessions.person, sessions.session, sessions.turn, people, stage.rng)
    return Traffic(accounts, conversation_rows(stage, sessions.person, sessions, prompts))
