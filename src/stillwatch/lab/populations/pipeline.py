"""Translation, moderation, extraction, routing and summary pipelines: one account and one template each, very
busy.

These are the heaviest accounts of the world, far busier than any account of a campaign. Arrivals and lengths
of answers follow the heavy automated clients in the ServeGen traces (behaviour/machines.py,
behaviour/lengths.py): rough from hour to hour, with hours off. That three in a hundred texts come again (spam,
boilerplate, deliveries that are sent twice) is assumed.
"""

import numpy as np

from stillwatch.lab.behaviour.clocks import heavy_tailed, machine_arrivals
from stillwatch.lab.behaviour.templated import asked, fresh_items, machine_accounts
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import LARGE, Stage
from stillwatch.lab.traffic import Rows, Traffic

SCALES = "accounts"
CELLS = True
MIN_ACCOUNTS = 2
_USES = ("translation", "moderation", "extraction", "classification", "summary")
PARAMETERS = (
    Parameter("accounts", 9, 1, 100_000, meaning="customers, one account each"),
    Parameter("per_account", 1400.0, 10.0, 5_000_000.0, meaning="mean requests of an account"),
    Parameter(
        "use", "mixed", choices=("mixed", *_USES), meaning="what the pipelines do; mixed for each in turn"
    ),
)
_AGAIN = 0.03


def live(stage: Stage) -> Traffic:
    """Their requests."""
    mean = stage.number("per_account") * stage.volume
    counts = np.maximum(20, heavy_tailed(stage.rng, stage.accounts, mean, 0.8)).astype(np.int64)
    accounts = machine_accounts(stage, stage.accounts)
    uses = _USES if stage.word("use") == "mixed" else (stage.word("use"),)
    templates = [stage.texts.bulk(uses[place % len(uses)], stage.dice) for place in range(stage.accounts)]
    who, ts = machine_arrivals(stage.rng, counts, *stage.window)
    requests = asked(
        stage, templates, who, fresh_items(stage.rng, who, _AGAIN), stage.seeds(stage.accounts)[who]
    )
    model = np.where(stage.rng.random(stage.accounts) < 0.33, LARGE, 2)[who]
    rows = Rows.of(who, ts, requests.prompts, system=requests.system, answer=requests.answer, model=model)
    return Traffic(accounts, rows, shared=templates[0])
