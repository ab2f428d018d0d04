"""Developers who all run the same coding agent: one long system prompt, many unrelated projects.

The system prompt is identical for everybody on the same version; versions drift because people update at
their own time. Inside a session the agent sends tool results by itself within seconds; people come back for
the next task. The agent's own templates (title of a session, summary of a full context) are shared by all.
Each account has one to three projects with own identifiers, which is what tells them apart. Pauses are a third
of those of RealHumanEval, since most turns are the agent's own; turns of a session and tools are assumed.
"""

from dataclasses import replace

import numpy as np

from stillwatch.lab.behaviour.clients import Software
from stillwatch.lab.behaviour.clocks import OFFICE_HOURS, SECOND, Ints, Rhythm, heavy_tailed, human_sessions
from stillwatch.lab.behaviour.living import conversation_rows, people_accounts
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.texts import answers
from stillwatch.lab.traffic import NONE, Rows, Traffic

SCALES = "accounts"
CELLS = True
MIN_ACCOUNTS = 8
PARAMETERS = (
    Parameter("accounts", 300, 1, 1_000_000, meaning="accounts"),
    Parameter("per_day", 1.7, 0.01, 500.0, meaning="mean requests a day and account"),
    Parameter("number", 0, 0, 6, meaning="which agent (its name and system prompt)"),
)
_HEADS = ("t13d1011h2", "t13d5911h1", "t13d1812h1")
_TOOLS = 6


def live(stage: Stage) -> Traffic:
    """Their requests."""
    rng, count = stage.rng, stage.accounts
    number = int(stage.number("number"))
    agent = stage.texts.agent(number, stage.common)
    version = rng.integers(0, 2, count)
    accounts = people_accounts(stage, count, 0.03, _programs(stage, agent.name, version))
    per_day = heavy_tailed(rng, count, stage.number("per_day") * stage.volume, 1.25)
    sessions = human_sessions(rng, per_day, *stage.window, Rhythm(OFFICE_HOURS, 0.4, turns=7, pause_s=24))
    prompts, kinds = stage.texts.coding(
        sessions.person, sessions.session, sessions.turn, stage.seeds(count), rng
    )
    rows = conversation_rows(stage, sessions.person, sessions, prompts, kinds)
    running = version[rows.account] + (rows.ts >= accounts.switched_at[rows.account])
    return Traffic(accounts, _with_agent(stage, rows, agent.systems, running), shared=agent)


def _programs(stage: Stage, name: str, version: Ints) -> list[Software]:
    """The agent's program on the version of each account, before and after its update."""
    agents = tuple(f"{name.lower()}-cli/2.{minor}.0" for minor in (3, 4, 5))
    head = _HEADS[int(stage.number("number")) % len(_HEADS)]
    return [stage.catalogue.named(agents[v : v + 2], head, stage.rng) for v in version.tolist()]


def _with_agent(stage: Stage, rows: Rows, systems: tuple[str, ...], running: Ints) -> Rows:
    """The system prompt and tools of the version that runs; the agent asks for titles without either."""
    bare = rows.answer == answers.kind("short")
    system = np.array([stage.book.system(text) for text in systems])[running]
    jitter = (stage.rng.random(len(rows)) * SECOND).astype(np.int64)
    return replace(
        rows,
        system=np.where(bare, NONE, system),
        ts=np.minimum(rows.ts + jitter, stage.window[1] - 1),
        n_tools=np.where(bare, 0, _TOOLS + running),
    )
