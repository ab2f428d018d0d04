"""One queue of work: what every campaign has in common.

Tasks are dealt without replacement; a share is asked twice on purpose (best of two), or each of them
`best_of` times, and a share may be planted again much later, so that the campaign repeats itself as
strangers do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stillwatch.exchange.errors import UsageError
from stillwatch.lab.behaviour.clocks import DAY, HOUR, Floats, Ints
from stillwatch.lab.conducts import _prices as prices
from stillwatch.lab.conducts._dispatch import NOBODY, POLICIES, Lives, deal
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import LARGE, NEWEST, Stage
from stillwatch.lab.texts.answers import KINDS
from stillwatch.lab.texts.recipes import Recipes
from stillwatch.lab.texts.templates import Template
from stillwatch.lab.traffic import NONE, Rows

CAPABILITIES = ("reasoning", "rubric", "agentic_coding", "tool_use", "data_analysis", "rewriting")
LANGUAGES = ("en", "de", "fr", "es", "zh")
WORDINGS = ("fixed", "account", "exchange")
COLLECTS = (
    Parameter("first", "reasoning", choices=CAPABILITIES, meaning="capability that it collects"),
    Parameter("second", "", choices=("", *CAPABILITIES), meaning="further capability, or none"),
    Parameter("third", "", choices=("", *CAPABILITIES), meaning="further capability, or none"),
)
WORK = (
    *COLLECTS,
    Parameter("variants", 5, 1, 5000, meaning="paraphrases of each template"),
    Parameter(
        "wording",
        "fixed",
        choices=WORDINGS,
        meaning="who changes the wording: any of the paraphrases, one paraphrase for each account, or a new wording "
        "for each exchange",
    ),
    Parameter("language", "en", choices=(*LANGUAGES, "mixed"), meaning="language of the templates"),
    Parameter("again", 0.015, 0.0, 0.5, meaning="share of the tasks that are asked twice within a while"),
    Parameter("best_of", 1, 1, 16, meaning="how often each task is asked (best of k)"),
    Parameter(
        "planted", 0.0, 0.0, 0.9, meaning="share of the requests that repeat an earlier task on purpose"
    ),
    Parameter("pivot", 0.0, 0.0, 1.0, meaning="share of the requests that move to the newest model"),
    Parameter("pivot_days", 0.33, 0.01, 60.0, meaning="days after the release until that share has moved"),
    Parameter(
        "pivot_by",
        "request",
        choices=("request", "account"),
        meaning="whether single requests move, or each account at a moment of its own and for good",
    ),
)
TIMES = (
    Parameter("start_day", 3.0, 0.0, 119.0, meaning="first day of the campaign"),
    Parameter("days", 7.0, 0.2, 120.0, meaning="length in days"),
)
BALANCE = (
    Parameter("per_day", 24.0, 0.5, 2000.0, meaning="requests a day and account"),
    Parameter(
        "dispatch", "least_recently_used", choices=POLICIES, meaning="how the balancer picks an account"
    ),
    Parameter(
        "jitter_hours", 0.0, 0.0, 48.0, meaning="each request waits up to so many hours after it was dealt"
    ),
)
QUEUE = (*TIMES, *BALANCE, *WORK)


@dataclass(frozen=True)
class Queue:
    """The work of a campaign.

    Attributes:
        templates: paraphrases by capability.
        writer: salt of its tasks, so that two campaigns that draw from one grammar ask different things.
    """

    templates: dict[str, list[Template]]
    writer: int


def span(stage: Stage) -> tuple[int, int]:
    """Begin and end of the campaign, microseconds. Raises UsageError where it begins after the world's end."""
    if stage.number("start_day") >= stage.days:
        raise UsageError(
            f"{stage.name}: start_day = {stage.number('start_day'):g} is not allowed",
            f"Set start_day to a number below the world's days ({stage.days:g}).",
        )
    begin = stage.window[0] + int(stage.number("start_day") * DAY)
    return begin, min(stage.window[1], begin + int(stage.number("days") * DAY))


def capabilities(stage: Stage) -> tuple[str, ...]:
    """What it collects."""
    return tuple(
        dict.fromkeys(c for c in (stage.word("first"), stage.word("second"), stage.word("third")) if c)
    )


def open_queue(stage: Stage, wanted: Sequence[str]) -> Queue:
    """Templates for these capabilities, worded as the settings say."""
    language = stage.word("language")
    wording = "exchange" if stage.word("wording") == "exchange" else "fixed"
    # What is worded anew each time needs one grammar a language; of the others there are so many as are wanted.
    anew = len(LANGUAGES) if language == "mixed" else 1
    count = anew if wording == "exchange" else int(stage.number("variants"))
    house = stage.dice.integer(1, 2**40)
    # A rewriting model has no house style: paraphrases take from all phrases.
    style = house if stage.word("wording") == "fixed" else 0
    templates: dict[str, list[Template]] = {}
    for capability in wanted:
        templates[capability] = [
            stage.texts.teacher(
                capability,
                stage.dice,
                language=LANGUAGES[number % len(LANGUAGES)] if language == "mixed" else language,
                wording=wording,
                style=style,
            )
            for number in range(count)
        ]
    return Queue(templates, int(stage.rng.integers(0, 2**63)))


def tasks(stage: Stage, count: int) -> Ints:
    """Numbers of the tasks in the order in which `count` requests are dealt."""
    rng = stage.rng
    times = np.full(count, int(stage.number("best_of")))
    times[rng.random(count) < stage.number("again")] += 1
    item = np.repeat(np.arange(count), times)[:count]
    # A repetition is dealt within the next forty requests, not at once.
    position = np.arange(count) + np.where(np.diff(item, prepend=-1) == 0, rng.integers(1, 40, count), 0)
    item = item[np.argsort(position, kind="stable")]
    again = rng.random(count) < stage.number("planted")
    again[:1] = False
    fresh = np.cumsum(~again)
    # Repeats what was really asked, not what another repetition has taken the place of.
    earlier = np.flatnonzero(~again)[(rng.random(count) * fresh).astype(np.int64)]
    return np.where(again, item[earlier], item)


def arrivals(stage: Stage, lives: Lives, begin: int, end: int) -> Ints:
    """Arrivals: the workers keep the load near what the living accounts may do, unevenly by hour."""
    grid = np.linspace(begin, end, max(2, 4 * (end - begin) // HOUR))
    born, gone = np.sort(lives.since), np.sort(lives.until)
    alive = np.searchsorted(born, grid, side="right") - np.searchsorted(gone, grid, side="right")
    work = np.concatenate([[0.0], np.cumsum((alive[1:] + alive[:-1]) / 2 * np.diff(grid))])
    count = max(1, round(work[-1] / (24 * HOUR) * stage.number("per_day") * stage.volume))
    even = worked_off(stage.rng, count, begin, end)
    # Time runs as fast as accounts are alive, so that nobody is overworked while the pool is small.
    share = (even - begin) / (end - begin)
    moments: Floats = np.interp(share * work[-1], work, grid)
    return np.minimum(moments.astype(np.int64), end - 1)


def worked_off(rng: np.random.Generator, count: int, begin: int, end: int) -> Ints:
    """Arrivals of workers that are kept busy: uneven from hour to hour (log-normal, sigma 0.35), random within."""
    hours = max(1, -(-(end - begin) // HOUR))
    load = np.concatenate([[0.0], np.cumsum(rng.lognormal(0, 0.35, hours))])
    place = np.interp(np.sort(rng.random(count)) * load[-1], load, np.linspace(begin, end, hours + 1))
    moments: Ints = place.astype(np.int64)
    return moments


@dataclass(frozen=True)
class Dealt:
    """Tasks as they were handed out, one entry a request, int64: to which account, when, which task."""

    account: Ints
    ts: Ints
    item: Ints


def deal_out(stage: Stage, lives: Lives, begin: int, end: int) -> Dealt:
    """Arrivals, tasks, accounts and jitter of a pool of accounts."""
    ts = arrivals(stage, lives, begin, end)
    item = tasks(stage, len(ts))
    account = deal(stage.rng, stage.word("dispatch"), lives, ts, item)
    served = np.flatnonzero(account != NOBODY)
    late = (stage.rng.random(len(served)) * stage.number("jitter_hours") * HOUR).astype(np.int64)
    return Dealt(account[served], ts[served] + late, item[served])


def campaign_rows(stage: Stage, dealt: Dealt, queue: Queue | None = None) -> Rows:
    """Requests for these tasks, with the model's pivot; from a new queue of work where none is given."""
    wanted = capabilities(stage)
    # A task belongs to one capability whoever asks it.
    kind = dealt.item % len(wanted)
    prompts, system = _prompts(stage, queue or open_queue(stage, wanted), kind, dealt)
    answer = np.array([KINDS.index(c) for c in wanted])[kind]
    return Rows.of(
        dealt.account, dealt.ts, prompts, answer=answer, system=system, model=pivoted(stage, dealt)
    )


def _prompts(stage: Stage, queue: Queue, kind: Ints, dealt: Dealt) -> tuple[Recipes, Ints]:
    every = list(queue.templates.values())
    sizes = np.array([len(own) for own in every])
    size = len(dealt.item)
    draw = stage.rng.integers(0, 2**63, size)
    by_account = stage.word("wording") == "account"
    chosen = (dealt.account if by_account else stage.rng.integers(0, 2**31, size)) % sizes[kind]
    place = (np.cumsum(sizes) - sizes)[kind] + chosen
    templates = [template for own in every for template in own]
    program = np.array([template.program for template in templates])
    system = np.array([stage.book.system(t.system) if t.system else NONE for t in templates])
    return Recipes.of(program[place], queue.writer, dealt.item // len(every), draw), system[place]


def bare_tasks(queue: Queue, item: Ints) -> Recipes:
    """The tasks in one wording for all: what they differ in is the task."""
    first = np.array([own[0].program for own in queue.templates.values()])
    return Recipes.of(first[item % len(first)], queue.writer, item // len(first), 0)


def pivoted(stage: Stage, dealt: Dealt) -> Ints:
    """The model of each request: some move to the newest after its release, all at once or over days."""
    days = (dealt.ts - stage.around.released_at) / DAY
    share = stage.number("pivot") * np.clip(days / stage.number("pivot_days"), 0, 1)
    if stage.word("pivot_by") == "account":
        patience = stage.rng.random(int(dealt.account.max(initial=0)) + 1)[dealt.account]
    else:
        patience = stage.rng.random(len(dealt.ts))
    return np.where((days > 0) & (patience < share), NEWEST, LARGE)


def wording_price(stage: Stage, requests: int) -> float:
    """Euros for the paraphrases and translations that so many requests need."""
    variants = int(stage.number("variants"))
    return prices.wording_cost(stage.word("wording"), stage.word("language"), requests, variants)


def wasted(stage: Stage) -> float:
    """Share of the requests that bring no new task: best of k and planted repetitions."""
    return 1 - (1 - stage.number("planted")) / stage.number("best_of")
