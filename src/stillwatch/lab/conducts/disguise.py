"""A campaign whose accounts live like people: own projects, follow-ups, working hours, sittings, loyal
topics.

Each account has a person's days (sessions in its time zone) and pulls the next task of the one queue
whenever it sits down. It may hide its tasks among cover traffic of its own (a private person's talk, or a
developer's own project), add follow-ups that nobody needs, ask its own earlier tasks again, and keep to few
topics: the tasks are sorted with the detector's own vectors and each account is given those of its topics
only, which is what an attacker does who has read our source.

What it costs: a persona for each account, tokens for cover and follow-ups, and delay, because people sleep.
Loyal topics cost nothing but the sorting, as long as the queue has as many topics as accounts need. The
hours are those of the benign people (behaviour/clocks.py); all shares are ours, and doses of a world.
"""

from dataclasses import replace

import numpy as np

from stillwatch.lab.behaviour.clocks import (
    DAY,
    OFFICE_HOURS,
    PRIVATE_HOURS,
    Ints,
    Rhythm,
    Sessions,
    human_sessions,
)
from stillwatch.lab.conducts import _prices as prices
from stillwatch.lab.conducts._infrastructure import infrastructure, pool_accounts
from stillwatch.lab.conducts._queue import (
    TIMES,
    WORK,
    Dealt,
    Queue,
    bare_tasks,
    campaign_rows,
    capabilities,
    open_queue,
    span,
    tasks,
    wasted,
    wording_price,
    worked_off,
)
from stillwatch.lab.conducts._topics import topics
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import LARGE, Stage
from stillwatch.lab.texts.turns import turns_of
from stillwatch.lab.traffic import NONE, Cost, Rows, Traffic

SCALES = "accounts"
MIN_ACCOUNTS = 12
BALANCED = False  # a person sends a failed request again himself
PARAMETERS = (
    Parameter("accounts", 120, 2, 200_000, meaning="accounts"),
    *TIMES,
    *WORK,
    Parameter("per_day", 24.0, 0.5, 500.0, meaning="requests a day and account, cover included"),
    infrastructure("clean"),
    Parameter(
        "hours",
        "office",
        choices=("office", "private", "all", "none"),
        meaning="when its people are awake; none: no people, each request comes when the queue deals it",
    ),
    Parameter("sitting", 6.0, 1.0, 200.0, meaning="mean requests of one sitting"),
    Parameter(
        "cover", "none", choices=("none", "chat", "coding"), meaning="what its people do beside the tasks"
    ),
    Parameter("cover_share", 0.0, 0.0, 0.95, meaning="share of the sittings that are cover"),
    Parameter(
        "follow_ups", 0.0, 0.0, 0.9, meaning="share of the later turns of a sitting that are follow-ups"
    ),
    Parameter("own_repeats", 0.0, 0.0, 0.9, meaning="share of the tasks that the account asked before"),
    Parameter("topics", 0, 0, 200, meaning="topics that the tasks are sorted into; 0 for no sorting"),
    Parameter("own_topics", 1, 1, 50, meaning="topics of each account, where they are sorted"),
)
_HOURS = {"office": (OFFICE_HOURS, 0.25), "private": (PRIVATE_HOURS, 0.95), "all": (np.ones(24), 1.0)}


def wage(stage: Stage) -> Traffic:
    """The campaign's accounts and requests."""
    begin, end = span(stage)
    accounts = pool_accounts(stage, begin - stage.rng.integers(DAY, 30 * DAY, stage.accounts), begin)
    sessions = _days(stage, begin, end)
    covered, follows = _roles(stage, sessions)
    talk = _conversations(sessions, covered, follows)
    work = np.flatnonzero(~covered & ~follows)
    rows = Rows.concatenate(
        [_tasks(stage, talk, work), _cover(stage, talk, covered), _follows(stage, talk, follows)]
    )
    cost = _cost(stage, len(work), len(sessions.ts))
    return Traffic(accounts, rows, cost=cost, capabilities=capabilities(stage))


def _days(stage: Stage, begin: int, end: int) -> Sessions:
    """Sittings of people, or requests as a queue deals them, every few of an account taken for a sitting."""
    rng, count, turns = stage.rng, stage.accounts, stage.number("sitting")
    per_day = rng.gamma(8.0, stage.number("per_day") * stage.volume / 8.0, count)
    if stage.word("hours") != "none":
        hours, weekend = _HOURS[stage.word("hours")]
        return human_sessions(rng, per_day, begin, end, Rhythm(hours, weekend, turns=turns, pause_s=60.0))
    requests = max(1, round(per_day.sum() * (end - begin) / DAY))
    person = np.sort(rng.choice(count, requests, p=per_day / per_day.sum()))
    ts = worked_off(rng, requests, begin, end)[rng.permutation(requests)]
    ts = ts[np.lexsort((ts, person))]
    opens = (np.diff(person, prepend=-1) != 0) | (rng.random(requests) < 1 / turns)
    session = np.cumsum(opens) - 1
    return Sessions(person, session, turns_of(session), ts)


def _roles(stage: Stage, sessions: Sessions) -> tuple[np.ndarray, np.ndarray]:
    """Which turns are cover (whole sittings), which are follow-ups; all others are tasks."""
    sittings = int(sessions.session.max(initial=-1)) + 1
    share = stage.number("cover_share") if stage.word("cover") != "none" else 0.0
    covered = (stage.rng.random(sittings) < share)[sessions.session]
    drawn = stage.rng.random(len(sessions.ts)) < stage.number("follow_ups")
    return covered, drawn & ~covered & (sessions.turn > 0)


def _conversations(sessions: Sessions, covered: np.ndarray, follows: np.ndarray) -> Sessions:
    """Each task opens a conversation of its own, which its follow-ups continue; a sitting of cover is one."""
    opens = (np.diff(sessions.session, prepend=-1) != 0) | (~covered & ~follows)
    talk = np.cumsum(opens) - 1
    return Sessions(sessions.person, talk, turns_of(talk), sessions.ts)


def _tasks(stage: Stage, talk: Sessions, work: Ints) -> Rows:
    work = work[np.argsort(talk.ts[work], kind="stable")]
    queue = open_queue(stage, capabilities(stage))
    dealt = Dealt(talk.person[work], talk.ts[work], tasks(stage, len(work)))
    if stage.number("topics"):
        dealt = _sorted_by_topic(stage, queue, dealt)
    rows = replace(campaign_rows(stage, dealt, queue), session=talk.session[work], turn=talk.turn[work])
    return _with_repeats(stage, rows)


def _sorted_by_topic(stage: Stage, queue: Queue, dealt: Dealt) -> Dealt:
    """Hands the same tasks out anew, so that each account gets those of its own topics as far as they go."""
    rng, count = stage.rng, int(stage.number("topics"))
    topic = topics(stage.book, bare_tasks(queue, dealt.item), count, rng)
    own = rng.integers(0, count, (stage.accounts, int(stage.number("own_topics"))))
    wanted = own[dealt.account, rng.integers(0, own.shape[1], len(dealt.item))]
    return replace(dealt, item=dealt.item[_matched(topic, wanted, count)])


def _matched(topic: Ints, wanted: Ints, count: int) -> Ints:
    """The task of each request; requests whose topic has run out take the tasks that nobody wants."""
    task = np.full(len(topic), NONE)
    left: list[Ints] = []
    for number in range(count):
        have, ask = np.flatnonzero(topic == number), np.flatnonzero(wanted == number)
        many = min(len(have), len(ask))
        task[ask[:many]] = have[:many]
        left.append(have[many:])
    task[task == NONE] = np.concatenate(left)
    return task


def _with_repeats(stage: Stage, rows: Rows) -> Rows:
    """Some requests ask again what the same account asked before."""
    order = np.lexsort((rows.ts, rows.account))
    first = np.searchsorted(rows.account[order], np.arange(stage.accounts))
    place = np.arange(len(order)) - first[rows.account[order]]
    again = (stage.rng.random(len(order)) < stage.number("own_repeats")) & (place > 0)
    earlier = (
        np.arange(len(order)) - 1 - (stage.rng.random(len(order)) * np.minimum(place, 30)).astype(np.int64)
    )
    source = np.where(again, earlier, np.arange(len(order)))
    back = np.argsort(order, kind="stable")
    asked = rows.take(order[source][back])  # with its system prompt and kind of answer
    return replace(asked, ts=rows.ts, model=rows.model, session=rows.session, turn=rows.turn)


def _cover(stage: Stage, talk: Sessions, covered: np.ndarray) -> Rows:
    part = np.flatnonzero(covered)
    who, number, turn = talk.person[part], talk.session[part], talk.turn[part]
    seeds = stage.seeds(stage.accounts)
    answer: str | Ints = "plain"
    if stage.word("cover") == "coding":
        prompts, answer = stage.texts.coding(who, number, turn, seeds, stage.rng)
    else:
        prompts = stage.texts.chat(who, number, turn, seeds, stage.rng)
    ts = talk.ts[part]
    model = stage.models(np.full(len(part), LARGE), ts)
    return Rows.of(who, ts, prompts, answer=answer, model=model, session=number, turn=turn)


def _follows(stage: Stage, talk: Sessions, follows: np.ndarray) -> Rows:
    """Short further questions, as everybody asks them; each belongs to the task before it."""
    part = np.flatnonzero(follows)
    ask = stage.texts.homework_follow()
    prompts = ask.prompts(0, stage.rng.integers(0, 2**63, len(part)))
    ts = talk.ts[part]
    model = stage.models(np.full(len(part), LARGE), ts)
    return Rows.of(
        talk.person[part],
        ts,
        prompts,
        model=model,
        session=talk.session[part],
        turn=talk.turn[part],
    )


def _cost(stage: Stage, work: int, requests: int) -> Cost:
    kind = stage.word("infrastructure")
    useful = work * (1 - stage.number("own_repeats")) * (1 - wasted(stage))
    texts = wording_price(stage, work)
    each = prices.account_cost(kind, stage.number("days")) + prices.PERSONA
    money = stage.accounts * each + (requests - useful) * prices.REQUEST + texts
    # The same tasks through accounts that work round the clock at the same rate.
    delay = (requests / max(useful, 1) - 1) * stage.number("days") * 24
    note = f"{prices.account_note(kind)}, a persona for each, cover, follow-ups, waiting"
    return Cost(stage.accounts, round(money, 2), round(delay, 1), note)
