"""One queue of work, dealt to many accounts: what every campaign has in common.

Seeds are dealt without replacement; a small share is asked twice on purpose (best of two), by whichever
account is next.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from stillwatch.lab.behaviour.clocks import HOUR, Floats, Ints, machine_times
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import LARGE, NEWEST, Stage
from stillwatch.lab.texts.answers import side_text
from stillwatch.lab.texts.templates import Template
from stillwatch.lab.traffic import NO_SESSION, Rows

CAPABILITIES = ("reasoning", "rubric", "agentic_coding", "tool_use", "data_analysis", "rewriting")
DISPATCH = ("least_recently_used", "random")
QUEUE = (
    Parameter("start_day", 3.0, 0.0, 119.0, meaning="first day of the campaign"),
    Parameter("days", 7.0, 0.2, 120.0, meaning="length in days"),
    Parameter("per_day", 24.0, 1.0, 2000.0, meaning="requests a day and account"),
    Parameter("variants", 5, 1, 500, meaning="paraphrases of each template"),
    Parameter("again", 0.015, 0.0, 0.5, meaning="share of the seeds that are asked twice (best of two)"),
    Parameter(
        "dispatch", "least_recently_used", choices=DISPATCH, meaning="how the balancer picks an account"
    ),
    Parameter(
        "pivot", 0.0, 0.0, 1.0, meaning="share of the requests that move to the newest model within a day"
    ),
)


@dataclass(frozen=True)
class Lives:
    """When each account of a campaign may be used, microseconds; `until` is the ban or the campaign's end."""

    since: Ints
    until: Ints


def requests(
    stage: Stage, capabilities: Sequence[str], count: int
) -> tuple[list[str], list[str | None], list[str]]:
    """`count` prompts from the queue, with system prompts and kinds, in the order in which they are dealt."""
    dice = stage.dice
    templates: list[Template] = []
    for capability in capabilities:
        templates += [stage.corpus.teacher(capability, dice) for _ in range(int(stage.number("variants")))]
    twice = round(count * stage.number("again"))
    per_capability = -(-(count - twice) // len(capabilities))
    queue: list[tuple[str, str]] = []
    for capability in capabilities:
        own = next(t for t in templates if t.capability == capability)
        queue += [(capability, seed) for seed in stage.corpus.seeds(own, per_capability, dice)]
    queue = dice.sample(queue, count - twice)
    for _ in range(count - len(queue)):
        place = dice.integer(0, len(queue) - 1)
        queue.insert(min(len(queue), place + dice.integer(1, 40)), queue[place])
    by_capability = {c: [t for t in templates if t.capability == c] for c in capabilities}
    prompts, systems, kinds = [], [], []
    for capability, seed in queue:
        template = dice.pick(by_capability[capability])
        prompts.append(template.fill(seed, partial(side_text, capability, dice)))
        systems.append(template.system)
        kinds.append(capability)
    return prompts, systems, kinds


def arrivals(stage: Stage, lives: Lives, begin: int, end: int) -> Ints:
    """Arrivals: the workers keep the load near what the living accounts may do, unevenly by hour."""
    grid = np.linspace(begin, end, max(2, 4 * (end - begin) // HOUR))
    alive = ((lives.since <= grid[:, None]) & (lives.until > grid[:, None])).sum(1)
    work = np.concatenate([[0.0], np.cumsum((alive[1:] + alive[:-1]) / 2 * np.diff(grid))])
    count = max(1, round(work[-1] / (24 * HOUR) * stage.number("per_day") * stage.volume))
    even = machine_times(stage.rng, count, begin, end, roughness=0.35)
    # Time runs as fast as accounts are alive, so that nobody is overworked while the pool is small.
    share = (even - begin) / (end - begin)
    moments: Floats = np.interp(share * work[-1], work, grid)
    return np.minimum(moments.astype(np.int64), end - 1)


def deal(stage: Stage, lives: Lives, ts: Ints) -> Ints:
    """The account of each arrival; -1 where none is alive. Least recently used comes with some disorder."""
    if stage.word("dispatch") == "random":
        return _deal_random(stage.rng, lives, ts)
    return _deal_oldest(stage.rng, lives, ts)


def _deal_random(rng: np.random.Generator, lives: Lives, ts: Ints) -> Ints:
    """Any living account, some preferred (weights of a Gamma with shape 12)."""
    weight: Floats = rng.gamma(12.0, 1.0, len(lives.since))
    account = np.full(len(ts), -1)
    draws = rng.random(len(ts))
    # Who is alive changes slowly: one set of weights an hour is enough.
    hours = ts // HOUR
    for hour in np.unique(hours).tolist():
        place = np.flatnonzero(hours == hour)
        alive = np.flatnonzero((lives.since <= ts[place[0]]) & (lives.until > ts[place[-1]]))
        if len(alive):
            cumulative = np.cumsum(weight[alive])
            account[place] = alive[np.searchsorted(cumulative, draws[place] * cumulative[-1])]
    return account


def _deal_oldest(rng: np.random.Generator, lives: Lives, ts: Ints) -> Ints:
    """The account that waited longest; in one of five cases one of the next four, as requests overtake."""
    coming = deque(np.argsort(lives.since, kind="stable").tolist())
    waiting: deque[int] = deque()
    account = np.full(len(ts), -1)
    skip = np.where(rng.random(len(ts)) < 0.2, rng.integers(1, 5, len(ts)), 0).tolist()
    since, until = lives.since.tolist(), lives.until.tolist()
    for place, now in enumerate(ts.tolist()):
        while coming and since[coming[0]] <= now:
            waiting.appendleft(coming.popleft())
        while waiting:
            waiting.rotate(-min(skip[place], len(waiting) - 1))
            chosen = waiting.popleft()
            waiting.rotate(min(skip[place], max(0, len(waiting))))
            if until[chosen] > now:
                waiting.append(chosen)
                account[place] = chosen
                break
    return account


def campaign_rows(stage: Stage, capabilities: Sequence[str], account: Ints, ts: Ints) -> Rows:
    """Rows of the campaign: prompts from the queue in the order of arrival, model with its pivot."""
    used = np.flatnonzero(account >= 0)
    account, ts = account[used], ts[used]
    prompts, systems, kinds = requests(stage, capabilities, len(ts))
    days = (ts - stage.around.released_at) / (24 * HOUR)
    moved = stage.rng.random(len(ts)) < stage.number("pivot") * np.clip(days * 3, 0, 1)
    model = np.where((days > 0) & moved, NEWEST, LARGE)
    zeros = np.zeros(len(ts), np.int64)
    return Rows(
        account, ts, prompts, systems, model, kinds, zeros + NO_SESSION, zeros, [None] * len(ts), zeros
    )
