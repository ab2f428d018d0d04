"""Single honest customers who make synthetic data, or grade answers, for a product of their own.

One account each, thousands of templated requests with own content; some use the very templates that are
public and that campaigns use too, rubric grading and step by step reasoning included. Their items repeat by
chance and in re-runs (contents are drawn with replacement from four fifths as many as there are requests: assumed).
Arrivals and lengths follow real automated clients (ServeGen, behaviour/machines.py).
"""

import numpy as np

from stillwatch.lab.behaviour.clocks import heavy_tailed, machine_arrivals
from stillwatch.lab.behaviour.templated import asked, machine_accounts
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import LARGE, Stage
from stillwatch.lab.texts.templates import Template
from stillwatch.lab.traffic import Rows, Traffic

SCALES = "accounts"
CELLS = True
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
_DIFFERENT = 0.8


def live(stage: Stage) -> Traffic:
    """Their requests."""
    rng = stage.rng
    mean = stage.number("per_account") * stage.volume
    counts = np.maximum(20, heavy_tailed(rng, stage.accounts, mean, 0.7)).astype(np.int64)
    accounts = machine_accounts(stage, stage.accounts)
    templates = [_template(stage, place) for place in range(stage.accounts)]
    who, ts = machine_arrivals(rng, counts, *stage.window)
    stock = np.maximum(5, counts * _DIFFERENT)
    item = (rng.random(len(who)) * stock[who]).astype(np.int64)
    requests = asked(stage, templates, who, item, stage.seeds(stage.accounts)[who])
    model = stage.models(np.full(len(who), LARGE), ts)
    rows = Rows.of(who, ts, requests.prompts, system=requests.system, answer=requests.answer, model=model)
    return Traffic(accounts, rows, shared=templates[0])


def _template(stage: Stage, place: int) -> Template:
    """Public templates as evenly among the customers as their share says, in each of the four capabilities in turn."""
    share = stage.number("public_share")
    before, after = int(place * share), int((place + 1) * share)
    if after > before:
        return stage.texts.teacher(_PUBLIC[before % 4], stage.dice)
    return stage.texts.bulk(_OWN[(place - before) % 4], stage.dice)
