"""Single honest customers who make synthetic data, or grade answers, for a product of their own.

One account each, thousands of templated requests with own content; some use the very templates that are
public and that campaigns use too, rubric grading and step by step reasoning included. Their items repeat by
chance and in re-runs.
"""

from functools import partial

import numpy as np

from stillwatch.lab.behaviour.clocks import heavy_tailed, machine_times
from stillwatch.lab.behaviour.living import developer_accounts, without_sessions
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import LARGE, Stage
from stillwatch.lab.texts.answers import side_text
from stillwatch.lab.traffic import Rows, Traffic

SCALES = "accounts"
MIN_ACCOUNTS = 2
PARAMETERS = (
    Parameter("accounts", 6, 1, 10_000, meaning="customers, one account each"),
    Parameter("per_account", 1000.0, 10.0, 1_000_000.0, meaning="mean requests of an account"),
    Parameter(
        "public_share", 0.5, 0.0, 1.0, meaning="share of the customers who use public teacher templates"
    ),
)
_OWN = ("judging", "generation", "judging", "summary")
_PUBLIC = ("rubric", "reasoning", "agentic_coding", "rewriting")


def live(stage: Stage) -> Traffic:
    """Their requests."""
    rng, dice = stage.rng, stage.dice
    counts = np.maximum(
        20, heavy_tailed(rng, stage.accounts, stage.number("per_account") * stage.volume, 0.7)
    ).astype(int)
    accounts = developer_accounts(stage, stage.accounts)
    prompts: list[str] = []
    systems: list[str | None] = []
    kinds: list[str] = []
    ts, who = [], []
    for place, count in enumerate(counts.tolist()):
        if place % 2 < round(2 * stage.number("public_share")) and place % 4 != 3:
            template = stage.corpus.teacher(_PUBLIC[(place // 2) % 4], dice)
            contents = stage.corpus.seeds(template, max(5, int(count * 0.8)), dice)
        else:
            template = stage.corpus.bulk(_OWN[place % 4], dice)
            grammar = stage.corpus.bulk_content(template.capability)
            contents = [grammar.text("content", dice) for _ in range(max(5, int(count * 0.8)))]
        draft = partial(side_text, template.capability, dice)
        prompts += [template.fill(dice.pick(contents), draft) for _ in range(count)]
        systems += [template.system] * count
        kinds += [template.capability] * count
        ts.append(machine_times(rng, count, *stage.window, roughness=2.0))
        who.append(np.full(count, place))
    time, account = np.concatenate(ts), np.concatenate(who)
    size = len(time)
    zeros = np.zeros(size, np.int64)
    model = stage.models(np.full(size, LARGE), time)
    rows = Rows(
        account, time, prompts, systems, model, kinds, without_sessions(size), zeros, [None] * size, zeros
    )
    accounts.created_at[:] = np.minimum(accounts.created_at, stage.window[0] - 1)
    return Traffic(accounts, rows)
