"""Developers who all run the same coding agent: one long system prompt, many unrelated projects.

The system prompt is identical for everybody on the same version; versions drift because people update at
their own time. Inside a session the agent sends tool results by itself within seconds; people come back for
the next task. The agent's own templates (title of a session, summary of a full context) are shared by all.
Each account has one to three projects with own identifiers, which is what tells them apart.
"""

from dataclasses import replace

import numpy as np

from stillwatch.lab.behaviour.clocks import (
    OFFICE_HOURS,
    SECOND,
    Rhythm,
    Sessions,
    heavy_tailed,
    human_sessions,
)
from stillwatch.lab.behaviour.living import conversation_rows, people_accounts
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.texts.writers import Project
from stillwatch.lab.traffic import Rows, Traffic

SCALES = "accounts"
MIN_ACCOUNTS = 8
PARAMETERS = (
    Parameter("accounts", 300, 1, 1_000_000, meaning="accounts"),
    Parameter("per_day", 1.7, 0.01, 500.0, meaning="mean requests a day and account"),
    Parameter("number", 0, 0, 6, meaning="which agent (its name and system prompt)"),
)


def live(stage: Stage) -> Traffic:
    """Their requests."""
    rng = stage.rng
    number = int(stage.number("number"))
    agent = stage.corpus.agent(number, stage.dice)
    agents = tuple(f"{agent.name.lower()}-cli/2.{version}.0" for version in (3, 4, 5))
    head = ("t13d1011h2", "t13d5911h1", "t13d1812h1")[number % 3]
    programs = [
        stage.around.catalogue.named(agents[(v := int(rng.integers(0, 2))) : v + 2], head, rng)
        for _ in range(stage.accounts)
    ]
    accounts = people_accounts(stage, stage.accounts, 0.03, programs)
    per_day = heavy_tailed(rng, stage.accounts, stage.number("per_day") * stage.volume, 1.25)
    sessions = human_sessions(rng, per_day, *stage.window, Rhythm(OFFICE_HOURS, 0.4, turns=7, pause_s=24))
    prompts, kinds = _messages(stage, sessions)
    rows = conversation_rows(stage, sessions.person, sessions, prompts, kinds)
    return Traffic(
        accounts,
        _with_agent(
            stage,
            rows,
            agent.systems,
            programs_first=[p.agents[0] == agents[0] for p in programs],
            switched=accounts.switched_at,
        ),
    )


def _messages(stage: Stage, sessions: Sessions) -> tuple[list[str], list[str]]:
    dice = stage.dice
    owners: dict[int, list[Project]] = {}
    prompts: list[str] = []
    kinds: list[str] = []
    message = ""
    project = None
    for person, turn in zip(sessions.person.tolist(), sessions.turn.tolist(), strict=True):
        if turn == 0 or project is None:
            if person not in owners:
                owners[person] = [stage.corpus.project(dice) for _ in range(dice.integer(1, 3))]
            own = owners[person]
            project = own[int(len(own) * dice.uniform() ** 2)]
            message = project.ask(dice)
            prompts.append(message)
            kinds.append("code")
        elif turn == 1 and dice.uniform() < 0.3:
            prompts.append(project.title(message, dice))
            kinds.append("short")
        elif turn > 14 and dice.uniform() < 0.08:
            prompts.append(project.summary(message, dice))
            kinds.append("plain")
        else:
            message = project.follow(dice)
            prompts.append(message)
            kinds.append("code")
    return prompts, kinds


def _with_agent(
    stage: Stage, rows: Rows, systems: tuple[str, ...], *, programs_first: list[bool], switched: np.ndarray
) -> Rows:
    """Adds the system prompt of the version that the account runs at that time, and quickens tool results."""
    first = np.array(programs_first)[rows.account]
    version = np.where(first, 0, 1) + (rows.ts >= switched[rows.account])
    system: list[str | None] = [systems[v] for v in version.tolist()]
    for place, kind in enumerate(rows.answer):
        if kind == "short":
            system[place] = None
    jitter = (stage.rng.random(len(rows)) * SECOND).astype(np.int64)
    tools = np.where(np.array([s is None for s in system], bool), 0, 6 + version)
    return replace(rows, system=system, ts=rows.ts + jitter, n_tools=tools)
